"""HubSpot both ways, against a stand-in that keeps to its API reference: no account of theirs was at hand."""

import copy
import json
import time
from collections.abc import Iterator
from contextlib import closing
from datetime import datetime, timedelta

import pytest

from features.errors import UnreachableError, UsageError
from pipelines.crm import http
from pipelines.crm.connector import Answer, Line, look_at_crm, open_crm
from pipelines.flows.writeback.run import write_back
from pipelines.settings import load_settings
from pipelines.store.database import Store
from tests import hubspot_server, hubspot_year
from tests.commands import QUICK, Said, leadsieve
from tests.crm_accounts import decided, rows_of, served, written
from tests.hubspot_server import TOKEN, HubSpot
from tests.hubspot_year import END
from tests.test_writeback import decide, receiving

STATES = {"salesqualifiedlead": "accepted", "customer": "won"}
SAID = {
    "grade": "A",
    "score": 0.25,
    "state": "held",
    "until": "2026-12-01T08:00:00",
    "reasons": ["a reason", "another"],
}


@pytest.fixture
def crm(monkeypatch: pytest.MonkeyPatch) -> Iterator[HubSpot]:
    monkeypatch.setenv("HUBSPOT_TOKEN", TOKEN)
    with served(HubSpot()) as account:
        yield account


@pytest.fixture
def year(crm: HubSpot) -> HubSpot:
    """A year of 300 leads."""
    hubspot_year.happen(crm)
    return crm


def read_ids(crm: HubSpot) -> set[str]:
    """Contacts whose histories were asked for."""
    return {
        each["id"]
        for _, path, asked in crm.asked
        if path.endswith("/contacts/batch/read") and asked.get("propertiesWithHistory")
        for each in asked["inputs"]
    }


def test_a_lead_says_what_it_said_when_it_was_created_and_what_came_later_are_events_and_outcomes(year):
    found = rows_of(year)
    leads = {row["lead_id"]: row for row in found["leads"]}
    assert leads.keys() == year.contacts.keys()
    stages, changes = set(), set()
    for number, record in year.contacts.items():
        (created, _), *_ = record.history["createdate"]
        sizes = record.history["numemployees"]
        assert (leads[number]["created_at"], leads[number]["numemployees"]) == (created, float(sizes[0][1]))
        changes |= {(number, moment, float(size)) for moment, size in sizes[1:]}
        stages |= {
            (number, STATES[stage], moment)
            for moment, stage in record.history["lifecyclestage"]
            if stage in STATES
        }
        stages |= {(number, "rejected", moment) for moment, _ in record.history.get("hs_lead_status", ())}
    for number, deal in year.links:
        closes = year.deals[deal].history["dealstage"][1:]
        stages |= {(number, "won" if stage == "closedwon" else "lost", moment) for moment, stage in closes}
    assert {(row["lead_id"], row["recorded_at"], row["value"]) for row in found["events"]} == changes
    assert {(row["lead_id"], row["stage"], row["recorded_at"]) for row in found["outcomes"]} == stages
    assert len(found["outcomes"]) == len(stages)  # a win is told once, though deal and contact say it
    assert {row["rep"] for row in found["outcomes"] if row["stage"] != "rejected"} == {"Ann Lee"}
    assert {row["amount"] for row in found["outcomes"] if row["state"] == "closedwon"} == {1000.0}
    assert {row["reason"] for row in found["outcomes"] if row["stage"] == "lost"} == {"price"}
    assert not {"owner", "rep", "lifecyclestage"} & leads["101"].keys()


def test_what_is_said_within_a_minute_of_the_creation_counts_as_said_with_it_the_last_of_it(crm):
    lead = crm.create("contacts", {"country": "", "numemployees": "5", "hubspot_owner_id": "7"})
    crm.write("contacts", lead, {"country": "DE"})
    crm.now += timedelta(seconds=59)
    crm.write("contacts", lead, {"numemployees": "6", "associatedcompanyid": "33"})
    crm.now += timedelta(seconds=2)
    crm.write("contacts", lead, {"numemployees": "7", "hubspot_owner_id": "8", "jobtitle": "CEO"})
    found = rows_of(crm)
    (row,) = found["leads"]
    told = {name: row[name] for name in ("country", "numemployees", "owner", "account_id")}
    assert told == {"country": "DE", "numemployees": 6.0, "owner": "Ann Lee", "account_id": "33"}
    assert "jobtitle" not in row
    assert {(each["kind"], each["value"], each["recorded_at"]) for each in found["events"]} == {
        ("numemployees changed", 7.0, crm.now),
        ("jobtitle changed", None, crm.now),
    }


@pytest.mark.parametrize(("before", "stage"), [("lead", "rejected"), ("opportunity", "lost")])
def test_an_unqualified_lead_is_rejected_unless_it_was_taken_up_before(crm, before, stage):
    lead = crm.create("contacts", {"lifecyclestage": before})
    crm.now += timedelta(days=1)
    crm.write("contacts", lead, {"hs_lead_status": "UNQUALIFIED"})
    last = rows_of(crm)["outcomes"][-1]
    assert (last["stage"], last["state"], last["recorded_at"]) == (stage, "UNQUALIFIED", crm.now)


def test_a_lead_is_lost_with_its_last_deal_and_an_older_deal_is_none_of_its(crm):
    old = crm.create("deals", {"dealstage": "4711"})
    crm.now += timedelta(days=1)
    lead = crm.create("contacts", {"lifecyclestage": "lead"})
    crm.links.append((lead, old))
    first, second = (crm.create("deals", {"dealstage": "decide"}, contact=lead) for _ in range(2))
    for deal in (first, second):
        crm.now += timedelta(days=1)
        crm.write("deals", deal, {"dealstage": "4711"})
    outcomes = [(row["stage"], row["recorded_at"]) for row in rows_of(crm)["outcomes"]]
    assert outcomes == [("accepted", crm.now - timedelta(days=2)), ("lost", crm.now)]


def test_a_later_pull_asks_for_what_changed_alone_and_ends_with_what_a_full_one_brings(year, tmp_path):
    file = tmp_path / "mirror.db"
    rows_of(year, file)
    year.now += timedelta(hours=1)
    waiting = [deal for deal, record in year.deals.items() if record.value("dealstage") == "decide"]
    year.write("deals", waiting[0], {"dealstage": "closedwon"})
    by_deal = next(contact for contact, deal in year.links if deal == waiting[0])
    free = [number for number in year.contacts if number not in {contact for contact, _ in year.links}]
    year.write("contacts", free[0], {"numemployees": "9"})
    new = year.create("contacts", {"numemployees": "77"})
    year.delete(free[1])
    both = year.merge(free[2], free[3])
    year.asked.clear()
    again = rows_of(year, file)
    assert {by_deal, free[0], new, both} <= read_ids(year)
    assert len(read_ids(year)) <= 6  # and who changed last before
    assert again == rows_of(year)
    there = {row["lead_id"] for row in again["leads"]}
    assert {new, both} <= there
    assert not {free[1], free[2], free[3]} & there


def test_who_is_erased_for_good_is_gone_once_a_day_has_passed_and_who_is_restored_is_back(year, tmp_path):
    file = tmp_path / "mirror.db"
    erased, deleted = "110", "120"
    year.delete(deleted)
    rows_of(year, file)
    year.delete(erased, for_good=True)
    year.contacts[deleted].archived = False
    year.now += timedelta(days=1, minutes=1)
    year.create("contacts", {})
    there = {row["lead_id"] for row in rows_of(year, file)["leads"]}
    assert there == set(year.contacts)


def test_a_search_goes_on_beyond_the_records_at_which_hubspot_ends_it(crm, monkeypatch):
    monkeypatch.setattr(hubspot_server, "SEARCH_ENDS", 500)  # there 10,000
    for _ in range(650):
        crm.create("contacts", {})
    with closing(open_crm(crm.url)) as door:
        found = [number for number, _ in door._searched("contacts", crm.now - timedelta(days=1))]
    assert found == list(crm.contacts)


def test_a_pull_whose_token_expires_says_so_and_goes_on_where_it_was_with_a_new_one(year, tmp_path):
    file = tmp_path / "mirror.db"
    year.expires_after = 15
    with pytest.raises(UnreachableError, match="HUBSPOT_TOKEN") as refused:
        rows_of(year, file)
    assert TOKEN not in str(refused.value)
    year.token = TOKEN
    before = read_ids(year)
    year.asked.clear()
    found = rows_of(year, file)
    assert 100 <= len(before) < 300
    assert "101" not in read_ids(year)
    assert found == rows_of(year)


def test_a_pause_that_hubspot_asks_for_is_kept_and_a_limit_of_the_day_is_told(year, monkeypatch):
    monkeypatch.setattr(http, "BACKOFF", 0.0)
    limit = (429, {"message": "You have reached your ten_secondly_rolling limit."}, {"retry-after": "1"})
    year.next_answers = [limit]
    begun = time.monotonic()
    assert len(rows_of(year)["leads"]) == 300
    assert time.monotonic() - begun >= 0.95
    year.next_answers = [(429, {"message": "You have reached your daily limit."}, {})] * 6
    with pytest.raises(UnreachableError, match="429: You have reached your daily limit"):
        rows_of(year)


@pytest.mark.parametrize("whole_batch", [None, 400, 500])
def test_what_is_refused_is_told_in_hubspots_words_and_the_rest_is_written_once(crm, whole_batch):
    crm.whole_batch = whole_batch
    numbers = [crm.create("contacts", {}) for _ in range(8)]
    crm.refused = {numbers[2]: "the record is locked"}
    crm.delete(numbers[3])
    both = crm.merge(numbers[4], numbers[5])
    lines = [Line(entry, number, SAID) for entry, number in enumerate([*numbers, "no number"])]
    answers = written(crm, *lines)
    assert {entry: answer.refused for entry, answer in answers.items() if answer.refused} == {
        2: "the record is locked",
        3: "there is no such contact",
        4: f"the contact was merged into {both}",
        5: f"the contact was merged into {both}",
        8: "there is no such contact",
    }
    assert len(answers) == 9
    assert [entry for entry, answer in answers.items() if answer.later] == [2] * (whole_batch == 500)
    assert {name: crm.contacts[numbers[0]].value(name) for name in hubspot_server.OURS} == {
        "leadsieve_grade": "A",
        "leadsieve_score": "0.25",
        "leadsieve_state": "held",
        "leadsieve_reasons": "a reason\nanother",
        "leadsieve_until": "2026-12-01",
    }
    crm.asked.clear()
    assert written(crm, lines[0], lines[7]) == {0: Answer(0), 7: Answer(7)}
    assert not any(path.endswith("update") for _, path, _ in crm.asked)


def test_only_what_differs_is_written_and_what_holds_no_more_is_cleared(crm):
    number = crm.create("contacts", {})
    written(crm, Line(1, number, SAID))
    crm.contacts[number].history["leadsieve_score"][-1] = (crm.now, "0.250")
    written(crm, Line(2, number, {**SAID, "state": "open", "until": None}))
    (*_, (_, _, asked)) = crm.asked
    assert asked["inputs"] == [
        {
            "id": number,
            "properties": {"leadsieve_state": "open", "leadsieve_until": ""},
            "objectWriteTraceId": "2",
        }
    ]


def test_a_property_that_is_not_there_is_one_sentence_with_the_mend_and_nothing_is_written(crm):
    number = crm.create("contacts", {})
    del crm.properties["leadsieve_until"]
    crm.properties["leadsieve_score"] = "string"
    with pytest.raises(
        UsageError, match=r"property leadsieve_score \(number\), leadsieve_until \(date\); create"
    ):
        written(crm, Line(1, number, SAID))
    assert not any(path.endswith("update") for _, path, _ in crm.asked)


def test_a_property_that_is_not_there_keeps_nothing_from_a_webhook(crm, tmp_path, monkeypatch):
    monkeypatch.setenv("LEADSIEVE_WEBHOOK_SECRET", "a key of the tests")
    number = crm.create("contacts", {})
    del crm.properties["leadsieve_until"]
    with receiving() as hook:
        address = f"sqlite:///{tmp_path / 'store.db'}"
        there = {
            "store": {"url": address},
            "source": {"url": crm.url},
            "writeback": {"webhook": hook.url},
        }
        decide(Store(address), number)
        with pytest.raises(UsageError, match="leadsieve_until"):
            write_back(load_settings(None, there), tmp_path, END)
        assert [said["lead_id"] for said in hook.said()] == [number]


def test_a_look_says_something_else_once_a_contact_or_a_deal_changed_or_one_is_gone(year):
    looks = [look_at_crm(year.url)]
    year.now += timedelta(hours=1)
    for change in (
        lambda: year.write("contacts", "101", {"country": "DE"}),
        lambda: year.write("deals", year.links[0][1], {"amount": "1"}),
        lambda: year.delete("101"),
    ):
        assert look_at_crm(year.url) == looks[-1]
        change()
        looks.append(look_at_crm(year.url))
    assert len(set(looks)) == 4


def test_an_account_without_a_contact_gives_tables_without_a_row(crm):
    assert rows_of(crm) == {"leads": [], "events": [], "outcomes": []}


def test_hubspots_address_is_known_and_another_one_is_refused(monkeypatch):
    monkeypatch.setenv("HUBSPOT_TOKEN", TOKEN)
    with closing(open_crm("hubspot:?fields=my_field,leadsieve_grade")) as door:
        assert door.name == "hubspot:https://api.hubapi.com"
        assert door.fields[-1] == "my_field"
    with pytest.raises(UsageError, match="no address of HubSpot"):
        open_crm("hubspot:https://api.hubapi.com/crm")
    monkeypatch.delenv("HUBSPOT_TOKEN")
    with pytest.raises(UsageError, match="HUBSPOT_TOKEN is not set"):
        open_crm("hubspot:")


@pytest.mark.slow
def test_leads_are_pulled_learned_from_decided_written_back_and_read_back(year, tmp_path):
    home, config = tmp_path / "home", tmp_path / "crm.toml"
    config.write_text(f'[source]\nurl = "{year.url}"\n{QUICK}')

    def run(*words: str) -> Said:
        said = leadsieve(*words, "--config", config, "--json", home=home, HUBSPOT_TOKEN=TOKEN)
        assert said.code == 0, said.err
        return said

    assert run("check").json["tables"]["leads"]["rows"] == 300
    assert run("train").json["verdict"] in ("ready", "weak")
    run("promote", "--why", "it is the first")
    scored = run("score").json["scored"]
    assert scored > 3
    refused = decided(home)[0][0]
    del year.properties["leadsieve_grade"]
    stopped = leadsieve("writeback", "--config", config, home=home, HUBSPOT_TOKEN=TOKEN)
    assert stopped.code == 2
    assert "no contact property leadsieve_grade (string or enumeration); create it once" in stopped.err
    year.properties["leadsieve_grade"] = "enumeration"
    year.refused = {refused: "the record is locked"}
    before = copy.deepcopy(year.contacts)
    first = run("writeback").json  # what waited because of the property goes, too
    assert (first["targets"][0]["sent"], first["targets"][0]["dead"]) == (scored - 1, 1)
    assert [(each["lead_id"], each["said"]) for each in first["dead"]] == [(refused, "the record is locked")]
    year.refused = {}
    assert run("writeback", "--again").json["targets"][0]["sent"] == 1
    for number, score, grade, reasons in decided(home):
        there = year.contacts[number]
        assert float(there.value("leadsieve_score")) == pytest.approx(score, abs=1e-4)
        assert there.value("leadsieve_grade") == grade
        assert (there.value("leadsieve_reasons") or "") == "\n".join(reasons[:6])
    ours = {number for number, *_ in decided(home)}
    assert {number for number in before if year.contacts[number].value("leadsieve_score")} == ours
    assert run("writeback").json["targets"][0]["queued"] == 0

    year.now = END + timedelta(hours=1)
    new = year.create("contacts", {"hs_analytics_source": "REFERRALS", "numemployees": "400"})
    assert run("score").json["scored"] == 1
    assert run("writeback").json["targets"][0]["sent"] == 1
    assert year.contacts[new].value("leadsieve_grade")
    assert "leadsieve" not in json.dumps(rows_of(year), default=datetime.isoformat)
