"""A version's report: everything that is promised is in it, it stands alone, and it can be written again to
the byte.
"""

import base64
import copy
import html
import json
import re
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from features.errors import UsageError
from pipelines.flows.model_card import _groups
from pipelines.reports.model_report import answers, report_page, worries
from pipelines.settings import load_settings
from pipelines.version_files import CARD, read_card, settings_told
from tests.commands import FLAT, QUICK, flat_leads, leadsieve, written

PARTS = (
    "data",
    "both",
    "convert",
    "pursue",
    "promise",
    "drivers",
    "segments",
    "audit",
    "leaks",
    "champion",
    "notes",
)


@pytest.fixture(scope="module")
def card(world) -> dict:
    """What the report of the trained world says."""
    said = leadsieve("report", "champion", "--json", home=world / "home")
    assert said.code == 0, said.err
    return said.json


@pytest.fixture(scope="module")
def page(card) -> str:
    return report_page(card, card["version"])


@pytest.fixture(scope="module")
def audited(tmp_path_factory) -> dict:
    """The report of a model that is audited by a column; its scorer as it is kept is beside it."""
    lines = flat_leads(rows=900, signal=0.9).splitlines()
    gender = ["gender"] + ["f" if row % 2 else "m" for row in range(900)]
    leads = "\n".join(f"{line},{value}" for line, value in zip(lines, gender, strict=True)) + "\n"
    settings = f'{FLAT}[features]\naudit = ["gender"]\n[policy]\npromise = "none"\nhold_share = 0.3\n{QUICK}'
    folder = written(tmp_path_factory.mktemp("audited"), {"leads.csv": leads, "c.toml": settings})
    trained = leadsieve("train", "--config", folder / "c.toml", home=folder / "h")
    assert trained.code == 0, trained.err
    scorer = json.loads(next((folder / "h" / "artifacts").rglob("scorer.json")).read_text())
    return leadsieve("report", "--json", home=folder / "h").json | {"scorer": scorer["scorer"]}


def with_changes(card: dict, **changes) -> dict:
    return {**copy.deepcopy(card), **changes}


# ── the page ──


def test_a_page_holds_every_part_it_promises_and_its_contents_lead_to_them(card, page):
    parts = re.findall(r'<h2 id="(\w+)">', page)
    assert set(parts) == set(PARTS)
    assert set(re.findall(r'href="#(\w+)"', page)) >= set(PARTS)
    convert = card["models"]["convert"]
    told = (
        card["trained_on"]["source"], card["trained_on"]["fingerprint"], f"{card['leads']:,}",
        card["verdict"].capitalize(), *card["reasons"], f"{convert['auc']['value']:.3f}", f"{convert['blocks'][0]['rows']:,}",
        "logistic regression", "naive Bayes", "newest first",
        f"{convert['lift_at_10_percent']['value']:.2f}", f"{convert['calibration_ratio']['value']:.2f}",
        *(f"{100 * grade['rate']:.1f} %" for grade in card["grades"]), card["policy"]["promise"]["why"].split(";")[0][1:],
        *(leak["column"] for leak in card["leaks"]), "There was no champion when this version was trained", "policy.max_lost_share",
    )  # fmt: skip
    assert [words for words in told if words not in html.unescape(page)] == []
    pictures = re.findall(r'<img src="[^"]+" alt="([^"]+)"', page)
    for shown in (
        "Leads over time",
        "Share of outcomes found",
        "mean prediction",
        "AUC of every block",
        "Groups of columns",
        "each grade",
    ):
        assert [alt for alt in pictures if shown in alt], shown


def test_a_page_asks_nobody_for_anything_and_is_of_a_size_to_send(page):
    assert not re.findall(r"""(?:src|href)=["'](?!data:|#)""", page)
    inside = [base64.b64decode(each).decode() for each in re.findall(r"base64,([^\"]+)", page)]
    for text in (page, *inside):
        assert set(re.findall(r"https?://[\w./-]+", text)) <= {
            "http://www.w3.org/2000/svg", "http://www.w3.org/1999/xlink", "http://www.w3.org/Graphics/SVG/1.1/DTD/svg11.dtd",
            "http://www.w3.org/1999/02/22-rdf-syntax-ns", "http://creativecommons.org/ns", "http://purl.org/dc/elements/1.1/",
            "http://purl.org/dc/dcmitype/StillImage",
        }  # fmt: skip
        assert "<script" not in text
    assert len(page) < 1_500_000


def test_a_report_is_written_again_as_it_was_kept_at_training_to_the_byte(world, tmp_path, card):
    kept = [file for file in (world / "home" / "artifacts").rglob("report.html")]
    again = leadsieve("report", card["version"], "--page", tmp_path / "again.html", home=world / "home")
    assert again.code == 0, again.err
    assert kept[0].read_bytes() == (tmp_path / "again.html").read_bytes()
    assert "What should I worry about?" in again.out


def test_a_report_agrees_with_what_train_printed(world, card):
    trained = json.loads((world / "train.json").read_text())
    of_the_run = ("version", "alias", "seconds")
    assert {key: card[key] for key in trained if key not in of_the_run} == {
        key: trained[key] for key in trained if key not in of_the_run
    }
    assert (
        card["outcomes"]["convert"]["yes"] + card["outcomes"]["convert"]["no"]
        == card["outcomes"]["convert"]["settled"]
    )


@pytest.mark.parametrize("version", ["99", "challenger"])
def test_a_version_that_is_not_there_has_no_report(world, version):
    said = leadsieve("report", version, home=world / "home")
    assert said.code == 2
    assert version in said.err


@pytest.mark.parametrize(
    ("kept", "sentence"),
    [(None, "version 3 has no report; nothing was written"), ({"format": 99}, "a report of format 99")],
)
def test_a_version_without_a_report_that_can_be_read_says_so(tmp_path, kept, sentence):
    if kept is not None:
        written(tmp_path, {CARD: json.dumps(kept)})
    with pytest.raises(UsageError, match=sentence):
        read_card(SimpleNamespace(download=lambda version: tmp_path), "3")


def test_what_the_data_say_is_text_on_the_page(audited):
    hostile = "<script>alert('x')</script>"
    changed = with_changes(audited, warnings=[hostile], reasons=[hostile])
    changed["segments"][0] |= {"group": hostile, "poor": "promises too much"}
    assert "<script" not in report_page(changed, "1")


def test_a_model_that_could_not_be_judged_has_a_page_too(card):
    bare = with_changes(
        card, curves={}, segments=[], drivers_by_segment=[], grades=[], verdict="too little data"
    )
    for model in bare["models"].values():
        model |= {
            "verdict": "too little data",
            "auc": None,
            "blocks": [],
            "newest": None,
            "baselines": dict.fromkeys(model["baselines"]),
        }
    assert "It could not be judged" in report_page(bare, "1")
    assert answers(bare)[1].words == "It could not be judged"


# ── what is said first ──


def test_a_ready_model_that_promises_something_and_has_no_faults_worries_nobody(card):
    ready = with_changes(card, verdict="ready", leaks=[], segments=[], gaps=[], leniency=None)
    ready["policy"]["promise"] |= {
        "certified": True,
        "why": "at most 5 % of the customers would be held back; certified on 400 wins",
    }
    for model in ready["models"].values():
        model |= {"verdict": "ready", "positives": 1000, "settled": 9000}
        model["blocks"][-1] |= {"auc_high": 0.99, "calibration_ratio": 1.0}
        model["baselines"]["logistic"]["ahead"] |= {"high": -0.01}
    assert worries(ready) == ()
    assert [answer.words for answer in answers(ready)][::2] == [
        "Ready",
        "At most 5 % of the customers would be held back",
    ]


@pytest.mark.parametrize(
    ("changes", "words", "where"),
    [
        pytest.param(
            {"leaks": [{"column": "tag", "verdict": "suspicious", "trusted": True, "why": "x"}]},
            "‘tag’ may know the outcome",
            "leaks",
            id="leak",
        ),
        pytest.param(
            {
                "audit": ["sex"],
                "gaps": [
                    {
                        "column": "sex",
                        "figure": "held_wins",
                        "most": "f",
                        "least": "m",
                        "difference": 0.2,
                        "low": 0.1,
                        "high": 0.3,
                    }
                    | {"beyond_chance": True}
                ],
            },
            "holds later customers 20.0 points more often (10.0 to 30.0) where ‘sex’ is ‘f’ than where it is ‘m’",
            "audit",
            id="gap",
        ),
        pytest.param(
            {"champion": {"version": "7", "obstacle": "the two answer different questions"}},
            "cannot be compared with version 7",
            "champion",
            id="champion",
        ),
    ],
)
def test_what_there_is_to_worry_about_is_said_with_the_part_that_has_more_of_it(card, changes, words, where):
    found = [worry for worry in worries(with_changes(card, **changes)) if words in worry.words]
    assert [worry.where for worry in found] == [where]


@pytest.mark.parametrize(("by", "doubts"), [("bounds", 1), ("luck", 0), ("forced", 0)])
def test_what_sales_sees_and_the_model_does_not_is_a_worry_only_where_nothing_corrects_it(card, by, doubts):
    told = with_changes(
        card,
        leniency={"warns": True, "words": "reps who take fewer leads win more of them"},
        worked={"by": by, "words": ""},
    )
    assert [worry.words.startswith("Sales may see") for worry in worries(told)].count(True) == doubts


# ── groups ──


@pytest.mark.parametrize(
    ("values", "groups"),
    [
        pytest.param(["web", None, "fair"], ["fair", "web"], id="texts are their own groups"),
        pytest.param([1, 2, 3, np.nan, 2], ["1", "2", "3"], id="few numbers, too"),
        pytest.param(range(101), ["up to 25", "26 to 50", "51 to 75", "over 75"], id="many are quartered"),
        pytest.param(
            [1] * 60 + list(range(2, 42)),
            ["1", "2 to 16", "over 16"],
            id="a quarter that is one value is that value",
        ),
        pytest.param([7] * 95 + list(range(6)), ["up to 5", "over 5"], id="almost all at the top"),
        pytest.param(
            np.linspace(0, 1, 9),
            ["up to 0.25", "over 0.25 to 0.5", "over 0.5 to 0.75", "over 0.75"],
            id="fractions",
        ),
    ],
)
def test_groups_of_a_column_are_its_texts_or_ranges_of_its_numbers(values, groups):
    found = _groups(pd.Series(list(values)))
    own = (
        found.cat.categories
        if isinstance(found.dtype, pd.CategoricalDtype)
        else sorted(found.dropna().unique())
    )
    assert list(own) == groups


def test_an_audited_column_is_no_feature_and_its_groups_are_told_apart(audited):
    told, scorer = audited, audited["scorer"]
    assert {"column": "gender", "why": "kept for auditing alone"} in told["trained_on"]["not_read"]
    assert "gender" not in json.dumps(
        [scorer["categories"], scorer["usual"], scorer["recipe"]["attributes"], scorer["recipe"]["columns"]]
    )
    assert "gender" not in json.dumps(
        [
            scorer["recipe"]["rate_keys"],
            told["drivers"],
            told["drivers_by_segment"],
            told["trained_on"]["reads"],
        ]
    )
    own = [segment for segment in told["segments"] if segment["column"] == "gender"]
    assert [(segment["group"], segment["audited"]) for segment in own] in (
        [("f", True), ("m", True)],
        [("m", True), ("f", True)],
    )
    assert {gap["figure"] for gap in told["gaps"]} == {"held", "held_wins", "ratio", "auc"}
    # Equal scores are decided alike, so that a block may hold fewer.
    assert sum(segment["held"]["value"] * 0.5 for segment in own) == pytest.approx(
        told["policy"]["held_share"], abs=0.08
    )
    page = report_page(told, "1")
    assert "gender: no feature of the model" in page
    assert "where ‘gender’ is " in page


def test_where_a_model_may_be_poor_is_told_by_what_drives_it_where_no_column_has_a_usual_name(audited):
    own = {segment["column"]: segment["leads"] for segment in audited["segments"] if not segment["audited"]}
    assert set(own) == {"visits", "team"}
    assert "visits in figures" in report_page(audited, "1")


def test_a_column_to_audit_or_to_tell_apart_by_that_is_not_there_is_refused(tmp_path):
    settings = f'{FLAT}[features]\naudit = ["gendre"]\n[evaluation]\nsegments = ["taem"]\n'
    folder = written(tmp_path / "crm", {"leads.csv": flat_leads(rows=60, signal=0.9), "c.toml": settings})
    said = leadsieve("train", "--config", folder / "c.toml", home=tmp_path / "h")
    assert said.code == 2
    assert "features.audit: the leads have no column 'gendre'" in said.err
    assert "evaluation.segments: the leads have no column 'taem'; did you mean 'team'?" in said.err


# ── since the champion ──


def test_a_second_version_is_told_beside_the_champion_on_the_same_leads(home, world):
    settings = (world / "quick.toml").read_text().replace(
        "rounds = 30", "rounds = 12"
    ) + '[features]\nexclude = ["country"]\n'
    changed = written(home.parent / "second", {"c.toml": settings})
    trained = leadsieve("train", "--config", changed / "c.toml", "--json", home=home)
    assert trained.code == 0, trained.err
    told = leadsieve("report", "challenger", "--json", home=home).json
    champion = told["champion"]
    assert (champion["version"], champion["obstacle"]) == ("1", None)
    assert champion["leads"] > 500
    assert [each["kind"] for each in champion["differences"]][:2] == ["loss", "loss"]
    assert champion["columns_added"] == []
    assert "country" in champion["columns_removed"]
    assert {each["key"]: (each["champion"], each["now"]) for each in champion["settings"]} == {
        "features.exclude": ([], ["country"]),
        "model.rounds": (30, 12),
    }
    ruled = leadsieve("promote", "--config", changed / "c.toml", "--json", home=home).json
    assert (ruled["promoted"], ruled["reasons"]) == (
        champion["would_be_promoted"],
        [reason.replace("the new one", "2") for reason in champion["reasons"]],
    )
    page = report_page(told, told["version"])
    assert "Removed: " in page
    assert "model.rounds" in page


def test_settings_are_told_without_the_passwords_of_addresses(tmp_path):
    text = '[source]\nurl = "postgresql://ann:geheim@db/crm?token=t0ken"\n[store]\nurl = "postgresql://ann:zweites@db/x"\n'
    told = settings_told(load_settings(Path(written(tmp_path, {"c.toml": text}) / "c.toml"), environ={}))
    assert told["source.url"] == "postgresql://ann:***@db/crm?token=***"
    assert not [word for word in ("geheim", "t0ken", "zweites") if word in json.dumps(told)]
