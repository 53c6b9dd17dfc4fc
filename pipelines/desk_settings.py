"""The [desk] section: what sales' pages show, whom they trust, and how people sign in."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Annotated, Any, Literal, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, PlainSerializer, field_serializer, model_validator

from pipelines.addresses import HIDDEN, is_private, redacted
from pipelines.sources.mapping import Section

Role = Literal["rep", "manager", "ops", "admin"]


def link(address: str | None) -> str | None:
    if address is not None and not (
        address.startswith(("https://", "http://")) and address.count("{lead_id}") == 1
    ):
        raise ValueError(f"'{address}' is no link to a lead: say it like 'https://crm.example/{{lead_id}}'")
    return address


def issuer(address: str) -> str:
    parts = urlsplit(address)
    if not is_private(address) or parts.query or parts.fragment:
        raise ValueError("an issuer is an https:// address, such as 'https://login.example.com/realms/sales'")
    return address


# As registered with a version, or shown: hidden.
Secret = Annotated[str, PlainSerializer(lambda _: HIDDEN, return_type=str, when_used="json-unless-none")]


class OidcSettings(Section):
    """The [desk.oidc] section: the company's sign-in by OpenID Connect.

    Attributes
    ----------
    issuer : str
        The provider's address, as its own description has it.
    client_id : str
        What the provider knows the desk as.
    client_secret : str, optional
        What the desk proves that with. A public client has none.
    label : str
        What the provider is called on the button.
    scopes : tuple of str
        What is asked of it besides ``openid``.
    name : str
        The claim that is the person's name at the desk; one that people cannot give to themselves.
    role : str, optional
        The claim that ``roles`` is about.
    roles : mapping of str to tuple of str
        For each role the values of that claim that give it; the highest counts, at each sign-in anew. The roles
        that administrators gave if empty.
    team : str, optional
        The claim that is the person's team.
    create : bool
        Whether somebody to whom ``roles`` gives one is added at the first sign-in. Else an administrator adds
        people.
    passwords : bool
        Whether passwords open the desk, too.
    """

    issuer: Annotated[str, AfterValidator(issuer)]
    client_id: str = Field(min_length=1)
    client_secret: Secret | None = Field(default=None, min_length=1, repr=False)
    label: str = Field(default="your company", min_length=1, max_length=40)
    scopes: tuple[str, ...] = ("profile", "email")
    name: str = "preferred_username"
    role: str | None = None
    roles: Mapping[Role, tuple[str, ...]] = Field(default_factory=dict)
    team: str | None = None
    create: bool = False
    passwords: bool = True

    @model_validator(mode="after")
    def _roles_have_a_claim(self) -> Self:
        if bool(self.roles) != (self.role is not None):
            raise ValueError(
                "role and roles need each other: a claim such as role = 'groups', and its values for each role"
            )
        if self.create and not self.roles:
            raise ValueError("create needs role and roles: they say as what somebody is added")
        return self

    def role_of(self, claims: Mapping[str, Any]) -> Role | None:
        """The highest role that what the provider says of somebody gives."""
        said = claims.get(self.role or "")
        values = {each for each in (said if isinstance(said, list) else [said]) if isinstance(each, str)}
        ranked: tuple[Role, ...] = ("admin", "ops", "manager", "rep")
        return next((role for role in ranked if values & set(self.roles.get(role, ()))), None)


class DeskSettings(Section):
    """The [desk] section: what sales' pages show, and whom they trust.

    Attributes
    ----------
    company : str
        The company's name, above each page.
    lead_url : str, optional
        Where a lead is in the company's own system, with ``{lead_id}`` in place of its id.
    name : tuple of str
        Columns of the leads that make up a lead's name. Found by their own names if empty.
    country : str, optional
        The column of the country, likewise.
    currency : str
        Before amounts.
    url : str, optional
        Where people reach the desk, for links in what is sent to them.
    hosts : tuple of str
        Names under which the desk may be reached, besides those of this machine.
    identity_header : str, optional
        The header in which a proxy says who is there. Off if not given.
    proxies : tuple of str
        The addresses, or networks, of proxies whose headers are believed.
    sources : tuple of str
        Addresses that marketing may have scored besides the source's own, laid out as it is.
    secret : str, optional
        What cookies and forms are signed with. In a file of the home folder if not given.
    idle_minutes : int
        A session ends when its browser has asked for nothing for so long, at most the twelve hours after which any
        ends.
    own_leads_only : bool
        Whether a rep sees no lead that is another rep's, and a manager none of another team.
    oidc : OidcSettings, optional
        The company's own sign-in. Passwords alone if not given.
    """

    company: Annotated[str, Field(max_length=80)] = ""
    lead_url: Annotated[str | None, AfterValidator(link)] = None
    name: tuple[str, ...] = ()
    country: str | None = None
    currency: str = ""
    url: str | None = None
    hosts: tuple[str, ...] = ()
    identity_header: str | None = None
    proxies: tuple[str, ...] = ()
    sources: tuple[str, ...] = Field(default=(), repr=False)
    secret: Secret | None = Field(default=None, min_length=32, repr=False)
    idle_minutes: int = Field(default=480, ge=5, le=720)
    own_leads_only: bool = False
    oidc: OidcSettings | None = None

    @property
    def passwords(self) -> bool:
        """Whether a password opens the desk."""
        return self.oidc is None or self.oidc.passwords

    @property
    def idle(self) -> timedelta:
        """How long a session may be without a request."""
        return timedelta(minutes=self.idle_minutes)

    @model_validator(mode="after")
    def _proxy_is_named(self) -> Self:
        if self.identity_header and not self.proxies:
            raise ValueError(
                "identity_header needs proxies: the addresses of the proxies that are believed, such as 127.0.0.1"
            )
        return self

    @field_serializer("sources")
    def _without_passwords(self, urls: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(redacted(url) for url in urls)
