"""Evidence on selection: how far off a model of accepted leads is, what a forced slice mends, and whether
what is promised covers.

Three tables and a picture. Everything is simulated, so that the truth is known; every lead is settled, so
that selection alone is at work.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
import pandas as pd
from matplotlib import rc_context
from matplotlib.figure import Figure
from scipy.sparse import csr_array, hstack
from scipy.special import expit
from sklearn.linear_model import LogisticRegression

from features.errors import TooLittleDataError
from features.labels import Labels
from models.evaluation.metrics import auc
from models.policy.arms import FORCED, PASS_THROUGH, POLICY, Arms
from models.policy.impact import promise_recheck
from models.policy.off_policy import policy_value
from models.policy.selective_labels import recalibrate
from models.scoring.selection import Selection, fit_selection
from pipelines.reports.plots.style import BLUE, GREY, INK, ORANGE, PALE, STYLE
from pipelines.simulation.events import KINDS
from pipelines.simulation.market import SimulatorSettings, World, simulate

RHOS = (0.9, 0.0, -0.4)
SKILLS = (0.0, 0.3)
FORCED_LEADS = 850
SMALLEST_PROPENSITY = 0.05
WORTH = 10.0  # the margin of a customer, in costs of working a lead
SHIFTS = (-0.3, -0.1, 0.1, 0.3)
NODES, NODE_WEIGHTS = np.polynomial.hermite_e.hermegauss(21)


def selection_grid(
    seeds: Sequence[int] = (1, 2, 3, 4, 5),
    *,
    leads: int = 30_000,
    rhos: Sequence[float] = RHOS,
    skills: Sequence[float] = SKILLS,
) -> pd.DataFrame:
    """How good four models are over *all* leads: fitted on accepted ones, the same weighted, the same corrected by
    the luck of who got a lead, the same recalibrated on forced ones.

    Parameters
    ----------
    seeds : sequence of int
        One world per seed in every cell of the grid.
    leads : int
    rhos : sequence of float
        How well reps choose.
    skills : sequence of float
        How far reps differ in how well they win, in logits.

    Returns
    -------
    DataFrame
        One row per ``rho``, ``unseen`` (whether a factor that no column shows
        drives both their choice and winning) and ``skill``; means over the worlds of each model's ratio (mean prediction
        over truth), ``auc``, and ``value``: what working the leads it thinks worth their cost earns, as a
        share of what the best that visible columns can tell would earn. ``_sd`` is the standard deviation
        over worlds, the error of a single one. ``luck_held`` is the share of worlds in which the interval of luck
        holds the true mean.
    """
    rows = []
    for unseen in (0.0, 1.0):
        for rho, skill in product(rhos, skills):
            market = {"leads": leads, "gamma": unseen, "delta": unseen, "rho": rho, "rep_skill": skill}
            table = pd.DataFrame([_judged(SimulatorSettings(seed=seed, **market)) for seed in seeds])
            spread = table[["naive_ratio", "ipw_ratio", "luck_ratio", "ours_ratio"]].std(ddof=1)
            rows.append(
                {
                    "rho": rho,
                    "unseen": bool(unseen),
                    "skill": skill,
                    **table.mean(),
                    **spread.add_suffix("_sd"),
                }
            )
    return pd.DataFrame(rows)


def _judged(settings: SimulatorSettings) -> dict[str, float]:
    """One world: fit on accepted leads outside the forced arm, correct on the forced arm, compare with the
    truth over all leads.
    """
    world = simulate(settings)
    truth, account = world.truth.to_pandas(), world.leads["account_id"].to_pandas()
    forced = (
        Arms(pass_through=0.0, forced=FORCED_LEADS / settings.leads, salt=str(settings.seed)).draw(account)
        == FORCED
    )
    columns, won = visible_columns(world), truth["would_win_if_pursued"].to_numpy()
    accepted = truth["selected"].to_numpy() & ~forced

    def fitted(rows: np.ndarray, outcome: np.ndarray, weights: np.ndarray | None = None) -> np.ndarray:
        model = LogisticRegression(C=1.0, max_iter=500).fit(
            columns[rows], outcome[rows], sample_weight=weights
        )
        return model.predict_proba(columns)[:, 1]

    naive = fitted(accepted, won)
    pursued = fitted(~forced, truth["selected"].to_numpy())
    propensity = np.maximum(pursued, SMALLEST_PROPENSITY)[accepted]
    luck, low, high = luck_of(world, accepted, ~forced, (pursued, naive)).worked(pursued, naive)
    correction = recalibrate(naive[forced], won[forced], account[forced].to_numpy(), seed=settings.seed)
    models = {
        "naive": naive,
        "ipw": fitted(accepted, won, (1 / propensity) / np.mean(1 / propensity)),
        "luck": luck,
        "ours": correction.platt.apply(naive),
        "oracle": expit(truth["visible_logit"].to_numpy()[:, None] + settings.gamma * NODES)
        @ (NODE_WEIGHTS / NODE_WEIGHTS.sum()),
    }
    earned = {name: np.sum((WORTH * truth["p1"] - 1) * (WORTH * p > 1)) for name, p in models.items()}
    figures = {
        "forced": int(forced.sum()),
        "covered": correction.ratio_after.low <= 1 <= correction.ratio_after.high,
        "luck_held": low.mean() <= truth["p1"].mean() <= high.mean(),
    }
    for name, p in models.items():
        figures |= {
            f"{name}_ratio": p.mean() / truth["p1"].mean(),
            f"{name}_auc": auc(won, p),
            f"{name}_value": earned[name] / earned["oracle"],
        }
    return figures


def luck_of(
    world: World, accepted: np.ndarray, use: np.ndarray, chances: tuple[np.ndarray, np.ndarray]
) -> Selection:
    """What the luck of who got them tells of leads, every one of which is settled."""
    leads, nothing = world.leads.to_pandas(), np.full(len(accepted), np.nan)

    def settled(at_risk: np.ndarray, outcome: np.ndarray) -> Labels:
        still = np.zeros(len(outcome), bool)
        return Labels(at_risk, nothing, nothing, nothing, still, outcome.astype(float), at_risk)

    selection = fit_selection(
        pd.DataFrame(visible_columns(world, reps=False).toarray().astype(np.float32)),
        [],
        of_rep=[],
        pursue=settled(use, accepted),
        convert=settled(accepted, world.truth["would_win_if_pursued"].to_numpy()),
        use=use,
        chances=lambda rows: (chances[0][rows], chances[1][rows]),
        reps=leads["owner"].to_numpy(object),
        accounts=pd.factorize(leads["account_id"])[0],
    )
    if not isinstance(selection, Selection):
        raise TooLittleDataError(f"the luck of who got a lead tells nothing: {selection}.")
    return selection


def visible_columns(world: World, *, reps: bool = True) -> csr_array:
    """What a model may see of every lead: its words one-hot, its size, what it did before it was created, and who
    got it.
    """
    leads, events = world.leads.to_pandas(), world.events.to_pandas()
    born = leads.set_index("lead_id")["created_at"]
    events["age"] = (events["lead_id"].map(born) - events["occurred_at"]).dt.total_seconds() / 86400
    events = events[events["age"] > 0]
    place = pd.Series(np.arange(len(leads)), index=leads["lead_id"])
    parts = []
    for days in (7, 30):
        near = events[events["age"] < days]
        counts = np.zeros((len(leads), len(KINDS)))
        np.add.at(
            counts,
            (place[near["lead_id"]].to_numpy(), pd.Categorical(near["kind"], categories=KINDS).codes),
            1,
        )
        parts.append(np.log1p(counts))
    size = np.log(leads["employees"] / 55).clip(-2, 3)
    parts += [size.fillna(0).to_numpy()[:, None], size.isna().to_numpy(float)[:, None]]
    title = leads["job_title"].str.lower().str.strip()
    leads["title"] = title.where(title.map(title.value_counts()) >= 50, "rare")
    words = ("channel", "campaign", "owner", "country", "industry", "title")
    for column in words if reps else [word for word in words if word != "owner"]:
        codes, words = pd.factorize(leads[column], use_na_sentinel=False)
        parts.append(
            csr_array((np.ones(len(leads)), (np.arange(len(leads)), codes)), shape=(len(leads), len(words)))
        )
    return csr_array(hstack([csr_array(part) for part in parts]))


@dataclass(frozen=True)
class _Launched:
    """A market after launch, drawn quickly: accounts of one and more leads, an unseen factor that reps and
    customers share.
    """

    account: np.ndarray
    arm: np.ndarray
    propensity: np.ndarray
    score: np.ndarray
    taken: np.ndarray  # would be, by reps as usual
    wins: np.ndarray  # would be, if worked
    usual: np.ndarray  # probability of being taken by reps as usual, and won
    margin: np.ndarray


def _launched(rng: np.random.Generator, *, accounts: int, arms: Arms) -> _Launched:
    account = np.repeat(np.arange(accounts), rng.geometric(0.5, accounts))
    shared, visible, unseen = rng.standard_normal(accounts)[account], *rng.standard_normal((2, len(account)))
    p_taken, p_wins = (
        expit(-0.4 + 0.8 * visible + unseen),
        expit(-2.3 + 0.8 * visible + unseen + 0.4 * shared),
    )
    arm = arms.draw(account)
    return _Launched(
        account=account,
        arm=arm,
        propensity=arms.propensity(arm),
        score=expit(-2.8 + 1.1 * visible),
        taken=rng.random(len(account)) < p_taken,
        wins=rng.random(len(account)) < p_wins,
        usual=p_taken * p_wins,
        margin=WORTH * np.exp(0.6 * rng.standard_normal(len(account)) - 0.18),
    )


def promise_recheck_grid(runs: int = 300, seed: int = 0, *, accounts: int = 6_000) -> pd.DataFrame:
    """How often the bound after launch covers what the filter truly loses, with a forced arm and without, at
    two sizes of loss.

    Returns
    -------
    DataFrame
        ``pass_through``, ``forced``, ``lost_share`` (true share of the customers of reps as usual that lie
        below the cut), ``wins`` and ``bound`` (means), ``covered`` with its standard error ``se`` (to be .95
        and more), ``kept`` and ``broken`` (shares of runs with that verdict on a promise of 5 %). Customers
        of one account are not independent here.
    """
    many = _launched(
        np.random.default_rng([seed, 1]),
        accounts=200_000,
        arms=Arms(pass_through=0.0, forced=0.0, salt="truth"),
    )
    order = np.argsort(many.score)
    below = np.cumsum(many.usual[order]) / many.usual.sum()
    cuts = {
        lost_share: float(many.score[order][np.searchsorted(below, lost_share)])
        for lost_share in (0.02, 0.05, 0.1)
    }
    found = []
    for pass_through, forced in ((0.05, 0.0), (0.1, 0.0), (0.1, 0.05)):
        rng = np.random.default_rng([seed, 2])
        for run in range(runs):
            world = _launched(
                rng,
                accounts=accounts,
                arms=Arms(pass_through=pass_through, forced=forced, salt=f"{seed} {run}"),
            )
            for lost_share, cut in cuts.items():
                check = promise_recheck(
                    score=world.score,
                    cut=cut,
                    arm=world.arm,
                    won=world.wins
                    & (world.taken | (world.arm == FORCED))
                    & ~((world.arm == POLICY) & (world.score < cut)),
                    pass_through=pass_through,
                    forced=forced,
                    max_lost_share=0.05,
                    confidence=0.95,
                )
                found.append(
                    (
                        pass_through,
                        forced,
                        lost_share,
                        check.wins,
                        check.bound,
                        check.bound >= lost_share,
                        check.kept,
                    )
                )
    table = pd.DataFrame(
        found, columns=["pass_through", "forced", "lost_share", "wins", "bound", "covered", "kept"]
    )
    table["broken"], table["kept"] = table["kept"].eq(False), table["kept"].eq(True)
    table = table.groupby(["pass_through", "forced", "lost_share"], as_index=False).mean()
    return table.assign(se=np.sqrt(table["covered"] * (1 - table["covered"]) / runs))


def coverage_grid(runs: int = 200, seed: int = 0, *, accounts: int = 4_000) -> pd.DataFrame:
    """How often 95 % intervals of a policy's value cover the truth, for a policy alone and for the difference
    of two.

    Returns
    -------
    DataFrame
        ``reward`` (customers or margin), ``pass_through``, ``of`` (value or difference), ``estimator``,
        ``truth``, ``mean`` estimate, ``width`` of the interval, ``covered`` with its standard error ``se``.
    """
    many = _launched(
        np.random.default_rng([seed, 1]),
        accounts=200_000,
        arms=Arms(pass_through=0.0, forced=0.0, salt="truth"),
    )
    wide, narrow = np.quantile(many.score, [0.3, 0.5])
    rows = []
    for reward, pass_through in (("customers", 0.1), ("margin", 0.1), ("margin", 0.05)):
        rng = np.random.default_rng([seed, 3])
        worth, cost = (1.0, 0.0) if reward == "customers" else (WORTH, 0.1)
        gain = worth * many.usual - cost
        truth = {
            "value": np.mean((many.score >= wide) * gain),
            "difference": np.mean(((many.score >= wide) & (many.score < narrow)) * gain),
        }
        found = {(of, estimator): [] for of in truth for estimator in ("snips", "doubly_robust")}
        for run in range(runs):
            world = _launched(
                rng,
                accounts=accounts,
                arms=Arms(pass_through=pass_through, forced=0.02, salt=f"{seed} {run}"),
            )
            earned = world.taken * world.wins * (1.0 if reward == "customers" else world.margin) - cost
            logged = pd.DataFrame(
                {"account_id": world.account, "arm": world.arm, "propensity": world.propensity}
            )
            logged["reward"] = np.where(world.arm == PASS_THROUGH, earned, np.nan)
            for of in truth:
                rival = None if of == "value" else world.score >= narrow
                value = policy_value(
                    logged, world.score >= wide, expected=worth * world.score - cost, rival=rival, seed=run
                )
                for estimator in ("snips", "doubly_robust"):
                    found[of, estimator].append(getattr(value, estimator))
        for (of, estimator), estimates in found.items():
            covered = np.mean([one.low <= truth[of] <= one.high for one in estimates])
            rows.append(
                {
                    "reward": reward,
                    "pass_through": pass_through,
                    "of": of,
                    "estimator": estimator,
                    "truth": truth[of],
                    "mean": np.mean([one.value for one in estimates]),
                    "width": np.mean([one.high - one.low for one in estimates]),
                    "covered": covered,
                    "se": np.sqrt(covered * (1 - covered) / runs),
                }
            )
    return pd.DataFrame(rows)


def picture(table: pd.DataFrame) -> Figure:
    """Mean prediction over truth in every cell of :func:`selection_grid`, with two standard deviations of a
    single world.
    """
    marks = {
        "naive": ("accepted leads", ORANGE, "o", "white"),
        "ipw": ("weighted by propensity", GREY, "D", "white"),
        "luck": ("corrected by the luck of who got it", INK, "s", INK),
        "ours": ("recalibrated on forced leads", BLUE, "o", BLUE),
    }
    with rc_context(STYLE):
        figure = Figure(figsize=(8.2, 1.4 + 0.6 * len(table)))
        axes = figure.subplots()
        axes.axvline(1, color=PALE, linewidth=1.6, zorder=1)
        for row, cell in enumerate(table.itertuples()):
            for shift, (name, (_, color, shape, fill)) in zip(SHIFTS, marks.items(), strict=True):
                value, spread = getattr(cell, f"{name}_ratio"), 2 * getattr(cell, f"{name}_ratio_sd")
                dash = "-" if name in ("luck", "ours") else (0, (4, 2))
                axes.hlines(
                    row + shift,
                    value - spread,
                    value + spread,
                    color=color,
                    linewidth=1.4,
                    linestyle=dash,
                    zorder=2,
                )
                axes.plot(
                    value, row + shift, shape, color=color, markerfacecolor=fill, markersize=6, zorder=3
                )
            axes.text(
                1.02,
                row,
                f"{cell.luck_auc:.3f}",
                transform=axes.get_yaxis_transform(),
                va="center",
                color=INK,
            )
            axes.text(
                1.13,
                row,
                f"{cell.naive_value:.2f} → {cell.luck_value:.2f} → {cell.ours_value:.2f}",
                transform=axes.get_yaxis_transform(),
                va="center",
                color=INK,
            )
        axes.text(1.02, -0.75, "AUC", transform=axes.get_yaxis_transform(), color=GREY)
        axes.text(1.13, -0.75, "earned, of the best", transform=axes.get_yaxis_transform(), color=GREY)
        # Each model is named once, beside its mark in the last row, where they lie apart.
        last = table.iloc[-1]
        for shift, (name, (label, color, _, _)) in zip(SHIFTS, marks.items(), strict=True):
            edge = last[f"{name}_ratio"] + 2 * last[f"{name}_ratio_sd"]
            axes.annotate(
                label,
                (edge, len(table) - 1 + shift),
                (6, 0),
                textcoords="offset points",
                color=color,
                va="center",
                fontsize=8,
            )
        names = [
            f"{'unseen factor' if cell.unseen else 'nothing unseen'}, ρ = {cell.rho:g}{', rep skill' if cell.skill else ''}"
            for cell in table.itertuples()
        ]
        axes.set_yticks(range(len(table)), names)
        axes.set(
            ylim=(len(table) - 0.5, -0.6),
            xlabel="mean prediction over truth, all leads",
            title="A model of accepted leads promises too much",
        )
        axes.set_xlim(right=max(axes.get_xlim()[1], 2.55))
        axes.tick_params(axis="y", length=0)
        axes.spines["left"].set_visible(False)
        return figure
