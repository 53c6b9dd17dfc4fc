"""Addresses of sources, and how to speak of them without giving a password away."""

import re
from urllib.parse import unquote, urlsplit

_PASSWORD = re.compile(r"^([a-z][a-z0-9+.-]*://[^:/@?#]*):(.*)@", re.IGNORECASE | re.DOTALL)
_PARAMETER = re.compile(
    r"([?&;](?:[\w.-]*(?:password|passwd|pwd|token|secret|passcode|private_key|api_?key)[\w.-]*)=)([^&;]*)",
    re.IGNORECASE,
)
HIDDEN = "***"
LOOPBACK = ("127.0.0.1", "localhost", "::1")


def is_private(url: str) -> bool:
    """Whether nobody on the way can read along: the address is encrypted, or is this machine's own."""
    parts = urlsplit(url)
    return bool(parts.hostname) and parts.scheme in (
        ("https", "http") if parts.hostname in LOOPBACK else ("https",)
    )


def redacted(url: str) -> str:
    """The address with its passwords hidden.

    >>> redacted("postgresql://ann:s3cret@db.example/crm?sslmode=require&token=abc")
    'postgresql://ann:***@db.example/crm?sslmode=require&token=***'
    """
    return _PARAMETER.sub(rf"\g<1>{HIDDEN}", _PASSWORD.sub(rf"\g<1>:{HIDDEN}@", url))


def secrets(url: str) -> set[str]:
    """Every password in an address, as written and as a driver would see it."""
    found = {match.group(2) for match in _PASSWORD.finditer(url)} | {
        match.group(2) for match in _PARAMETER.finditer(url)
    }
    return {form for secret in found if secret for form in (secret, unquote(secret))}


def without_secrets(text: str, url: str) -> str:
    """A driver's words about an address, with every password in them hidden."""
    for secret in sorted(secrets(url), key=len, reverse=True):
        text = text.replace(secret, HIDDEN)
    return redacted(text)
