"""What the API takes and gives, as OpenAPI describes it."""

import math
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    WithJsonSchema,
    WrapValidator,
    model_validator,
)
from pydantic_core import PydanticKnownError

MOST_LEADS, MOST_EVENTS, MOST_ATTRIBUTES = 1_000, 10_000, 1_000
MOST_KEYS = 50  # of an object whose keys are known
FIRST, LAST = datetime(1900, 1, 1), datetime(2200, 1, 1)
MOMENT = {"type": "string", "format": "date-time", "examples": ["2026-03-01T08:00:00Z"]}


def moment(value: Any) -> datetime:
    """A time as UTC without a zone; a time that names none is taken as UTC."""
    if isinstance(value, datetime):
        return value
    try:
        read = datetime.fromisoformat(value) if isinstance(value, str) else None
    except ValueError:
        read = None
    if read is None:
        raise ValueError("is no time; write it like 2026-03-01T08:00:00Z")
    if not FIRST.year < read.year < LAST.year:
        raise ValueError("lies outside 1900 to 2200")
    return read.astimezone(UTC).replace(tzinfo=None) if read.tzinfo else read


def scalar(value: Any) -> str | bool | float | None:
    """A value that a column of a table can hold."""
    if isinstance(value, str) and len(value) <= 2_000:
        return text(value)
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int | float) and abs(value) < 1e300:
        return float(value)
    raise ValueError("is neither a text of at most 2,000 characters nor a finite number, true, false or null")


def text(value: str) -> str:
    """A text that can be written as UTF-8."""
    if not isinstance(value, str):
        return value  # which pydantic then refuses
    if any("\ud800" <= letter <= "\udfff" for letter in value) or "\x00" in value:
        raise ValueError("holds characters that are none")
    return value


Moment = Annotated[datetime, BeforeValidator(moment), WithJsonSchema(MOMENT)]
Text = Annotated[str, Field(min_length=1, max_length=500), BeforeValidator(text)]
Scalar = Annotated[
    Any, BeforeValidator(scalar), WithJsonSchema({"type": ["string", "number", "boolean", "null"]})
]


def in_parts(size: int, most: int) -> WrapValidator:
    """Let a long list be read part by part, up to the first part in which something is wrong: a request of
    nothing but mistakes costs no more than a good one.
    """

    def read(value: Any, handler: Callable[[Any], list]) -> list:
        if not isinstance(value, list):
            return handler(value)
        if len(value) > most:
            told = {"field_type": "List", "max_length": most, "actual_length": len(value)}
            raise PydanticKnownError("too_long", told)
        found = handler(value[:size])
        for start in range(size, len(value), size):
            try:
                found += handler(value[start : start + size])
            except ValidationError:
                return handler(value[: start + size])  # which says where in the whole list
        return found

    return WrapValidator(read)


def few(most: int) -> BeforeValidator:
    """Refuse an object of more keys before any is looked at."""

    return BeforeValidator(lambda value: counted(value, most))


def counted(value: Any, most: int) -> Any:
    """What was sent; raises ValueError for an object of more keys."""
    if isinstance(value, dict) and len(value) > most:
        raise ValueError(f"holds more than {most:,} keys")
    return value


class Taken(BaseModel):
    """A part of a request; keys that nothing reads are refused."""

    model_config = ConfigDict(extra="forbid")

    @model_validator(mode="before")
    @classmethod
    def _few_keys(cls, value: Any) -> Any:
        return counted(value, MOST_KEYS)


class Event(Taken):
    """Something that the lead did, or that was done to it."""

    kind: Text
    occurred_at: Moment
    recorded_at: Annotated[
        Moment | None, Field(description="When the data could first have known; by default when it occurred.")
    ] = None
    channel: Text | None = None
    value: Annotated[float, Field(allow_inf_nan=False, ge=-1e300, le=1e300)] | None = None


class Lead(Taken):
    """A lead as it is known now, in the words of the source: the same names, the same spellings."""

    lead_id: Text
    account_id: Annotated[Text | None, Field(description="By default the lead's own id.")] = None
    created_at: Annotated[
        Moment | None, Field(description="By default when the source has it created, else the as-of time.")
    ] = None
    channel: Text | None = None
    campaign: Text | None = None
    owner: Text | None = None
    attributes: Annotated[
        dict[str, Scalar],
        few(MOST_ATTRIBUTES),
        Field(max_length=MOST_ATTRIBUTES, description="The source's other columns; absent is empty."),
    ] = {}
    events: Annotated[list[Event], Field(max_length=MOST_EVENTS), in_parts(100, MOST_EVENTS)] = []


class DecisionRequest(Taken):
    """Leads to be decided as of now."""

    leads: Annotated[list[Lead], Field(min_length=1, max_length=MOST_LEADS), in_parts(10, MOST_LEADS)]


class ScoreRequest(DecisionRequest):
    """Leads to be scored."""

    as_of: Annotated[
        Moment | None, Field(description="Nothing recorded from then on is used. By default now.")
    ] = None
    reasons: Annotated[bool, Field(description="Whether to say what counts for and against each lead.")] = (
        True
    )


class Score(BaseModel):
    """One lead's chances and worth."""

    lead_id: str
    as_of: Annotated[str, Field(description="UTC.")]
    grade: Literal["A", "B", "C", "D"]
    score: Annotated[
        float,
        Field(description="What orders leads, gives the grade and is cut: by default the chance of both."),
    ]
    p_pursue: Annotated[float | None, Field(description="Chance that sales takes the lead up.")]
    p_convert: Annotated[
        float | None, Field(description="Of such leads that sales took up, this share became customers.")
    ]
    p_both: Annotated[float, Field(description="Chance that sales takes it up and it becomes a customer.")]
    p_worked: Annotated[
        float | None,
        Field(description="Chance to become a customer if sales works it; null where only bounds are known."),
    ]
    low: Annotated[float | None, Field(description="Between low and high the chance if worked lies.")]
    high: float | None
    p_worked_by: Annotated[
        str | None,
        Field(
            description="How that is known: forced, from leads that sales was asked to work; luck, from the luck of who "
            "got such leads, dealt by turn to reps of whom some take up more than others; bounds, between what such "
            "leads came to that sales took up and the chance of both; null where sales is not seen to choose, and "
            "low and high are the score's own."
        ),
    ]
    extrapolated: Annotated[bool, Field(description="Unlike all leads that sales ever took up.")]
    value: Annotated[
        float | None,
        Field(description="Expected value of working it; null where nothing is known of amounts."),
    ]
    action: Annotated[
        Literal["hand off", "hold"],
        Field(description="What the cut and the rules say. A decision also draws an arm."),
    ]
    rule: Annotated[str | None, Field(description="The reason of the rule that decides, if one does.")]
    reasons: list[str]


class Scores(BaseModel):
    """Scores in the order of the request. They are no decisions: nothing is logged and no lead is spent."""

    version: str
    known_until: Annotated[str | None, Field(description="Outcomes of other leads are known up to then.")]
    scores: list[Score]


class Rescored(BaseModel):
    """The score that stands since a lead that waited has done something; the decision stays beside it."""

    at: str
    because: Annotated[str, Field(description="What it had done, such as demo_request.")]
    version: str
    grade: str | None
    score: float | None
    p_pursue: float | None
    p_convert: float | None
    p_both: float | None
    p_worked: float | None
    low: float | None
    high: float | None
    p_worked_by: str | None
    value: float | None
    action: Annotated[str, Field(description="What this score would decide.")]
    reasons: list[str]


class Logged(BaseModel):
    """A decision as it was logged."""

    lead_id: str
    account_id: str | None
    batch: int
    decided_at: str
    as_of: str
    version: str
    policy: str | None
    grade: str | None
    p_pursue: float | None
    p_convert: float | None
    p_both: float | None
    score: float | None
    p_worked: float | None
    low: float | None
    high: float | None
    p_worked_by: str | None
    value: float | None
    rank: int | None
    action: str
    this_week: bool | None
    channel: str | None
    owner: str | None
    reasons: list[str]
    arm: str | None = None
    propensity: float | None = None
    cut: float | None = None
    cut_by: str | None = None
    rescored: Rescored | None = None


class Decision(Logged):
    """A decision as it was logged, with what became of it. Keys below ops see neither arm nor cut, and no
    figures of held leads.
    """

    state: Annotated[
        str | None,
        Field(description="open, accepted, rejected, snoozed or held; null until it is on the list."),
    ]
    turn: Annotated[
        int | None,
        Field(description="Of the latest answer, 0 for none. An answer names the turn that it follows."),
    ]


class Decided(Logged):
    """The decision of a lead that was handed in."""

    decided_before: Annotated[
        bool,
        Field(
            description="A scoring run or another request was first: this is what it decided, and it stands."
        ),
    ]


class DecidedLeads(BaseModel):
    """The decisions in the order of the request."""

    decisions: list[Decided]
    note: Annotated[
        str | None, Field(description="What should be known besides: leads that the week has no hours for.")
    ]


class Decisions(BaseModel):
    """A page of the decision log, by lead id."""

    decisions: list[Decision]
    next: Annotated[
        str | None, Field(description="The value of `after` that gives the next page; null on the last one.")
    ]


class AnswerRequest(Taken):
    """What sales says of a lead that was handed off, or of one that is held."""

    lead_id: Text
    kind: Literal["accepted", "rejected", "snoozed", "undone", "released"]
    turn: Annotated[
        int, Field(ge=0, le=1_000_000, description="Of the latest answer that was seen, 0 for none.")
    ]
    reason: Annotated[Text | None, Field(description="Why a lead is rejected.")] = None
    words: Annotated[str, Field(max_length=500), BeforeValidator(text)] | None = None
    until: Moment | None = None


class Given(BaseModel):
    """An answer as it was recorded."""

    lead_id: str
    turn: int
    kind: str
    reason: str | None
    words: str | None
    until: str | None
    who: str
    at: str


class Health(BaseModel):
    """Whether the desk works."""

    status: Literal["ok", "no version", "old version"]
    version: str | None


class InUse(BaseModel):
    """What answers."""

    leadsieve: str
    version: str | None
    features: Annotated[str | None, Field(description="Fingerprint of what is computed of each lead.")]
    snapshot: str | None
    known_until: str | None
    trouble: Annotated[str | None, Field(description="Why no version, or not the newest one, is in use.")]


class Breach(BaseModel):
    """One thing that is wrong with a request."""

    pointer: Annotated[str, Field(description="JSON pointer to the value, or the parameter's name.")]
    detail: str


class Problem(BaseModel):
    """RFC 9457: why a request was refused, and everything that is wrong with it at once."""

    type: str
    title: str
    status: int
    detail: str
    errors: list[Breach] = []


def as_json_number(value: float | None) -> float | None:
    """A number that JSON can hold: null for what is none."""
    return None if value is None or not math.isfinite(value) else float(value)
