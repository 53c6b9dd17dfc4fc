"""The company's sign-in, by OpenID Connect: the authorization code flow with PKCE, state and nonce.

What is signed and said is checked by authlib and joserfc; which algorithms, which issuer and which audience are
good is said here, and nothing that the provider says of itself widens it.
"""

import secrets
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlencode

from features.errors import UnreachableError, UsageError
from pipelines.desk_settings import OidcSettings
from pipelines.store.access.company import Claimed

PATIENCE = 5  # seconds that the provider may take to connect, and for each part of an answer
FRESH = timedelta(minutes=10)  # how long what the provider says of itself is believed
LONGEST_WAY = timedelta(minutes=10)  # from the button to the way back, a second factor included
LEEWAY = 60  # seconds by which the provider's clock may differ
# All that a provider signs with a key that it alone has; never "none", and never a secret that both have.
ALGORITHMS = (
    "RS256",
    "RS384",
    "RS512",
    "PS256",
    "PS384",
    "PS512",
    "ES256",
    "ES384",
    "ES512",
    "EdDSA",
    "Ed25519",
)


class NotProvenError(UsageError):
    """Whoever came back has not shown who it is."""


@dataclass(frozen=True)
class Way:
    """What the browser keeps, signed, while somebody is at the provider.

    Attributes
    ----------
    state, nonce, verifier : str
        What ties the way back, the token and the code to this browser.
    began : float
        When it was set out upon, in seconds.
    next : str
        The page to go to afterwards.
    """

    state: str
    nonce: str
    verifier: str
    began: float
    next: str

    def kept(self) -> dict[str, Any]:
        return asdict(self)


class Provider:
    """The provider of [desk.oidc]; it is asked for nothing before somebody wants to come in through it.

    Parameters
    ----------
    settings : OidcSettings
    """

    def __init__(self, settings: OidcSettings) -> None:
        self.settings = settings
        self._description: tuple[datetime, dict[str, Any]] | None = None

    def way_out(self, here: str, next: str, *, at: datetime) -> tuple[str, Way]:
        """The provider's page for signing in, and what the browser has to keep meanwhile.

        Parameters
        ----------
        here : str
            The desk's own address that the provider leads back to.
        next : str
            The page to go to afterwards.
        at : datetime
            The time now.
        """
        way = Way(*(secrets.token_urlsafe(48) for _ in range(3)), began=_seconds(at), next=next)
        address = self._description_at(at)["authorization_endpoint"]
        asked = {"state": way.state, "nonce": way.nonce, "code_verifier": way.verifier}
        url, _ = self._client(at, redirect_uri=here).create_authorization_url(address, **asked)
        return url, way

    def way_back(self, here: str, way: Way, query: Mapping[str, str], *, at: datetime) -> Claimed:
        """Who came back.

        Parameters
        ----------
        here : str
            The desk's own address, as on the way out.
        way : Way
            What the browser kept.
        query : mapping of str to str
            What the provider gave to the browser: ``code`` and ``state``, or ``error``.
        at : datetime
            The time now.

        Raises
        ------
        NotProvenError
            With what is wrong, if anything is.
        UnreachableError
            If the provider does not answer.
        """
        if not secrets.compare_digest(way.state.encode(), query.get("state", "").encode()):
            raise NotProvenError("this way back belongs to another sign-in")
        if not timedelta() <= at - _moment(way.began) <= LONGEST_WAY:
            raise NotProvenError("this took longer than ten minutes")
        if query.get("iss", self.settings.issuer) != self.settings.issuer:
            raise NotProvenError("another provider sent this")
        if "error" in query:
            raise NotProvenError(f"the provider said '{_word(query['error'])}'")
        token = self._token(here, way, query.get("code", ""), at)
        claims = self._checked(token, way.nonce, at)
        return self._claimed(self._with_more(claims, token, at))

    def end(self, *, at: datetime) -> str | None:
        """Where one signs out at the provider, too; None where it has no such page."""
        address = self._description_at(at).get("end_session_endpoint")
        return f"{address}?{urlencode({'client_id': self.settings.client_id})}" if address else None

    def _description_at(self, at: datetime) -> dict[str, Any]:
        """What the provider says of itself: where its pages are."""
        if self._description is None or not timedelta() <= at - self._description[0] < FRESH:
            base = self.settings.issuer.rstrip("/")
            told = self._asked(f"{base}/.well-known/openid-configuration")
            if told.get("issuer") != self.settings.issuer:
                raise UsageError(
                    f"the provider at {self.settings.issuer} calls itself {_word(str(told.get('issuer')))}: "
                    "[desk.oidc] issuer has to be the same to the letter. An administrator can mend it."
                )
            self._description = at, told
        return self._description[1]

    def _asked(self, url: str, **options: Any) -> dict[str, Any]:
        """A JSON object of the provider."""
        import requests

        try:
            answer = requests.get(url, timeout=PATIENCE, allow_redirects=False, **options)
            if answer.status_code != 200:
                raise _unreachable(self.settings, f"it answered {answer.status_code}")
            told = answer.json()
        except requests.JSONDecodeError:
            raise _unreachable(self.settings, "what it says is no JSON") from None
        except requests.RequestException as error:
            raise _unreachable(self.settings, _kind(error)) from None
        return told if isinstance(told, dict) else {}

    def _client(self, at: datetime, **options: Any) -> Any:
        from authlib.integrations.requests_client import OAuth2Session

        known = self._description_at(at).get("token_endpoint_auth_methods_supported", ["client_secret_basic"])
        by_secret = "client_secret_basic" if "client_secret_basic" in known else "client_secret_post"
        return OAuth2Session(
            self.settings.client_id,
            self.settings.client_secret,
            token_endpoint_auth_method=by_secret if self.settings.client_secret else "none",
            scope=" ".join(dict.fromkeys(("openid", *self.settings.scopes))),
            code_challenge_method="S256",
            **options,
        )

    def _token(self, here: str, way: Way, code: str, at: datetime) -> dict[str, Any]:
        """What the provider gives for a code, once."""
        import requests
        from authlib.common.errors import AuthlibBaseError

        address = self._description_at(at)["token_endpoint"]
        try:
            token = self._client(at, redirect_uri=here).fetch_token(
                address,
                grant_type="authorization_code",
                code=code,
                code_verifier=way.verifier,
                timeout=PATIENCE,
                allow_redirects=False,
            )
        except AuthlibBaseError as error:
            raise NotProvenError(f"the provider said '{_word(error.error or '')}' to the code") from None
        except requests.JSONDecodeError:
            raise _unreachable(self.settings, "what it says is no JSON") from None
        except requests.RequestException as error:
            raise _unreachable(self.settings, _kind(error)) from None
        if not isinstance(token.get("id_token"), str):
            raise NotProvenError("the provider gave no ID token")
        return token

    def _checked(self, token: Mapping[str, Any], nonce: str, at: datetime) -> dict[str, Any]:
        """The claims of an ID token that is signed by this provider, for this desk, now and for this sign-in."""
        from authlib.oidc.core import CodeIDToken
        from joserfc import jwt
        from joserfc.errors import JoseError
        from joserfc.jwk import KeySet
        from joserfc.jws import JWSRegistry

        said = self._description_at(at).get("id_token_signing_alg_values_supported", ["RS256"])
        rules = JWSRegistry(
            algorithms=[each for each in ALGORITHMS if each in said], strict_check_header=False
        )
        wanted = {
            "iss": {"essential": True, "value": self.settings.issuer},
            "aud": {"essential": True, "value": self.settings.client_id},
        }
        shown = {
            "nonce": nonce,
            "client_id": self.settings.client_id,
            "access_token": token.get("access_token"),
        }
        keys = self._asked(self._description_at(at)["jwks_uri"])
        try:
            signed = jwt.decode(token["id_token"], KeySet.import_key_set(keys), registry=rules)
            claims = CodeIDToken(signed.claims, signed.header, wanted, shown)
            claims.validate(now=int(_seconds(at)), leeway=LEEWAY)
        except (JoseError, ValueError) as error:
            words = getattr(error, "description", None) or str(error)
            raise NotProvenError(f"the provider's ID token is not good: {_word(words)}") from None
        return dict(claims)

    def _with_more(self, claims: dict[str, Any], token: Mapping[str, Any], at: datetime) -> dict[str, Any]:
        """The claims, with those that the provider tells only when it is asked for them."""
        named = (self.settings.name, self.settings.role, self.settings.team)
        address = self._description_at(at).get("userinfo_endpoint")
        if not address or all(name is None or name in claims for name in named):
            return claims
        told = self._asked(address, headers={"Authorization": f"Bearer {token.get('access_token')}"})
        if told.get("sub") != claims["sub"]:
            raise NotProvenError("the provider tells of two people at once")
        return told | claims

    def _claimed(self, claims: Mapping[str, Any]) -> Claimed:
        """What of the claims counts at the desk."""
        name = claims.get(self.settings.name)
        if not isinstance(name, str) or not name.strip() or len(name) > 80 or not name.isprintable():
            raise NotProvenError(
                f"the provider says no name of at most 80 characters: claim '{self.settings.name}'. "
                "[desk.oidc] name says which claim it is, and scopes what is asked for"
            )
        if self.settings.name == "email" and claims.get("email_verified") is not True:
            raise NotProvenError("the provider has not verified that e-mail address")
        team = claims.get(self.settings.team or "")
        return Claimed(
            f"{self.settings.issuer} {claims['sub']}",
            name.strip(),
            self.settings.role_of(claims),
            team if isinstance(team, str) and team.isprintable() and len(team) <= 80 else None,
        )


def _unreachable(settings: OidcSettings, why: str) -> UnreachableError:
    return UnreachableError(
        f"{settings.label}'s sign-in cannot be asked ({why}); nobody was signed in. Try again in a minute."
    )


def _kind(error: Exception) -> str:
    """What went wrong on the way, without addresses."""
    import requests

    if isinstance(error, requests.Timeout):
        return f"it did not answer within {PATIENCE} seconds"
    if isinstance(error, requests.exceptions.SSLError):
        return "its certificate is not good"
    return "nothing answers there"


def _word(text: str) -> str:
    """A stranger's word, short and in one line."""
    return "".join(each for each in text if each.isprintable())[:80]


def _seconds(at: datetime) -> float:
    return at.replace(tzinfo=UTC).timestamp()


def _moment(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC).replace(tzinfo=None)
