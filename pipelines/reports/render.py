"""HTML pages that stand alone, with style and pictures inside; and the tables of a run on Prefect's pages."""

import base64
import io
import sys
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from matplotlib import rc_context
from matplotlib.figure import Figure

from pipelines.reports.summaries import sentence, when

TEMPLATES = Environment(
    loader=FileSystemLoader(Path(__file__).parent / "templates"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)


def page(template: str, **values: Any) -> str:
    """Fill a template of ``templates/``; whatever the values hold is shown as text, never read as HTML.

    Parameters
    ----------
    template : str
        One that extends ``base.html``.
    **values
        A figure is shown by ``{{ picture(figure, "what it shows, for who cannot see it") }}`` of
        ``parts.html``.
    """
    return TEMPLATES.get_template(template).render(**values)


def _as_uri(figure: Figure) -> str:
    """A figure as the address of itself; the same figure gives the same text. Letters stay letters: outlines
    are five times as large.
    """
    drawn = io.BytesIO()
    with rc_context({"svg.hashsalt": "leadsieve", "svg.fonttype": "none"}):
        figure.savefig(drawn, format="svg", metadata={"Date": None, "Creator": None})
    return "data:image/svg+xml;base64," + base64.b64encode(drawn.getvalue()).decode()


def _percent(share: float | None, places: int = 1) -> str:
    """A share in words; an absent one is a dash."""
    return "–" if share is None or share != share else f"{100 * share:.{places}f} %"


def _number(value: float | None, places: int = 0) -> str:
    """A number with its thousands apart; an absent one is a dash."""
    return "–" if value is None or value != value else f"{value:,.{places}f}"


TEMPLATES.filters.update(uri=_as_uri, percent=_percent, number=_number, sentence=sentence, when=when)


def create_table_artifact(**artifact: Any) -> None:
    """Show a table beside the flow run that is at work, if one is."""
    if "prefect" not in sys.modules:
        return
    from prefect.artifacts import create_table_artifact as create
    from prefect.context import FlowRunContext

    if FlowRunContext.get() is not None:
        create(**artifact)


def publish_training(result: dict[str, Any]) -> None:
    """A table of the judged figures, one row a model and figure."""
    figures = ("auc", "average_precision", "lift_at_10_percent", "log_loss", "brier", "calibration_ratio")
    rows = []
    for name, model in result["models"].items():
        if model is not None:
            judged = {figure: model[figure] for figure in figures}
            judged |= {f"auc of {rival}": told and told["auc"] for rival, told in model["baselines"].items()}
            rows += [
                {"model": name, "figure": figure, **estimate}
                for figure, estimate in judged.items()
                if estimate is not None
            ]
    words = f"Version {result['version'] or '(none registered)'}: {result['verdict']}. {' '.join(result['reasons'])}"
    create_table_artifact(key="training-metrics", table=rows, description=words)


def publish_check(result: dict[str, Any]) -> None:
    """A table of the columns' verdicts, under the verdict on readiness."""
    shown = ("column", "verdict", "detector", "value", "trusted", "why")
    rows = [{name: leak[name] for name in shown} for leak in result["leaks"]]
    ready = result["readiness"]
    create_table_artifact(
        key="check", table=rows, description=". ".join([ready["verdict"], *ready["reasons"]])
    )


def publish_scoring(result: dict[str, Any]) -> None:
    """A table of decisions by channel."""
    rows = [{"channel": channel, **counts} for channel, counts in result["by_channel"].items()]
    counts = (
        f"{result['scored']:,} leads decided, {result['handed_off']:,} handed off, {result['held']:,} held"
    )
    create_table_artifact(
        key="decisions-by-channel", table=rows, description=f"Version {result['version']}: {counts}."
    )


def publish_backtest(result: dict[str, Any]) -> None:
    """A table of the replayed spans."""
    shown = (
        "from",
        "to",
        "leads",
        "customers",
        "basis",
        "cut",
        "wins",
        "held",
        "lost",
        "margin",
        "lost_margin",
    )
    rows = [{name: span[name] for name in shown} for span in result["spans"]]
    total = result["total"]
    words = f"{total['held']:,} of {total['leads']:,} leads held, {total['lost']:,} of {total['customers']:,} customers lost"
    create_table_artifact(key="backtest", table=rows, description=f"{words}.")


def publish_value(result: dict[str, Any]) -> None:
    """A table of what policies were worth, under the sentence about the promise."""
    rows = [
        {"unit": unit, "policy": name, "basis": value["basis"], **value["doubly_robust"]}
        for unit, policies in result["worth"].items()
        for name, value in policies.items()
    ]
    create_table_artifact(key="policy-value", table=rows, description=result["promise"]["why"])


def publish_promotion(result: dict[str, Any]) -> None:
    """A table of the reasons for and against a promotion."""
    said = "is the champion" if result["promoted"] else "was refused"
    instead = f", instead of version {result['replaced']}" if result["replaced"] else ""
    create_table_artifact(
        key="promotion",
        table=[{"reason": reason} for reason in result["reasons"]],
        description=f"Version {result['version']} {said}{instead}.",
    )


def publish_monitor(result: dict[str, Any]) -> None:
    """A table of every segment's latest figures, under the verdict and its reasons."""
    shown = ("column", "group", "observed", "expected")
    alarms = {(each["outcome"], each["column"], each["group"]): each["since"] for each in result["alarms"]}
    rows = [
        {
            "outcome": name,
            **{key: each[key] for key in shown},
            "z": each["z"][-1],
            "alarm since": alarms.get((name, each["column"], each["group"])),
        }
        for name, found in result["watched"].items()
        for each in found["segments"]
    ]
    rows += [
        {"hint": hint["kind"], "about": hint["about"], "words": hint["words"]} for hint in result["hints"]
    ]
    create_table_artifact(
        key="monitor",
        table=rows,
        description=f"Version {result['version']}: {result['verdict']}. {'. '.join(result['reasons'])}.",
    )
