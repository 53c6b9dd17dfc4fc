"""In which groups of leads to look, how seldom to cry wolf, and whether to retrain at an alarm: [monitor]."""

from typing import Annotated

from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass as validated


@validated(frozen=True, config=ConfigDict(extra="forbid"))
class MonitorSettings:
    """How the champion is watched.

    Attributes
    ----------
    segments : tuple of str
        Lead columns whose largest groups are watched besides the whole and the grades; those that the source
        lacks are passed over.
    false_alarms : float
        The chance of any false alarm in a quiet half-year, over all outcomes and segments.
    retrain : bool
        Train a challenger when the verdict is "retrain", and promote it if the rule allows.
    max_score_shift, max_lead_shift : float
        From which PSI of the score, and from which AUC of telling today's leads from those learned from, a
        hint is given.
    max_new : float
        From which share of a batch's values in a column that the model never saw a warning is given.
    """

    segments: tuple[str, ...] = ("channel", "owner", "country")
    false_alarms: Annotated[float, Field(gt=0, le=0.2)] = 0.01
    retrain: bool = False
    max_score_shift: Annotated[float, Field(gt=0)] = 0.25
    max_lead_shift: Annotated[float, Field(gt=0.5, lt=1)] = 0.7
    max_new: Annotated[float, Field(gt=0, lt=1)] = 0.1
