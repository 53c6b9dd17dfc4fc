"""The configuration: one TOML file, what overrides it, and what the environment adds."""

import re
import tomllib
import types
from collections.abc import Mapping, Sequence
from dataclasses import fields, is_dataclass
from datetime import timedelta
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import (
    AfterValidator,
    BaseModel,
    Field,
    ValidationError,
    field_serializer,
)

from features.errors import UsageError
from features.labels import Horizons
from features.recipe import FeatureSettings
from models.alignment.settings import AlignmentSettings, WordSettings
from models.evaluation.settings import EvaluationPlan
from models.monitoring.settings import MonitorSettings
from models.policy.assignment import AssignmentSettings
from models.policy.settings import PolicySettings
from models.promotion.rule import PromotionSettings
from models.survival.hazard import HazardParameters
from pipelines.addresses import is_private, redacted
from pipelines.desk_settings import DeskSettings
from pipelines.environment import variables
from pipelines.schedule_settings import RetentionSettings, ScheduleSettings
from pipelines.sources.mapping import Section, SourceSettings

_VARIABLE = re.compile(r"\$\{(\w+)\}")
_SPAN = re.compile(r"^\s*(\d+(?:\.\d+)?)\s*(s|m|min|h|d|w)\s*$")
_UNITS = {"s": "seconds", "m": "minutes", "min": "minutes", "h": "hours", "d": "days", "w": "weeks"}
_LOCAL = ("files", "duckdb")
# Keys whose texts may name variables of the environment.
_FILLED = (
    *("source.url", "registry.url", "store.url"),
    *("writeback.webhook", "desk.secret", "desk.oidc.client_secret", "desk.sources"),
)


class Place(Section):
    """The [registry] and [store] sections: where versions and decisions are kept.

    Attributes
    ----------
    url : str, optional
        A server's address. In the home folder if not given. Its passwords show up in no text of ours.
    """

    url: str | None = Field(default=None, repr=False)

    @field_serializer("url", when_used="json")
    def _without_password(self, url: str | None) -> str | None:
        return None if url is None else redacted(url)


def hook(address: str | None) -> str | None:
    if address is not None and not is_private(address):
        raise ValueError("a webhook is an https:// address")
    return address


class WritebackSettings(Section):
    """The [writeback] section: where decisions go besides the log.

    Attributes
    ----------
    crm : bool
        Whether they are written to the CRM that the source is, where it is one.
    webhook : str, optional
        An address that every decision and every change of one is posted to, signed.
    """

    crm: bool = True
    webhook: Annotated[str | None, AfterValidator(hook)] = Field(default=None, repr=False)

    @field_serializer("webhook", when_used="json")
    def _without_secrets(self, url: str | None) -> str | None:
        return None if url is None else redacted(url)


class Settings(Section):
    """A whole configuration.

    Attributes
    ----------
    source : SourceSettings or None
        None where nobody said where the data are: commands that read none need none.
    label, features, model, evaluation, policy, assignment, promotion, monitor, alignment, words, schedule, retention, registry, store, desk, writeback
        The sections of the same names.
    """

    source: SourceSettings | None = None
    label: Horizons = Horizons()
    features: FeatureSettings = FeatureSettings()
    model: HazardParameters = HazardParameters()
    evaluation: EvaluationPlan = EvaluationPlan()
    policy: PolicySettings = PolicySettings()
    assignment: AssignmentSettings = AssignmentSettings()
    promotion: PromotionSettings = PromotionSettings()
    monitor: MonitorSettings = MonitorSettings()
    alignment: AlignmentSettings = AlignmentSettings()
    words: WordSettings = WordSettings()
    schedule: ScheduleSettings = ScheduleSettings()
    retention: RetentionSettings = RetentionSettings()
    registry: Place = Place()
    store: Place = Place()
    desk: DeskSettings = DeskSettings()
    writeback: WritebackSettings = WritebackSettings()


def load_settings(
    path: Path | None, overrides: Mapping[str, Any] | None = None, environ: Mapping[str, str] | None = None
) -> Settings:
    """Read a configuration.

    Parameters
    ----------
    path : Path or None
        A TOML file; None for the defaults.
    overrides : mapping, optional
        Sections of keys that win over the file's, such as ``{"source": {"url": "files:exports"}}``.
    environ : mapping, optional
        The environment, by default the process's own. ``${NAME}`` in the URL is replaced from it, and
        LEADSIEVE_SOURCE_URL, if set, wins over the file's URL.

    Returns
    -------
    Settings
        A relative ``files:`` or ``duckdb:`` path of the file is taken from the file's own folder, any other
        from the working folder.

    Raises
    ------
    UsageError
        One line for every mistake, each naming its section and key.
    """
    environ = variables() if environ is None else environ
    content = {} if path is None else _read(path)
    _anchor(content, folder=Path.cwd() if path is None else path.absolute().parent)
    here = {"source": {"url": environ["LEADSIEVE_SOURCE_URL"]}} if environ.get("LEADSIEVE_SOURCE_URL") else {}
    for more in (here, overrides or {}):
        more = {section: dict(keys) for section, keys in more.items()}
        _anchor(more, folder=Path.cwd())
        for section, keys in more.items():
            content[section] = {**content.get(section, {}), **keys}
    for key in _FILLED:
        content = _with_filled(content, key.split("."), environ, key)
    mistakes = _unknown_keys(content, Settings, ())
    _spans(content)
    try:
        settings = Settings.model_validate(content)
    except ValidationError as error:
        mistakes += [said for each in error.errors() if (said := _sentence(each)) not in mistakes]
        raise _refusal(path, mistakes) from None  # pydantic repeats what it was given, passwords too
    if mistakes:
        raise _refusal(path, mistakes)
    return settings


def _refusal(path: Path | None, mistakes: list[str]) -> UsageError:
    where = "the settings" if path is None else f"'{path}'"
    kept = [each for each in dict.fromkeys(mistakes) if each]
    return UsageError("\n".join([f"{where} cannot be used:", *(f"  {mistake}" for mistake in kept)]))


def _read(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise UsageError(f"there is no configuration '{path}'.") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, IsADirectoryError) as error:
        raise UsageError(f"'{path}' is not TOML: {redacted(str(error))}.") from None


def _url(content: Mapping[str, Any]) -> Any:
    named = content.get("source")
    return named.get("url") if isinstance(named, Mapping) else None


def _anchor(content: dict[str, Any], *, folder: Path) -> None:
    """Make relative paths absolute: in the URL, of the output and of files with features."""
    if isinstance(schedule := content.get("schedule"), dict) and isinstance(
        output := schedule.get("output"), str
    ):
        content["schedule"] = schedule | {"output": folder / Path(output).expanduser()}
    if isinstance(own := content.get("features"), dict) and isinstance(files := own.get("files"), list):
        content["features"] = own | {
            "files": [folder / Path(each).expanduser() if isinstance(each, str) else each for each in files]
        }
    if isinstance(desk := content.get("desk"), dict) and isinstance(urls := desk.get("sources"), list):
        content["desk"] = desk | {"sources": [_anchored(url, folder) for url in urls]}
    if _url(content) is not None:
        content["source"]["url"] = _anchored(_url(content), folder)


def _anchored(url: Any, folder: Path) -> Any:
    scheme, colon, rest = url.partition(":") if isinstance(url, str) else ("", "", "")
    if scheme.lower() not in _LOCAL or not colon:
        return url
    return f"{scheme.lower()}:{(folder / Path(rest.removeprefix('//')).expanduser()).resolve()}"


def _with_filled(content: Any, names: Sequence[str], environ: Mapping[str, str], key: str) -> Any:
    """What was given, with what stands at a key filled in, where it is there and is text or a list of texts."""
    if names:
        if not isinstance(content, Mapping) or names[0] not in content:
            return content
        return {**content, names[0]: _with_filled(content[names[0]], names[1:], environ, key)}
    if isinstance(content, list):
        return [_with_filled(each, (), environ, key) for each in content]
    return _filled(content, environ, key) if isinstance(content, str) else content


def _filled(url: str, environ: Mapping[str, str], key: str) -> str:
    """An address or a secret with ``${NAME}`` taken from the environment."""
    absent = [name for name in _VARIABLE.findall(url) if name not in environ]
    if absent:
        raise UsageError(
            f"{key} needs the environment variable {', '.join(dict.fromkeys(absent))}, which is not set."
        )
    return _VARIABLE.sub(lambda match: environ[match.group(1)], url)


def _spans(content: dict[str, Any]) -> None:
    """``delay = "1h"`` as a length of time."""
    label = content.get("label")
    if (
        isinstance(label, dict)
        and isinstance(delay := label.get("delay"), str)
        and (match := _SPAN.match(delay))
    ):
        content["label"] = label | {"delay": timedelta(**{_UNITS[match.group(2)]: float(match.group(1))})}


def _keys(kind: type) -> dict[str, Any] | None:
    """The keys a section knows, with their types; None for a plain value."""
    if get_origin(kind) in (Union, types.UnionType):
        return next((keys for each in get_args(kind) if (keys := _keys(each)) is not None), None)
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        return {name: field.annotation for name, field in kind.model_fields.items()}
    return {field.name: field.type for field in fields(kind)} if is_dataclass(kind) else None


def _unknown_keys(content: Mapping[str, Any], kind: type, at: tuple[str, ...]) -> list[str]:
    """A sentence for every key that nothing reads."""
    known = _keys(kind)
    if known is None:
        return []
    found = []
    for key, value in content.items():
        if key not in known:
            close = get_close_matches(key, known, n=1)
            hint = f"did you mean '{close[0]}'?" if close else f"known here: {', '.join(known)}."
            found.append(f"{'.'.join((*at, key))}: no such {'key' if at else 'section'}; {hint}")
        elif isinstance(value, Mapping):
            found += _unknown_keys(value, known[key], (*at, key))
        elif isinstance(value, list) and (kinds := get_args(known[key])):
            several = [each for each in value if isinstance(each, Mapping)]
            found += [said for each in several for said in _unknown_keys(each, kinds[0], (*at, key))]
    return found


def _sentence(error: Mapping[str, Any]) -> str:
    """One of pydantic's findings in our words, without the value it was given where that may be a secret."""
    if error["type"] in ("extra_forbidden", "unexpected_keyword_argument"):
        return ""
    place = [
        str(part)
        for part in error["loc"]
        if not (isinstance(part, str) and ("[" in part or part in ("float", "int", "function")))
    ]
    key = ".".join(place)
    if error["type"] in ("missing", "missing_argument"):
        return f"{key}: it is needed and not there."
    if error["type"].startswith("time_delta"):
        return f"{key}: say it like '1h', '3d' or '30m', not {error['input']!r}."
    said = " ".join(error["msg"].removeprefix("Value error, ").rstrip(".").split())
    given = error.get("input")
    simple = isinstance(given, str | int | float | bool) and not key.endswith((".url", "secret", ".webhook"))
    shown = f", not {given!r}" if simple and error["type"] != "value_error" else ""
    return f"{key}: {said[:1].lower()}{said[1:]}{shown}."
