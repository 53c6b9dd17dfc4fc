"""How a model is judged: blocks of time, the newest holdout, resamples: [evaluation]."""

from typing import Annotated

from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass as validated


@validated(frozen=True, config=ConfigDict(extra="forbid"))
class EvaluationPlan:
    """How a model is judged: the [evaluation] section.

    ``newest`` is a share of the mature leads below 1, or their number. A fit for a block sees at most its
    ``max_rows`` newest leads: on a made-up million the AUC was .001 to .002 lower with 100,000 than with
    200,000, at half the time. The final fit sees all. ``segments`` are the lead columns by whose groups the
    model is told apart; found by their names if not given.
    """

    blocks: Annotated[int, Field(ge=2, le=50)] = 5
    test_share: Annotated[float, Field(gt=0, lt=1)] = 0.5
    newest: Annotated[float, Field(gt=0, lt=1)] | Annotated[int, Field(ge=2)] = 0.2
    resamples: Annotated[int, Field(ge=20, le=10_000)] = 200
    max_rows: Annotated[int, Field(ge=100)] = 100_000
    segments: tuple[str, ...] | None = None
    seed: int = 0
