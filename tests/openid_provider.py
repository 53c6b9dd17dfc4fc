"""A provider of OpenID Connect on this machine: a package's own, which asks who one is and signs what it says.

Around it stands what the package lacks or must not do by itself: codes are given out for the proof that was
promised alone (PKCE), and a test may have an ID token say something else, or be signed otherwise.
"""

import base64
import hashlib
import json
import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from io import BytesIO
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
from joserfc import jwk, jws
from oidc_provider_mock import User, app
from oidc_provider_mock._server import _threaded_server

CLIENT, SECRET = "leadsieve", "a secret of the desk and its provider"
Forge = Callable[[dict[str, Any]], str]
KEY = jwk.RSAKey.generate_key(2048, {"kid": "of the tests"}, auto_kid=False)


def signed(claims: dict[str, Any], *, alg: str = "RS256", key: Any = KEY) -> str:
    """Claims in an ID token of the tests' own key, which the provider says is its own."""
    header = {"alg": alg, "kid": "of the tests"}
    return jws.serialize_compact(header, json.dumps(claims), key, algorithms=[alg])


def unsigned(claims: dict[str, Any]) -> str:
    """Claims that nobody has signed."""
    parts = ({"alg": "none"}, claims)
    coded = (base64.urlsafe_b64encode(json.dumps(each).encode()).rstrip(b"=").decode() for each in parts)
    return f"{'.'.join(coded)}."


@dataclass
class Watched:
    """The provider, watched."""

    inner: Callable[..., Iterable[bytes]]
    forge: Forge | None = None  # makes the ID token of its claims
    described: dict[str, Any] = field(default_factory=dict)  # what its description says otherwise
    asked: list[str] = field(default_factory=list)  # paths, in their order
    promised: dict[str, str] = field(default_factory=dict)  # what each code was given out for

    def __call__(self, environ: dict[str, Any], start: Callable) -> Iterable[bytes]:
        path = environ["PATH_INFO"]
        self.asked.append(path)
        if path == "/oauth2/token" and not self._proven(environ):
            start("400 Bad Request", [("Content-Type", "application/json")])
            return [b'{"error": "invalid_grant"}']
        answer: dict[str, Any] = {}

        def started(status: str, headers: list[tuple[str, str]], *rest: Any) -> None:
            answer.update(status=status, headers=headers)

        body = b"".join(self.inner(environ, started))
        location = dict(answer["headers"]).get("Location", "")
        if path == "/oauth2/authorize" and (code := parse_qs(urlsplit(location).query).get("code")):
            [challenge] = parse_qs(environ["QUERY_STRING"])["code_challenge"]
            assert parse_qs(environ["QUERY_STRING"])["code_challenge_method"] == ["S256"]
            self.promised[code[0]] = challenge
        if path == "/oauth2/token" and self.forge and answer["status"].startswith("200"):
            told = json.loads(body)
            payload = told["id_token"].split(".")[1]
            claims = json.loads(base64.urlsafe_b64decode(payload + "=="))
            body = json.dumps(told | {"id_token": self.forge(claims)}).encode()
        if path == "/jwks" and self.forge:
            body = json.dumps({"keys": [KEY.as_dict(private=False)]}).encode()
        if path.startswith("/.well-known") and self.described:
            body = json.dumps(json.loads(body) | self.described).encode()
        headers = [pair for pair in answer["headers"] if pair[0].lower() != "content-length"]
        start(answer["status"], [*headers, ("Content-Length", str(len(body)))])
        return [body]

    def _proven(self, environ: dict[str, Any]) -> bool:
        """Whether whoever brings a code is who it was given out for."""
        said = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        environ["wsgi.input"] = BytesIO(said)
        form = {name: values[0] for name, values in parse_qs(said.decode()).items()}
        proof = hashlib.sha256(form.get("code_verifier", "").encode()).digest()
        given = base64.urlsafe_b64encode(proof).rstrip(b"=").decode()
        return self.promised.get(form.get("code", "")) == given


@dataclass
class Provider:
    """A provider that runs."""

    issuer: str
    watched: Watched

    def knows(self, subject: str, **claims: Any) -> None:
        """Let it say this of somebody from now on."""
        httpx.put(f"{self.issuer}/users/{subject}", json=claims).raise_for_status()

    def signs_in(self, address: str, subject: str) -> str:
        """What somebody does on its page; gives where the browser is led."""
        page = httpx.get(address)
        assert page.status_code == 200, page.text
        answer = httpx.post(address, data={"sub": subject})
        assert answer.status_code == 302, answer.text
        return answer.headers["Location"]

    def settings(self, **more: str) -> str:
        """The section that names it."""
        keys = {"issuer": f'"{self.issuer}"', "client_id": f'"{CLIENT}"', "client_secret": f'"{SECRET}"'}
        roles = more.pop("roles", "")
        lines = "\n".join(f"{key} = {value}" for key, value in {**keys, **more}.items())
        return f"[desk.oidc]\n{lines}\n" + (f"[desk.oidc.roles]\n{roles}\n" if roles else "")


@contextmanager
def provider() -> Iterator[Provider]:
    """A provider that runs on a free port, and asks anybody."""
    inner = app(user_claims=[User(sub="ann", claims={"preferred_username": "ann"})])
    inner.debug = False
    watched = Watched(inner)
    with _threaded_server(port=0, app=watched, host="127.0.0.1", poll_interval=0.02) as server:
        yield Provider(f"http://127.0.0.1:{server.server_port}", watched)


def form_address(text: str) -> str:
    """Where a link of a page to the company leads."""
    [address] = re.findall(r'href="(/sign-in/company\?[^"]*)"', text)
    return address.replace("&amp;", "&")
