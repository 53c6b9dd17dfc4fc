"""E-mail addresses by rule: a free mailbox or a company's own domain. The address itself is never used."""

import ibis
import ibis.expr.types as ir

from features.register import feature

ADDRESS = r"^[^@[:space:]]+@[^@[:space:]]+[.][^@[:space:].]+$"
FREE = (
    "gmail", "googlemail", "yahoo", "ymail", "rocketmail", "hotmail", "outlook", "live", "msn", "aol", "icloud", "me", "mac",
    "gmx", "web", "t-online", "freenet", "mail", "email", "proton", "protonmail", "pm", "zoho", "yandex", "qq", "163", "126",
    "sina", "naver", "hanmail", "orange", "wanadoo", "free", "laposte", "sfr", "libero", "virgilio", "tiscali", "uol", "bol",
    "terra", "rediffmail", "comcast", "verizon", "att", "sbcglobal", "cox", "btinternet", "sky", "bluewin", "seznam", "wp", "o2",
    "interia", "tutanota", "fastmail", "hey",
)  # fmt: skip


def is_address(text: ir.StringValue) -> ir.BooleanValue:
    """Whether a text looks like an e-mail address."""
    return text.strip().re_search(ADDRESS)


def domain(address: ir.StringValue) -> ir.StringValue:
    """What stands behind the @, in lower case; empty where there is no address."""
    tidy = address.strip().lower()
    return is_address(tidy).ifelse(tidy.re_replace("^.*@", ""), ibis.null("string"))


def is_free(domain: ir.StringValue) -> ir.BooleanValue:
    """Whether a domain belongs to a provider that gives anybody a mailbox."""
    return domain.re_search("^(" + "|".join(FREE) + r")[.](co[.])?[a-z]+$")


def company_domain(address: ir.StringValue) -> ir.StringValue:
    """The domain of a company's own address; empty for a free mailbox, which says nothing of a company."""
    behind = domain(address)
    return is_free(behind).ifelse(ibis.null("string"), behind)


@feature(
    of="lead", attributes=["email"], column="{attribute}_is_free", group="{attribute}", words="{attribute} is at a free provider: {value}",
    unit="1 yes, 0 no", empty="no e-mail address",
)  # fmt: skip
def free_mailbox(lead: ir.Table, attribute: str) -> ir.FloatingValue:
    """Whether the e-mail address belongs to a free provider rather than to a company."""
    behind = domain(lead[attribute])
    return ibis.cases((behind.isnull(), ibis.null("float64")), (is_free(behind), 1.0), else_=0.0)
