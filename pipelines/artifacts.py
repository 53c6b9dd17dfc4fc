"""What Prefect's pages show of a run: tables that a person can read."""

from typing import Any

from prefect.artifacts import create_table_artifact


def publish_training(result: dict[str, Any]) -> None:
    """A table of the judged figures, one row a model and figure."""
    rows = [
        {"model": name, "figure": figure, "value": model[figure]["value"], "low": model[figure]["low"], "high": model[figure]["high"]}
        for name, model in result["models"].items()
        if model is not None
        for figure in ("auc", "average_precision", "lift_at_10_percent", "log_loss", "brier", "calibration_ratio")
    ]
    rows += [
        {"model": name, "figure": f"auc of {baseline}", **judged["auc"]}
        for name, model in result["models"].items()
        if model is not None
        for baseline, judged in model["baselines"].items()
    ]
    words = f"Version {result['version'] or '(none registered)'}: {result['verdict']}. {' '.join(result['reasons'])}"
    create_table_artifact(key="training-metrics", table=rows, description=words)


def publish_scoring(result: dict[str, Any]) -> None:
    """A table of decisions by channel."""
    rows = [{"channel": channel, **counts} for channel, counts in result["by_channel"].items()]
    words = f"Version {result['version']}: {result['scored']:,} leads decided, {result['handed_off']:,} handed off, {result['held']:,} held."
    create_table_artifact(key="decisions-by-channel", table=rows, description=words)
