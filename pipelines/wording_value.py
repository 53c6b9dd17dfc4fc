"""What the filter has cost and brought, in words for the terminal. Reads the same object that ``--json`` prints."""

from typing import Any

from pipelines.wording import wrapped


def valued(result: dict[str, Any]) -> str:
    """The promise first, then what handing off was worth, each figure with what it rests on."""
    lines = [f"{result['settled']:,} of {result['decided']:,} leads decided since {result['since'][:10]} are settled", ""]
    lines += ["Is the promise kept?", *wrapped(result["promise"]["why"])]
    if (overrides := result["overrides"])["pulled_out"]:
        said = (
            f"people pulled out {overrides['pulled_out']:,} held leads; {overrides['taken_up']:,} were taken up, {overrides['won']:,} won"
        )
        lines += [
            "",
            *wrapped(f"{said}. These customers the filter alone would have missed; people chose them, so no other figure counts them"),
        ]
    for unit, policies in result["worth"].items():
        lines += ["", f"What was a decided lead worth, in {unit}?"]
        for name, value in policies.items():
            what = "the filter, against everybody handed off" if name == "difference" else name
            lines += wrapped(f"{what}: {value['words']}")
    if result["leniency"]:
        lines += ["", "Do reps see something that the model does not?", *wrapped(result["leniency"]["words"])]
    lines += [f"note: {warning}" for warning in result["warnings"]]
    return "\n".join(lines)
