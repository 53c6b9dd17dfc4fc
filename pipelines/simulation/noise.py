"""What makes made-up leads look like a real CRM's: addresses, typos, gaps; and, on request, leaks and worse
dirt.
"""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipelines.simulation.leads import TITLES, People
from pipelines.simulation.outcomes import Fates

FIRST_NAMES = (
    "anna",
    "ben",
    "carla",
    "david",
    "elena",
    "felix",
    "grace",
    "hugo",
    "ines",
    "jonas",
    "kim",
    "laura",
    "marc",
    "nina",
    "omar",
    "paula",
)
LAST_NAMES = (
    "smith",
    "mueller",
    "rossi",
    "dubois",
    "garcia",
    "silva",
    "novak",
    "jansen",
    "patel",
    "costa",
    "weber",
    "brown",
    "lopez",
    "singh",
)
FREE_MAIL = ("gmail.com", "outlook.com", "yahoo.com", "gmx.de")
SHARED_DOMAINS = ("agencyhub.com", "cowork-mail.com", "buyersguild.org")  # one domain, many accounts
FREE_MAIL_SHARE, SHARED_SHARE = 0.18, 0.03
TYPO_SHARE, SLOPPY_CASE_SHARE = 0.04, 0.10
EMPTY_SHARES = {"employees": 0.18, "industry": 0.10, "job_title": 0.12, "country": 0.03, "campaign": 0.05}
DUPLICATE_SHARE, BACK_DATED_SHARE, WEAK_LEAK_SHARE = 0.04, 0.05, 0.35
OFFSETS_HOURS = (0, 2, -5, 9)


def words(choices, index: np.ndarray) -> pa.Array:
    return pa.array(choices, type=pa.string()).take(pa.array(index))


def numbered(prefix: str, numbers: np.ndarray, digits: int) -> pa.Array:
    padded = pc.utf8_lpad(pa.array(numbers).cast(pa.string()), width=digits, padding="0")
    return pc.binary_join_element_wise(prefix, padded, "")


def emails(rng: np.random.Generator, account: np.ndarray) -> pa.Array:
    """Addresses at the account's own domain, at a domain that several accounts share, or at a free-mail host."""
    count, accounts = len(account), int(account.max()) + 1
    local = pc.binary_join_element_wise(
        words(FIRST_NAMES, rng.integers(len(FIRST_NAMES), size=count)),
        words(LAST_NAMES, rng.integers(len(LAST_NAMES), size=count)),
        ".",
    )
    shared = rng.random(accounts) < SHARED_SHARE
    shared_domain = words(SHARED_DOMAINS, rng.integers(len(SHARED_DOMAINS), size=accounts))
    own_domain = pc.binary_join_element_wise(numbered("company", np.arange(accounts), 1), "com", ".")
    domain = pc.if_else(pa.array(shared), shared_domain, own_domain).take(pa.array(account))
    free = words(FREE_MAIL, rng.integers(len(FREE_MAIL), size=count))
    at_free = rng.random(count) < FREE_MAIL_SHARE
    domain = pc.if_else(pa.array(at_free), free, domain)
    # Where many accounts have addresses, names alone are taken: two people never share one.
    with_number = pc.binary_join_element_wise(local, numbered("", account, 1), "")
    local = pc.if_else(pa.array(at_free | shared[account]), with_number, local)
    return pc.binary_join_element_wise(local, domain, "@")


def typed_titles(rng: np.random.Generator, title: np.ndarray) -> pa.Array:
    """Titles as people type them: some in lower case, some with two letters swapped."""
    names = list(TITLES)
    spellings = [*names, *(name.lower() for name in names)]
    for place in (1, 2):
        spellings += [
            name[:place] + name[place + 1] + name[place] + name[place + 2 :]
            if len(name) > place + 1
            else name
            for name in names
        ]
    typo = rng.random(len(title)) < TYPO_SHARE
    lower = rng.random(len(title)) < SLOPPY_CASE_SHARE
    variant = np.where(typo, 2 + rng.integers(2, size=len(title)), np.where(lower, 1, 0))
    return words(spellings, variant * len(names) + title)


def with_gaps(rng: np.random.Generator, leads: pa.Table) -> pa.Table:
    """Empty some of the cells that forms leave empty; whether a cell is empty says nothing about the lead."""
    for name, share in EMPTY_SHARES.items():
        column = leads[name].combine_chunks()
        gone = pa.array(rng.random(len(leads)) < share)
        leads = leads.set_column(
            leads.schema.get_field_index(name), name, pc.if_else(gone, pa.scalar(None, column.type), column)
        )
    return leads


def with_leaks(
    rng: np.random.Generator, leads: pa.Table, *, fates: Fates, people: People, days: float
) -> pa.Table:
    """Add columns that a CRM fills in later, with what it shows at the end of the world.

    ``amount`` for wins only, ``discount_code`` for some of the wins, ``rating`` by the rep once the lead is
    taken up, ``activity_count`` that keeps growing, ``last_activity``, ``lost_reason``.
    """
    count = len(leads)
    accepted, won, lost = (
        fates.accepted < days,
        fates.won < days,
        fates.lost < days,
    )  # nan is never before the end
    codes = words([f"SAVE{percent}" for percent in (5, 10, 15, 20)], rng.integers(4, size=count))
    stars = np.clip(np.round(3 + 1.5 * won - 1.2 * lost + 0.8 * rng.standard_normal(count)), 1, 5)
    age = days - people.created
    last = np.select(
        [won, lost, accepted],
        [rng.integers(0, 2, count), rng.integers(2, 4, count), rng.integers(4, 6, count)],
        6,
    )
    last_activities = (
        "contract sent",
        "onboarding call",
        "closed lost",
        "no reply",
        "call",
        "meeting",
        "email",
    )
    added = {
        "amount": pa.array(fates.amount, mask=~won),
        "discount_code": pc.if_else(
            pa.array(won & (rng.random(count) < WEAK_LEAK_SHARE)), codes, pa.scalar(None, pa.string())
        ),
        "rating": pa.array(stars, mask=~accepted),
        "activity_count": pa.array(rng.poisson(2 + 0.02 * age + 6 * accepted + 8 * won).astype(float)),
        "last_activity": words(last_activities, last),
        "lost_reason": pc.if_else(
            pa.array(lost),
            words(("price", "timing"), rng.integers(2, size=count)),
            pa.scalar(None, pa.string()),
        ),
    }
    for name, column in added.items():
        leads = leads.append_column(name, column)
    return leads


def with_duplicates(rng: np.random.Generator, leads: pa.Table) -> pa.Table:
    """Repeat some rows, id and all, as a careless export does. Breaks the contract."""
    again = np.flatnonzero(rng.random(len(leads)) < DUPLICATE_SHARE)
    return leads.take(np.sort(np.concatenate([np.arange(len(leads)), again])))


def with_mixed_zones(rng: np.random.Generator, leads: pa.Table) -> pa.Table:
    """Write ``created_at`` as text with an offset, each row in the zone of the office that entered it: the
    same moments.
    """
    zone = rng.integers(len(OFFSETS_HOURS), size=len(leads))
    hours = np.array(OFFSETS_HOURS)[zone]
    local = pc.add(leads["created_at"].combine_chunks(), pa.array(hours * 3600 * 10**6, pa.duration("us")))
    texts = pc.binary_join_element_wise(
        pc.strftime(local, format="%Y-%m-%dT%H:%M:%S"),
        words([f"{hour:+03d}:00" for hour in OFFSETS_HOURS], zone),
        "",
    )
    return leads.set_column(leads.schema.get_field_index("created_at"), "created_at", texts)


def with_back_dates(rng: np.random.Generator, outcomes: pa.Table) -> pa.Table:
    """Date some outcomes days before they were recorded, some even before the lead was created."""
    days = np.where(rng.random(len(outcomes)) < BACK_DATED_SHARE, rng.integers(1, 60, len(outcomes)), 0)
    earlier = pc.subtract(
        outcomes["occurred_at"].combine_chunks(), pa.array(days * 86400 * 10**6, pa.duration("us"))
    )
    return outcomes.set_column(outcomes.schema.get_field_index("occurred_at"), "occurred_at", earlier)
