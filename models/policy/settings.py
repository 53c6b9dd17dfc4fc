"""The [policy] section: what the filter promises, whom it passes by, and what leads cost."""

from typing import Annotated, Literal, Self

from pydantic import ConfigDict, Field, model_validator
from pydantic.dataclasses import dataclass as validated

from models.policy.arms import Arms
from models.policy.rules import Rule

Share = Annotated[float, Field(ge=0, lt=1)]
Open = Annotated[float, Field(gt=0, lt=1)]
Amount = Annotated[float, Field(ge=0, allow_inf_nan=False)]


@validated(frozen=True, config=ConfigDict(extra="forbid"))
class PolicySettings:
    """The [policy] section: what the filter promises, whom it passes by, and what leads cost.

    Attributes
    ----------
    promise
        Of what at most ``max_lost_share`` is lost, with ``confidence``: "customers", their "margin", or
        "none": nothing is promised.
    certify_wins
        How many settled wins the promise is certified on, at most; never more than a quarter of all unless
        fewer would certify nothing. Their accounts, drawn among the newest, are kept from the model.
    score
        What orders leads, is cut and gives the grades: the chance that sales takes a lead up and it becomes a
        customer, or that of becoming one once taken up.
    hold_share, cut
        A cut of one's own where none is certified: the lowest-scored share of leads, or the score itself.
        Without either nobody is held.
    pass_through, forced, salt
        Shares of accounts that are handed off whatever their score, and that sales is asked to work; what
        they are drawn with.
    cost_per_lead, margin_per_customer, margin_share
        Of working a lead; what a customer brings where the source has no margins; the share of an amount that
        is margin.
    hours_per_lead, weekly_capacity, team_capacity
        Hours that a lead takes, hours that sales has in a week, and those of single owners by name.
    rules
        Leads that are never or always handed off, or get at most a grade, whatever the model says.
    """

    promise: Literal["customers", "margin", "none"] = "customers"
    max_lost_share: Open = 0.05
    confidence: Open = 0.95
    certify_wins: Annotated[int, Field(ge=1)] = 400
    score: Literal["p_both", "p_convert"] = "p_both"
    hold_share: Share | None = None
    cut: Annotated[float, Field(ge=0, le=1)] | None = None
    pass_through: Share = 0.05
    forced: Share = 0.0
    salt: str = "leadsieve"
    cost_per_lead: Amount | None = None
    margin_per_customer: Amount | None = None
    margin_share: Annotated[float, Field(gt=0, le=1)] = 1.0
    hours_per_lead: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 1.0
    weekly_capacity: Amount | None = None
    team_capacity: dict[str, Amount] = Field(default_factory=dict)
    rules: tuple[Rule, ...] = ()

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.hold_share is not None and self.cut is not None:
            raise ValueError("hold_share and cut both name a cut; keep one of them")
        if self.pass_through + self.forced > 1:
            raise ValueError("pass_through and forced together are more than all accounts; make them smaller")
        return self

    @property
    def arms(self) -> Arms:
        """How accounts are drawn."""
        return Arms(pass_through=self.pass_through, forced=self.forced, salt=self.salt)
