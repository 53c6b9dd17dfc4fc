"""The policy of a new version: its cut, certified on wins of accounts that the model has not learned from."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from features.labels import Labels
from models.policy.arms import PASS_THROUGH, places
from models.policy.economics import Economics
from models.policy.margin_risk_control import margin_cap
from models.policy.policy import Policy, lowest_share_cut
from models.policy.risk_control import Certificate, Promise, certify, wins_needed
from models.policy.rules import NEVER, Rule, RuleCost, after_rules, costs
from models.policy.settings import PolicySettings

LARGEST_SHARE = 0.25
LARGEST_SHARE_OF_FEW = 0.5
WINDOW = 2  # newest wins for each one that certifies
NEWEST = 0.25  # of the leads: those whose held share is told
ENOUGH = 50_000


@dataclass(frozen=True)
class Withheld:
    """The accounts that the model does not learn from, and their wins, which certify.

    Attributes
    ----------
    wins, older : array of int
        Rows of the certifying wins, and of the wins that the model learns from, in time order.
    learn : array of bool, shape (n,)
        Leads that the model may learn from: those of all other accounts.
    repeated : int
        Wins that do not count, because their account has a later one.
    """

    wins: np.ndarray
    older: np.ndarray
    learn: np.ndarray
    repeated: int = 0

    def nobody(self) -> "Withheld":
        """The same wins with no account withheld: for a model that promises nothing."""
        won = np.sort(np.append(self.wins, self.older))
        return replace(self, wins=won[:0], older=won, learn=np.ones(len(self.learn), bool))


def withhold(
    labels: Labels,
    as_of: np.ndarray,
    accounts: np.ndarray,
    settings: PolicySettings,
    *,
    logged: pd.DataFrame | None = None,
) -> Withheld:
    """Draw the accounts whose wins certify, among those of the newest settled wins.

    As many accounts as it takes for a quarter of all wins, at most ``certify_wins``; for up to half of them
    where a quarter would certify nothing. They are drawn from twice as many of the newest wins: so what the
    model learns from reaches up to today, and the wins that certify are as new as those it learns from. An
    account is drawn with its losses, or wins would be rarer among what is learned from than they are. Where
    even half of the wins are too few, nobody is withheld: a model that learned from all is worth more than a
    promise that cannot be made.

    Wins of one account share a fate, so only the last win of each counts.

    Parameters
    ----------
    labels : Labels
        Of the outcome that is promised about.
    as_of : array of datetime64, shape (n,)
    accounts : array of account ids, shape (n,)
        Who is drawn hangs on them and on the salt alone, and so on no score.
    settings : PolicySettings
    logged : DataFrame, optional
        As in a learning set. Leads that went through a filter are passed over, unless they passed through
        whatever their score: wins among them are only those that the filter let through, and would flatter
        it.
    """
    codes, ids = pd.factorize(np.asarray(accounts, dtype=object))
    won, repeated = last_win_of_each(labels, as_of, codes, logged)
    fewest = wins_needed(settings.max_lost_share, settings.confidence)
    number = min(settings.certify_wins, int(LARGEST_SHARE * len(won)))
    if number < fewest:
        number = fewest if fewest <= LARGEST_SHARE_OF_FEW * len(won) else 0
    if settings.promise == "none" or not number:
        return Withheld(wins=won[:0], older=won, learn=np.ones(len(as_of), bool), repeated=repeated)
    start = as_of[won[-min(WINDOW * number, len(won))]]
    newest = won[as_of[won] >= start]
    place = places(f"{settings.salt}|withheld", ids)
    drawn = np.zeros(len(ids), bool)
    drawn[codes[as_of >= start]] = True
    drawn &= place <= np.sort(place[codes[newest]])[number - 1]
    withheld = drawn[codes]
    return Withheld(
        wins=newest[withheld[newest]], older=won[~withheld[won]], learn=~withheld, repeated=repeated
    )


def last_win_of_each(
    labels: Labels, as_of: np.ndarray, accounts: np.ndarray, logged: pd.DataFrame | None
) -> tuple[np.ndarray, int]:
    """The rows of the settled wins that no filter has touched, the last of each account, in time order; and
    how many others there are.
    """
    won = np.flatnonzero(labels.judged & (labels.outcome == 1) & untouched(logged, len(as_of)))
    won = won[np.argsort(as_of[won], kind="stable")]
    last = np.sort(len(won) - 1 - np.unique(accounts[won][::-1], return_index=True)[1])
    return won[last], len(won) - len(last)


def untouched(logged: pd.DataFrame | None, leads: int) -> np.ndarray:
    """Leads whose way to sales no filter has changed."""
    if logged is None:
        return np.ones(leads, bool)
    return (logged["arm"].isna() | logged["cut"].isna() | (logged["arm"] == PASS_THROUGH)).to_numpy()


def policy_of(
    withheld: Withheld,
    chance: Callable[[np.ndarray], np.ndarray],
    as_of: np.ndarray,
    margins: np.ndarray,
    settings: PolicySettings,
    economics: Economics | None,
    *,
    forward: np.ndarray,
    leads: pd.DataFrame | None = None,
    moment: Callable[[Any], Any],
) -> Policy:
    """Certify the cut, or fall back to a configured one, or hold nobody.

    Parameters
    ----------
    chance : function
        Rows to the scores of the finished model.
    margins : array of float, shape (n,)
        What wins brought, NaN where unknown.
    forward : array of float
        Scores of earlier leads on the same scale, by models that had not seen them: what a configured share
        is taken of. Where there are none, the model's own scores have to serve.
    leads : DataFrame, optional
        What rules look at, row by row; needed where there are any.
    moment : function
        Words a time for the promise.
    """
    columns = () if leads is None else leads.columns
    counted = tuple(rule for rule in settings.rules if rule.column in columns)
    rules = tuple(rule for rule in counted if rule.in_force(pd.Timestamp(as_of[-1]).to_pydatetime()))
    own = chance
    chance = after_rules(rules, leads, own) if leads is not None else own
    scores = chance(newest_of(len(as_of)))
    certificate = _certificate(withheld, chance, as_of, margins, settings, moment=moment)
    if certificate.cut is not None and certificate.cut <= NEVER:
        why = "nothing is promised: the rules alone would hold back more of the customers than the filter may lose."
        certificate = replace(
            certificate, cut=None, promise=replace(certificate.promise, certified=False, why=why)
        )
    cut, basis = certificate.cut, "certified"
    if not certificate.promise.certified:
        cut, basis = settings.cut, "configured"
        if settings.hold_share is not None:
            cut = lowest_share_cut(forward if len(forward) else scores, settings.hold_share)
        if cut is None:
            basis = "none"
    return Policy(
        cut=cut,
        basis=basis,
        held_share=0.0 if cut is None else float(np.mean(scores < cut)),
        promise=_with_repeated(certificate.promise, withheld.repeated),
        arms=settings.arms,
        economics=economics,
        rules=counted,
        rule_costs=_costs(rules, withheld, own, leads, cut, settings.hours_per_lead),
    )


def _costs(
    rules: tuple[Rule, ...],
    withheld: Withheld,
    chance: Callable[[np.ndarray], np.ndarray],
    leads: pd.DataFrame | None,
    cut: float | None,
    hours_per_lead: float,
) -> tuple[RuleCost, ...]:
    if not rules or leads is None:
        return ()
    won = np.zeros(len(leads), bool)
    won[withheld.wins] = won[withheld.older] = True
    score = chance(np.arange(len(leads)))
    return costs(rules, leads, won, score, cut, hours_per_lead=hours_per_lead)


def newest_of(leads: int) -> np.ndarray:
    """Rows of the newest leads, or evenly of some of them where they are many."""
    newest = np.arange(int((1 - NEWEST) * leads), leads)
    return newest[:: max(1, -(-len(newest) // ENOUGH))]


def _with_repeated(promise: Promise, repeated: int) -> Promise:
    """The promise with a word on the wins that did not count."""
    if not repeated:
        return promise
    said = (
        "1 more win is of an account with a later one and does not count"
        if repeated == 1
        else (f"{repeated:,} more wins are of accounts with a later one and do not count")
    )
    return replace(promise, why=f"{promise.why.removesuffix('.')}; {said}.")


def _certificate(
    withheld: Withheld,
    chance: Callable[[np.ndarray], np.ndarray],
    as_of: np.ndarray,
    margins: np.ndarray,
    settings: PolicySettings,
    *,
    moment: Callable[[Any], Any],
) -> Certificate:
    terms = {"max_lost_share": settings.max_lost_share, "confidence": settings.confidence}
    of = "margin" if settings.promise == "margin" else "customers"
    if settings.promise == "none":
        why = 'nothing is promised: the configuration says promise = "none".'
    elif not len(withheld.wins):
        why = _too_few(len(withheld.older), wins_needed(**terms), settings)
    else:
        older = margins[withheld.older]
        cap = margin_cap(older[older > 0]) if of == "margin" and (older > 0).any() else None
        won = margins[withheld.wins] if of == "margin" else None
        return certify(
            chance(withheld.wins), as_of[withheld.wins], of=of, margins=won, cap=cap, moment=moment, **terms
        )
    return Certificate(
        cut=None, promise=Promise(of=of, wins=0, start=None, end=None, certified=False, why=why, **terms)
    )


def _too_few(won: int, fewest: int, settings: PolicySettings) -> str:
    needed = int(np.ceil(fewest / LARGEST_SHARE_OF_FEW))
    seen = (
        "there is no settled win yet"
        if not won
        else f"there are {won:,} settled wins"
        if won > 1
        else "there is one settled win"
    )
    return (
        f"nothing is promised: {seen}, and {needed:,} are needed to set {fewest:,} aside and promise a loss of at most "
        f"{100 * settings.max_lost_share:g} % with {100 * settings.confidence:g} % confidence; {needed - won:,} are missing."
    )
