"""Which accounts are treated whatever their score, so that what a filter loses and what sales overlooks can
be measured.

Three arms, drawn by a hash of the account before anything is scored. *Pass-through* leads are handed off
whatever the score, and reps decide as usual: they show what the filter costs. *Forced* leads are handed off
and sales is asked to work every one of them: they show how a lead fares if it is taken up. All others follow
the *policy*.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256

import numpy as np
import pandas as pd

from features.errors import ContractError

POLICY, PASS_THROUGH, FORCED = "policy", "pass-through", "forced"
ARMS = (FORCED, PASS_THROUGH, POLICY)  # as places in [0, 1) are dealt


@dataclass(frozen=True)
class Arms:
    """The rates of the two randomised arms, and the salt that fixes who falls into them.

    An account falls into the same arm under the same salt, today and in every later run. Raising a rate only
    takes further accounts in: nobody leaves the forced arm, and nobody goes from a randomised arm back to the
    policy (a higher forced rate takes pass-through accounts first).

    Attributes
    ----------
    pass_through, forced : float
        Shares of accounts, together at most 1.
    salt : str
        Another salt draws anew.

    Raises
    ------
    ValueError
        Where a rate is no share, or both together exceed 1.

    Examples
    --------
    >>> Arms(pass_through=0.3, forced=0.1, salt="2025").draw(["A1", "A2", "A3", "A1"]).tolist()
    ['pass-through', 'policy', 'policy', 'pass-through']
    """

    pass_through: float
    forced: float
    salt: str

    def __post_init__(self) -> None:
        for name in ("pass_through", "forced"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"{name} is {getattr(self, name)}; it is a share of accounts, from 0 to 1")
        if self.pass_through + self.forced > 1:
            raise ValueError(f"pass_through {self.pass_through} and forced {self.forced} together exceed 1")

    @property
    def propensities(self) -> dict[str, float]:
        """The probability with which an account falls into each arm."""
        return {
            POLICY: 1 - self.pass_through - self.forced,
            PASS_THROUGH: self.pass_through,
            FORCED: self.forced,
        }

    def draw(self, account_ids: Sequence | np.ndarray | pd.Series) -> np.ndarray:
        """The arm of each lead, by its account.

        Parameters
        ----------
        account_ids : shape (n,)
            The lead's own id where it has no account.

        Returns
        -------
        array of object, shape (n,)

        Raises
        ------
        ValueError
            Where an id is missing: such leads would all share one arm.
        """
        return self.dealt(account_ids)[0]

    def dealt(self, account_ids: Sequence | np.ndarray | pd.Series) -> tuple[np.ndarray, np.ndarray]:
        """The arm of each lead, as ``draw`` gives it, and its probability."""
        codes, accounts = pd.factorize(np.array(account_ids, dtype=object))
        if (codes < 0).any():
            raise ValueError(f"{(codes < 0).sum()} leads have no account id; pass the lead's own id instead")
        place = places(self.salt, accounts)
        # A place equal to a bound lies beyond it, so that a rate of 0 draws nobody.
        drawn = np.searchsorted([self.forced, self.forced + self.pass_through], place, side="right")[codes]
        propensities = np.array([self.propensities[arm] for arm in ARMS])
        return np.array(ARMS, dtype=object)[drawn], propensities[drawn]

    def propensity(self, arm: np.ndarray) -> np.ndarray:
        """The probability of each lead's arm, shape (n,)."""
        return pd.Series(arm, dtype=object).map(self.propensities).to_numpy(float)

    def words(self) -> tuple[str, ...]:
        """One sentence for each rate: what it means, or what stays unknown without it."""
        if self.pass_through > 0:
            passing = (
                f"pass_through = {self.pass_through:g}: {100 * self.pass_through:.3g} % of accounts are handed off whatever the score, "
                "reps decide as usual, and what the filter loses is measured on them"
            )
        else:
            passing = "pass_through = 0: nobody passes whatever the score, so what the filter loses cannot be measured after launch"
        if self.forced > 0:
            forcing = (
                f"forced = {self.forced:g}: sales is asked to work every lead of {100 * self.forced:.3g} % of accounts, "
                "which shows how leads that sales never takes up would fare"
            )
        else:
            forcing = "forced = 0: how leads that sales never takes up would fare stays unknown"
        return passing, forcing


def check_propensities(log: pd.DataFrame) -> None:
    """Refuse decisions whose arm cannot have been drawn with the probability that is on record.

    Parameters
    ----------
    log : DataFrame
        ``lead_id``, ``arm`` and ``propensity`` of decisions.

    Raises
    ------
    ContractError
        Naming each arm, how many leads and one of them.
    """
    wrong = log[~log["propensity"].between(0, 1, inclusive="right")]
    if wrong.empty:
        return
    breaches = tuple(
        f"arm '{arm}': {len(rows):,} lead{'s' * (len(rows) != 1)}, such as '{rows['lead_id'].iloc[0]}' with {rows['propensity'].iloc[0]:g}"
        for arm, rows in wrong.groupby("arm", sort=True, dropna=False)
    )
    raise ContractError(
        "table 'decisions' of the store has propensities that are no probability, above 0 and at most 1; nothing was counted.\n"
        + "".join(f"  {each}\n" for each in breaches)
        + "Somebody has changed them: put back the share of leads that [policy] had for the arm when the leads were decided, or a backup "
        "(leadsieve restore).",
        breaches,
    )


def places(salt: str, accounts: np.ndarray) -> np.ndarray:
    """Where in [0, 1) the hash puts each account: its first 8 bytes over 2**64, cut to the 53 bits that a float
    holds exactly.
    """
    digests = b"".join([sha256(f"{salt}|{account}".encode()).digest() for account in accounts.tolist()])
    return (np.frombuffer(digests, dtype=">u8")[::4] >> np.uint64(11)) / 2.0**53
