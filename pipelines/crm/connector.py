"""What every CRM's door does, whatever is behind it: hand out leads that changed, and take decisions."""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any, Protocol
from urllib.parse import parse_qsl, urlsplit

from features.errors import UsageError
from pipelines.addresses import is_private
from pipelines.environment import variables

Row = dict[str, Any]
# scheme: the module of this room that opens it, and an address of such a CRM
KINDS = {
    "tryton": ("tryton", "tryton:https://HOST/DATABASE"),
    "hubspot": ("hubspot", "hubspot:"),
    "salesforce": ("salesforce", "salesforce:https://DOMAIN.my.salesforce.com"),
}
HOSTS = {"hubspot": "https://api.hubapi.com"}  # of CRMs that are at one place for everybody


@dataclass(frozen=True)
class Lead:
    """All that a CRM tells of one lead, in canonical columns and in UTC.

    Attributes
    ----------
    lead_id : str
    row : dict
        What the record said when it was created: ``created_at``, ``account_id`` and ``owner`` if there are any,
        attributes. What was written later is no attribute but an event, for no model may know it before.
    events : list of dict
        ``kind``, ``occurred_at``, ``recorded_at``, ``value``.
    outcomes : list of dict
        ``stage`` in our words, ``state`` in the CRM's, ``occurred_at``, ``recorded_at``, ``amount``, ``rep``,
        ``reason``.
    """

    lead_id: str
    row: Row
    events: list[Row] = field(default_factory=list)
    outcomes: list[Row] = field(default_factory=list)


@dataclass(frozen=True)
class Page:
    """Some leads that changed, ids of leads that are there no more, and the mark to go on from."""

    leads: Sequence[Lead]
    gone: Collection[str]
    mark: str


@dataclass(frozen=True)
class Line:
    """One lead's decision on its way out: the entry of the outbox, and what it says (``DecisionSaid`` of
    docs/crm.md).
    """

    entry: int
    lead_id: str
    said: Mapping[str, Any]


@dataclass(frozen=True)
class Answer:
    """What became of a line: taken, or in the other system's words why not. ``later`` where trying again may
    help.
    """

    entry: int
    refused: str | None = None
    later: bool = False


class Target(Protocol):
    """Where decisions go.

    Attributes
    ----------
    name : str
        The key of the outbox, and how people are told of it; without a secret.
    at_once : int
        Lines of one call: those whose answers are lost if the process is killed, so that they are sent again.
    in_order : bool
        Whether every change has to arrive, one after the other; else the latest of a lead is enough.
    """

    name: str
    at_once: int
    in_order: bool

    def write(self, lines: Sequence[Line]) -> Iterator[Answer]:
        """Write lines of different leads. A line that is written already is taken and changes nothing.

        Raises
        ------
        UnreachableError
            If the other side does not answer or does not let us in; lines without an answer stay as they were.
        """

    def close(self) -> None:
        """Let go of the connection."""


class Crm(Target, Protocol):
    """A system that sales works in."""

    def look(self) -> str:
        """A text that is another one once there may be something new, for one cheap request."""

    def pages(self, since: str | None, known: Collection[str]) -> Iterator[Page]:
        """Leads that changed since a mark, oldest change first; all if there is none. ``known`` are the leads
        that were handed out before, to tell which are gone.
        """


@dataclass(frozen=True)
class Address:
    """``scheme:https://host/path?options``."""

    scheme: str
    base: str
    path: str
    options: Mapping[str, str]

    @property
    def name(self) -> str:
        """The address without options."""
        return f"{self.scheme}:{self.base}/{self.path}".rstrip("/")


def is_crm(url: str) -> bool:
    """Whether an address is a CRM's."""
    return url.partition(":")[0].lower() in KINDS


def open_crm(url: str) -> Crm:
    """The door of an address. Nothing is asked of the CRM yet.

    Raises
    ------
    UsageError
        For an address that cannot be read, or where the secret is not in the environment.
    """
    scheme, _, rest = url.partition(":")
    module, example = KINDS[scheme.lower()]
    if not rest.partition("?")[0]:
        rest = HOSTS.get(scheme.lower(), "") + rest
    parts = urlsplit(rest)
    if parts.username or parts.password:
        raise UsageError(f"an address of {scheme} holds no secret: it is read from the environment alone.")
    if not is_private(rest):
        raise UsageError(f"'{scheme}:{rest}' is no address of a CRM; say it like {example}.")
    address = Address(
        scheme.lower(),
        f"{parts.scheme}://{parts.netloc}",
        parts.path.strip("/"),
        dict(parse_qsl(parts.query)),
    )
    opens: Callable[[Address], Crm] = import_module(f"pipelines.crm.{module}").opened
    return opens(address)


def look_at_crm(url: str) -> str:
    """A text that is another one once a CRM may have something new."""
    with closing(open_crm(url)) as crm:
        return crm.look()


def secret(name: str) -> str:
    """A secret from the environment.

    Raises
    ------
    UsageError
        If it is not set.
    """
    found = variables().get(name)
    if not found:
        raise UsageError(
            f"the environment variable {name} is not set; it holds the key that the CRM asks for."
        )
    return found
