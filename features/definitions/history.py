"""What became of others before: outcome rates by channel, campaign, owner and account, and the account's
earlier leads.

All of it is as known before the as-of time: a rate counts outcomes that had been settled by then, not those
of leads created by then. Rates are drawn towards the overall rate of the time, so that one early win in a new
team does not read as 100 %.

References
----------
Micci-Barreca (2001), smoothing of rates of high-cardinality keys; Prokhorenkova et al. (2018), ordered target
statistics.
"""

from dataclasses import dataclass

import ibis.expr.types as ir

from features.as_of import days_between
from features.register import feature

SHARE = "share, 0 to 1"
PRIOR_LEADS = 20.0  # how many leads the overall rate weighs


@dataclass(frozen=True)
class Past:
    """Outcomes of one key that were known before the as-of time, the lead's own left out; each a column.

    ``decided`` leads of which ``accepted``, ``settled`` leads of which ``won``, and the same rates over all
    leads.
    """

    decided: ir.IntegerColumn
    accepted: ir.IntegerColumn
    settled: ir.IntegerColumn
    won: ir.IntegerColumn
    usual_acceptance_rate: ir.FloatingColumn
    usual_win_rate: ir.FloatingColumn


@dataclass(frozen=True)
class Account:
    """The account's other leads that were known before the as-of time; each a column."""

    as_of: ir.TimestampColumn
    leads: ir.IntegerColumn
    accepted: ir.IntegerColumn
    won: ir.IntegerColumn
    previous_created_at: ir.TimestampColumn


@feature(
    of="key",
    column="{key}_win_rate",
    group="{key}",
    words="its {key} has a win rate of {value}",
    unit=SHARE,
    empty="no such key, or no lead settled yet",
)
def win_rate(past: Past, key: str) -> ir.FloatingValue:
    """Share of won among the settled leads with the same key, smoothed by the overall share of the time.

    A lead is settled when it is won, lost, or its horizon has passed. A lead that was never accepted does not
    count at all.
    """
    return (past.won + PRIOR_LEADS * past.usual_win_rate) / (past.settled + PRIOR_LEADS)


@feature(
    of="key",
    column="{key}_settled",
    group="{key}",
    words="{value} settled leads with this {key}",
    unit="leads",
    empty="no such key",
    told=False,
)
def settled_leads(past: Past, key: str) -> ir.IntegerValue:
    """Settled leads with the same key: how much the win rate rests on."""
    return past.settled


@feature(
    of="key",
    needs="accepted",
    column="{key}_acceptance_rate",
    group="{key}",
    words="its {key} has an acceptance rate of {value}",
    unit=SHARE,
    empty="no such key, or no lead decided yet",
)
def acceptance_rate(past: Past, key: str) -> ir.FloatingValue:
    """Share of accepted among the decided leads with the same key, smoothed by the overall share of the time.

    A lead is decided when it is accepted, rejected or lost, or when its horizon has passed without an answer.
    """
    return (past.accepted + PRIOR_LEADS * past.usual_acceptance_rate) / (past.decided + PRIOR_LEADS)


@feature(
    of="key",
    needs="accepted",
    column="{key}_decided",
    group="{key}",
    words="{value} decided leads with this {key}",
    unit="leads",
    empty="no such key",
    told=False,
)
def decided_leads(past: Past, key: str) -> ir.IntegerValue:
    """Decided leads with the same key: how much the acceptance rate rests on."""
    return past.decided


@feature(
    of="account",
    column="account_leads",
    group="account",
    words="{value} other leads of the account",
    unit="leads",
    empty="never empty",
    none=0,
)
def account_leads(account: Account) -> ir.IntegerValue:
    """Other leads of the same account, created before the as-of time."""
    return account.leads


@feature(
    of="account",
    column="account_won",
    group="account",
    words="{value} won leads of the account",
    unit="leads",
    empty="never empty",
    none=0,
)
def account_won(account: Account) -> ir.IntegerValue:
    """Other leads of the same account that were known to be won within their horizon."""
    return account.won


@feature(
    of="account",
    needs="accepted",
    column="account_accepted",
    group="account",
    words="{value} accepted leads of the account",
    unit="leads",
    empty="never empty",
    none=0,
)
def account_accepted(account: Account) -> ir.IntegerValue:
    """Other leads of the same account that were known to be accepted within their horizon."""
    return account.accepted


@feature(
    of="account",
    column="account_days_since_lead",
    group="account",
    words="the account's previous lead came {value} days ago",
    unit="days",
    empty="the account's first lead",
)
def account_days_since_lead(account: Account) -> ir.FloatingValue:
    """Days from the creation of the account's previous lead, the last one created before this one, to the
    as-of time.
    """
    return days_between(account.as_of, account.previous_created_at)
