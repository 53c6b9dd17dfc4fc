"""Write docs/evidence.md with its pictures: the simulations behind the evidence_promise, the arms and the
values, where the truth is known.

    python -m benchmarks.evidence [--to docs] [--scale 1.0]

Takes some minutes. ``--scale`` below 1 makes fewer runs, to see that it works; figures worth reading need all
of them.
"""

import argparse
from pathlib import Path

import pandas as pd

from benchmarks import evidence_interval, evidence_promise, evidence_score, evidence_selection, evidence_small
from benchmarks.evidence_selection import RHOS, SKILLS

TEXT = """# Evidence

What Leadsieve claims of its filter, tried where the truth is known: in made-up markets. Every figure on this page was printed by
`python -m benchmarks.evidence`; the simulations are in `benchmarks/evidence_promise.py`, `benchmarks/evidence_selection.py`,
`benchmarks/evidence_interval.py`, `benchmarks/evidence_score.py` and `benchmarks/evidence_small.py`, and the tests hold the claims.

## The promise: at most 5 % of customers lost, with 95 % confidence

A cut is chosen on the wins of one window and then met by all leads. The promise is broken in a run in which more than 5 % of the
customers lie below the cut; that may happen in at most 5 % of {runs:,} runs, give or take two standard errors. Scores have an AUC of .73,
12 % of leads win.

![How often four methods lose more than 5 % of customers, and the share of leads they hold.](evidence-promise.png)

{promise}

Taking the 5 % quantile of the wins' scores, which is what everybody does, breaks the promise in about half of the runs; conformal risk
control keeps the *mean* loss at 5 %, which is another promise. MAPIE keeps it, at the price of its grid of cuts. With few distinct
scores every method holds fewer leads, and the certified cut stays on the safe side.

### The same for margin

Margins are lognormal; `correlation` is that of score and log margin. The promise is about margin counted up to a cap per customer that is
fixed on older wins.

{margin}

`uncapped` is the share of runs that lose more than 5 % of the *whole* margin, which nobody promised: where low-scored customers bring
the most, the few very large ones among them decide, and no number of wins that a company has would settle it.

### After launch

Customers below the cut are then seen only in the accounts that pass whatever their score. `above`: how often the true share lay above the
bound, which may be 5 % of the runs.

{after}

With a forced arm beside it, reps who decide as they like, and accounts with several leads:

{recheck}

## Learning what sales never shows

The chance to win is learned from leads that sales took up. Reps choose well (`rho` .9), without regard to what wins (0) or against it
(−.4); and what they go by may hold something that no column shows (`unseen`) and that also wins. Leads are dealt to twelve reps by turn,
of whom some take up more than others; with `skill` they also differ in how well they win (standard deviation in logits). `ratio` is mean
prediction over truth among *all* leads, 1 is true; `value` is what working the leads worth their cost earns, as a share of what the best
use of the columns would earn. Means of {worlds} worlds of 30,000 leads; `sd` is the standard deviation of a single world, the error of one that a
company can have. `luck` is what can be known before any lead was worked at random: a lenient rep's lead is worked though a strict one's
twin is not. `luck held` says in how many of the worlds its interval holds the truth. `ours` is what 850 forced leads make of the naive model.

![Mean prediction over truth: fitted on accepted leads, weighted, corrected by the luck of who got a lead, recalibrated on forced leads.](evidence-selection.png)

{selection}

With nothing unseen, the naive model is right and neither correction costs anything. With something unseen it promises up to that many
times too much, and weighting does not help, for it assumes that nothing is unseen. The luck of who got a lead shows it without a single lead
worked at random, and *ranks* better besides, which forced leads in such numbers cannot: they set the level alone. What it assumes is that
reps win equally well. Where they do not (`skill`), its level is off by up to a fifth on the mean, its interval grows as they
disagree, though not enough (`luck held`), and forced leads are the better witness: they take its place as soon as twenty are settled.

In a whole version the figures are alike: over the same grid without skill, in four markets of 6,000 to 25,000 leads a cell, the mean of
`p_worked` was .88 to 1.35 times the truth, 1.09 on the mean, where that of `p_convert` was 1.2 to 2.0; the truth lay in the interval of the
mean in each of the 24 markets.

The interval of a single lead is to hold the chance that its columns can tell for 9 leads in 10. The share of the newest fifth of the leads
for which it did, in whole versions of {interval_markets} markets of 6,000 leads each, with the luck of who got a lead, and with so many leads worked because
sales was asked to (few of them set the level badly, and the interval is the wider for it). The newest quarter of these markets wins a
seventh less often than all that was learned from: a drift of that size is held, too.

{interval}

## One score

One number orders leads, gives the grades and is cut. Either *sales takes it up and it becomes a customer* (`p_both`) or *it becomes a
customer once taken up* (`p_convert`); beside them what nobody has: the true chance if worked. A year with the filter in force and a new
model every month: every week sales takes the best that it is given, by its own liking, as many as without a filter. At most 5 % of
customers may be lost. In that year a segment is new whose leads are good and which sales has never liked. `rho` and `unseen` as above;
`customers` and `margin` are against the same year without a filter, `se` is the standard error of the former over {markets} markets.

{score}

Both keep the promise. `p_both` is what happens as sales works today: it needs no assumption about leads that nobody worked, and it holds
about twice as many of them, for it also knows what sales would pass over anyway. That is why it is the default. `p_convert` holds fewer,
but those that are poor whoever looks at them: with the time that sales has, half a point to three and a half points more customers come of
it, and a new segment that sales does not like is not held for that. Choose `score = "p_convert"` where sales' habits are what you doubt.

## Small companies

A few hundred leads of a market are learned from, and {later:,} that came later are foretold. Few outcomes are believed by and by: the company's
rate first, then the channel's, then all the rest (`models/survival/hazard.py`). Against no such priors, on the mean of {small_markets} markets:
`log-loss` and `Brier` are better below 0, `AUC` above, each with its standard error; then, of the best 2 % of the later leads, the chance
shown `without` and `with` priors, and how many came `true`.

{small}

The fewer the wins, the more it brings: chances and order are better, and the best of those taken up are no longer promised far more than they
keep. From some hundred outcomes on it changes log-loss by less than .001, for better or worse.

## The value of a policy

From logged decisions with a pass-through arm: how often the 95 % interval holds the truth (92 – 97 % is as it should be), for the value
of one policy and for the difference of two.

{coverage}
"""
SELECTION = [
    *(
        "rho",
        "unseen",
        "skill",
        "naive_ratio",
        "ipw_ratio",
        "luck_ratio",
        "luck_ratio_sd",
        "luck_held",
        "ours_ratio",
        "ours_ratio_sd",
        "naive_auc",
        "luck_auc",
        "ours_auc",
        "oracle_auc",
    ),
    *("naive_value", "luck_value", "ours_value"),
]
PERCENT = {
    *(
        "violations",
        "luck_held",
        "se",
        "lost",
        "held",
        "certified",
        "uncapped",
        "above",
        "bound",
        "covered",
        "kept",
        "broken",
        "lost_share",
        *("luck", *(f"{forced} forced" for forced in evidence_interval.FORCED)),
        *("years above", "customers", "margin", "new held", "without", "with", "true"),
    ),
}


def written(folder: Path, *, scale: float = 1.0) -> Path:
    """Run every simulation and write the page and its pictures to a folder."""
    runs, worlds, markets, small_markets, interval_markets = (
        max(2, round(whole * scale)) for whole in (300, 5, 6, 26, 4)
    )
    a_few = scale < 0.1  # to see that it works: of what takes long, one kind of market
    rhos, skills = (RHOS[:1], SKILLS[:1]) if a_few else (RHOS, SKILLS)
    cuts = evidence_promise.promise_grid(runs)
    chosen = evidence_selection.selection_grid(
        range(1, worlds + 1),
        leads=max(6_000, round(30_000 * scale)),
        rhos=rhos,
        skills=skills,
    )
    tables = {
        "promise": cuts[(cuts["scores"] == "continuous") | (cuts["wins"] == 400)].drop(columns="lost"),
        "margin": evidence_promise.margin_grid(runs),
        "after": evidence_promise.post_launch_grid(runs),
        "recheck": evidence_selection.promise_recheck_grid(runs),
        "selection": chosen[SELECTION],
        "interval": evidence_interval.interval_grid(
            range(1, interval_markets + 1), leads=max(3_000, round(6_000 * scale)), rhos=rhos
        ),
        "score": evidence_score.score_grid(range(1, markets + 1), leads=max(12_000, round(24_000 * scale))),
        "small": evidence_small.small_markets(
            range(1, small_markets + 1), leads=max(8_000, round(16_000 * scale))
        ),
        "coverage": evidence_selection.coverage_grid(runs),
    }
    folder.mkdir(parents=True, exist_ok=True)
    evidence_promise.picture(cuts).savefig(folder / "evidence-promise.png")
    evidence_selection.picture(chosen).savefig(folder / "evidence-selection.png")
    page = folder / "evidence.md"
    page.write_text(
        TEXT.format(
            runs=runs,
            worlds=worlds,
            markets=markets,
            small_markets=small_markets,
            interval_markets=interval_markets,
            later=evidence_small.LATER,
            **{name: as_markdown(table) for name, table in tables.items()},
        ),
        encoding="utf-8",
    )
    return page


def as_markdown(table: pd.DataFrame) -> str:
    """A table as Markdown, shares in percent."""
    heads = [str(name).replace("_", " ") for name in table]
    lines = ["| " + " | ".join(heads) + " |", "|" + "---|" * len(heads)]
    lines += [
        "| " + " | ".join(_cell(name, value) for name, value in row.items()) + " |"
        for row in table.to_dict("records")
    ]
    return "\n".join(lines)


def _cell(name: str, value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if not isinstance(value, float):
        return f"{value:,}" if isinstance(value, int) else str(value)
    if name in PERCENT:
        return f"{100 * value:.1f} %"
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--to", type=Path, default=Path(__file__).resolve().parent.parent / "docs")
    parser.add_argument("--scale", type=float, default=1.0)
    given = parser.parse_args()
    print(written(given.to, scale=given.scale))


if __name__ == "__main__":
    main()
