"""A replayed past in words, for the terminal. Reads the same object that ``--json`` prints."""

from typing import Any

from rich.table import Table

from pipelines.wording import percent, short, text

RIVALS = {
    "random": "chance",
    "newest_first": "newest first",
    "best_column": "best column",
    "logistic": "logistic",
    "naive_bayes": "naive Bayes",
}
SHOWN_REASONS = 12
SHOWN_RIVALS = ("random", "logistic", "naive_bayes")


def replayed(result: dict[str, Any]) -> str:
    """A line a span, then the sum of all, then what sales' own choice did."""
    table = Table(box=None, pad_edge=False, padding=(0, 1))
    for heading in ("  from", "leads", "held", "", "filter", "customers", "lost", "", *(RIVALS[name] for name in SHOWN_RIVALS)):
        table.add_column(heading, justify="left" if heading in ("  from", "filter") else "right")
    for span in result["spans"]:
        basis = (
            f"certified on {span['wins']:,} wins"
            if span["basis"] == "certified"
            else {"configured": "not certified"}.get(span["basis"], "no cut")
        )
        table.add_row(f"  {short(span['from'])}", *_counts(span, basis))
    total = result["total"]
    table.add_row("  all", *_counts(total, ""), style="bold")
    lines = ["What the filter would have held, and the customers that this would have cost", text(table)]
    promised = percent(result["max_lost_share"])
    lines.append(f"  promised: at most {promised} lost; on the right, customers that others would have lost by holding as many leads")
    if total["taken_up"] is not None:
        spared = f"{total['held_taken_up']:,} ({percent(_share(total['held_taken_up'], total['taken_up']))})"
        lines.append(
            f"  by its own choice sales worked {total['taken_up']:,} of these leads and won {total['customers']:,}; the filter would have "
            f"spared it {spared} of them, {total['lost']:,} customers among these"
        )
    if total["margin"]:
        lines.append(
            f"  margin lost: {total['lost_margin']:,.0f} of {total['margin']:,.0f} ({percent(total['lost_margin'] / total['margin'])})"
        )
    if total["open"]:
        lines.append(f"  {total['open']:,} of these leads may still become customers")
    uncertified = [span for span in result["spans"] if span["basis"] != "certified"]
    lines += [f"  {short(span['from'])}: {span['why']}" for span in uncertified[-SHOWN_REASONS:]]
    lines += [f"note: {warning}" for warning in result["warnings"]]
    lines.append(f"picture: {result['picture']} · " + " · ".join(f"{name} {spent:.1f} s" for name, spent in result["seconds"].items()))
    return "\n".join(lines)


def _counts(span: dict[str, Any], basis: str) -> list[str]:
    lost = percent(_share(span["lost"], span["customers"]))
    return [
        f"{span['leads']:,}",
        f"{span['held']:,}",
        percent(_share(span["held"], span["leads"])),
        basis,
        f"{span['customers']:,}",
        f"{span['lost']:,}",
        lost,
        *(f"{span['rivals'][name]:.1f}" for name in SHOWN_RIVALS),
    ]


def _share(part: float, whole: float) -> float | None:
    return part / whole if whole else None
