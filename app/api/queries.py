"""What an address asks for: its query, read into the one filter of decisions, for pages, exports and programs
alike.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Annotated, Any, Literal, Self

from fastapi import Request
from pydantic import AfterValidator, BaseModel, BeforeValidator, Field, ValidationError
from starlette.datastructures import QueryParams

from app.api.schemas import Moment
from pipelines.store.filters import DecisionFilter
from pipelines.store.worklist import SORTS


class DecisionQuery(BaseModel):
    """What can be asked of decisions wherever they are read."""

    grade: Annotated[list[Literal["A", "B", "C", "D"]], Field(max_length=8)] = []
    channel: Annotated[str | None, Field(max_length=500)] = None
    owner: Annotated[str | None, Field(max_length=500)] = None

    def filter(self, **more: Any) -> DecisionFilter:
        """The filter, with what is asked for besides."""
        return DecisionFilter(grades=tuple(self.grade), channel=self.channel, owner=self.owner, **more)


class LogQuery(DecisionQuery):
    """What a program can ask of the log, and which page of it.

    Chances are no part of it: whoever may not see those of held leads could find them by asking.
    """

    lead_id: Annotated[list[str], Field(max_length=500, description="Only these leads.")] = []
    batch: Annotated[int | None, Field(ge=1, le=2**31 - 1, description="Of one scoring run.")] = None
    since: Annotated[Moment | None, Field(description="Decided at or after.")] = None
    until: Annotated[Moment | None, Field(description="Decided before.")] = None
    action: Literal["hand off", "hold"] | None = None
    version: Annotated[str | None, Field(max_length=100)] = None
    after: Annotated[str | None, Field(max_length=500, description="The `next` of the page before.")] = None
    limit: Annotated[int, Field(ge=1, le=1_000)] = 100

    def wanted(self) -> DecisionFilter:
        """The decisions that are asked for."""
        own = {name: getattr(self, name) for name in ("batch", "since", "until", "action", "version")}
        return self.filter(lead_ids=tuple(self.lead_id), **own)


def _with_point(value: Any) -> Any:
    return value.replace(",", ".") if isinstance(value, str) else value


def _a_sort(value: str | None) -> str | None:
    if value is not None and value.removeprefix("-") not in SORTS:
        raise ValueError(f"nothing is sorted by '{value}': say {', '.join(SORTS)}")
    return value


class ListQuery(DecisionQuery):
    """What a person can ask of the list, and how it is shown; ``least`` is in per cent."""

    country: Annotated[str | None, Field(max_length=500)] = None
    least: Annotated[float | None, BeforeValidator(_with_point), Field(ge=0, le=100, allow_inf_nan=False)] = (
        None
    )
    days: Annotated[int | None, Field(ge=1, le=36_500)] = None
    asked: bool = False
    due: bool = False
    assigned_to: Annotated[str | None, Field(max_length=80)] = None
    held_by: Annotated[str | None, Field(max_length=500)] = None
    sort: Annotated[str | None, Field(max_length=20), AfterValidator(_a_sort)] = None
    rows: Literal["compact", "comfortable"] = "comfortable"
    q: Annotated[str, Field(max_length=200)] = ""

    @classmethod
    def of(cls, given: Mapping[str, Any]) -> Self:
        """A query without what cannot be read: a link that somebody kept or wrote still shows a list."""
        try:
            return cls.model_validate(given)
        except ValidationError as error:
            bad = {each["loc"][0] for each in error.errors()}
            return cls.model_validate({name: value for name, value in given.items() if name not in bad})

    def wanted(self, *, now: datetime, state: str, **more: Any) -> DecisionFilter:
        """The rows of one list that are asked for."""
        return self.filter(
            state=state,
            **{"assigned_to": self.assigned_to, **more},
            country=self.country,
            least=None if self.least is None else self.least / 100,
            created_since=None if self.days is None else now - timedelta(days=self.days),
            asked=self.asked,
            due_before=morning(now, 1) if self.due else None,
            held_by=self.held_by,
            search=self.q,
        )


def morning(now: datetime, days: int) -> datetime:
    """The beginning of a day to come."""
    return now.replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=days)


def given_of(request: Request) -> dict[str, Any]:
    """A dependency: the filters of a list as they stand in the address; those that are empty are not there."""
    return given_in(request.query_params)


def given_in(sent: QueryParams) -> dict[str, Any]:
    """The same of any query."""
    given: dict[str, Any] = {name: sent.get(name) for name in ListQuery.model_fields}
    given["grade"] = [each for each in sent.getlist("grade") if each]
    return {name: value for name, value in given.items() if value}
