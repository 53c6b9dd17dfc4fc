"""Data that no promise can be built on: each kind is told in a sentence of its own, and nobody is held for
it.
"""

import random
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

import pytest

from tests.commands import FLAT, QUICK, Said, leadsieve, written

SETTINGS = f"""
[source]
url = "files:."
[source.leads]
table = "leads.csv"
[source.outcomes]
table = "outcomes.csv"
[label]
pursue_days = 14
convert_days = 30
{QUICK}
"""
MARGIN = '[policy]\npromise = "margin"'
START = date(2025, 1, 1)


@dataclass(frozen=True)
class Market:
    """What is odd about a market of leads of which those with many visits are won."""

    won: Callable[[int, float], bool] = lambda row, chance: chance > 0
    account: Callable[[int], str] = "a{}".format
    amount: Callable[[int], str] = lambda row: "5000"
    policy: str = ""

    def written(self, folder: Path, rows: int = 1500) -> Path:
        draw = random.Random(3)
        leads, outcomes = ["lead_id,created_at,account_id,visits,size"], ["lead_id,stage,occurred_at,amount"]
        for row in range(rows):
            visits, made = draw.random(), START + timedelta(days=row // 4)
            leads.append(f"l{row},{made},{self.account(row)},{visits:.3f},{draw.random():.3f}")
            outcomes.append(f"l{row},accepted,{made + timedelta(days=2)},")
            won = self.won(row, 0.5 * visits - draw.random())
            outcomes.append(
                f"l{row},{'won' if won else 'lost'},{made + timedelta(days=9)},{self.amount(row) if won else ''}"
            )
        tables = {"leads.csv": "\n".join(leads) + "\n", "outcomes.csv": "\n".join(outcomes) + "\n"}
        return written(folder, tables | {"c.toml": SETTINGS + self.policy})


def trained(market: Market, folder: Path, *words: str) -> Said:
    crm = market.written(folder / "crm")
    return leadsieve(
        "train", "--config", crm / "c.toml", "--as-of", "2026-02-15", *words, home=folder / "home"
    )


@pytest.mark.parametrize(
    ("market", "says"),
    [
        pytest.param(
            Market(won=lambda row, chance: False), "settled leads not one has the outcome", id="no wins"
        ),
        pytest.param(
            Market(won=lambda row, chance: True), "settled leads every one has the outcome", id="all wins"
        ),
    ],
)
def test_what_cannot_be_learned_from_ends_with_4_and_says_so(market, says, tmp_path):
    said = trained(market, tmp_path)
    assert said.code == 4
    assert says in " ".join((said.out + said.err).split())


def test_leads_that_are_all_the_same_are_not_ranked_by_anything(tmp_path):
    same = "\n".join(["lead_id,visits,won", *(f"{row},3,{'yes' if row % 3 else 'no'}" for row in range(300))])
    crm = written(tmp_path / "crm", {"leads.csv": same, "c.toml": FLAT})
    said = leadsieve("train", "--config", crm / "c.toml", home=tmp_path / "home")
    assert said.code == 4
    assert "nothing tells 300 leads apart" in said.err


@pytest.mark.parametrize(
    ("market", "says"),
    [
        pytest.param(Market(won=lambda row, chance: row % 150 == 0), "108 are missing", id="ten wins"),
        pytest.param(
            Market(account=lambda row: "big" if row % 2 else f"a{row}"),
            "more wins are of accounts with a later one",
            id="half in one account",
        ),
        pytest.param(
            Market(amount=lambda row: "", policy=MARGIN), "have no margin on record", id="amounts missing"
        ),
        pytest.param(
            Market(amount=lambda row: "1e300" if row % 40 == 0 else "50"),
            "Check their unit",
            id="amounts absurd",
        ),
        pytest.param(
            Market(policy="[policy]\nweekly_capacity = 0"), "no lead fits into the week", id="capacity 0"
        ),
    ],
)
def test_what_a_promise_lacks_is_told(market, says, tmp_path):
    said = trained(market, tmp_path, "--force")
    assert said.code == 0, said.err
    assert says in " ".join(said.out.split())
