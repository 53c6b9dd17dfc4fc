"""Salesforce both ways, against a stand-in that keeps to its references: no account of theirs was at hand."""

import json
import time
from collections.abc import Iterator
from contextlib import closing
from datetime import datetime, timedelta

import pytest

from features.errors import UnreachableError, UsageError
from pipelines.crm import http, salesforce_writing
from pipelines.crm.connector import Answer, Line, look_at_crm, open_crm
from tests import salesforce_year
from tests.commands import QUICK, Said, leadsieve
from tests.crm_accounts import decided, rows_of, served, written
from tests.salesforce_server import CLIENT, OURS, SECRET, Salesforce
from tests.salesforce_year import END

KEYS = {"SALESFORCE_CLIENT_ID": CLIENT, "SALESFORCE_CLIENT_SECRET": SECRET}
SAID = {
    "grade": "A",
    "score": 0.25,
    "state": "held",
    "until": "2026-12-01T08:00:00",
    "reasons": ['a reason, "quoted"', "another"],
}


@pytest.fixture
def crm(monkeypatch: pytest.MonkeyPatch) -> Iterator[Salesforce]:
    for name, value in KEYS.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(salesforce_writing, "PAUSE", 0.01)
    with served(Salesforce()) as account:
        yield account


@pytest.fixture
def year(crm: Salesforce) -> Salesforce:
    """A year of 300 leads."""
    salesforce_year.happen(crm)
    return crm


def read_ids(crm: Salesforce) -> set[str]:
    """Leads whose histories were asked for."""
    asked = [
        told["q"]
        for _, _, told in crm.asked
        if isinstance(told, dict) and "FROM LeadHistory" in told.get("q", "")
    ]
    return {lead_id for query in asked for lead_id in query.split("'")[1::2]}


def stages_of(found: dict[str, list[dict]]) -> list[tuple]:
    return [(row["stage"], row["state"], row["recorded_at"]) for row in found["outcomes"]]


def test_a_lead_says_what_it_said_when_it_was_created_and_what_came_later_are_events_and_outcomes(year):
    found = rows_of(year)
    leads = {row["lead_id"]: row for row in found["leads"]}
    assert leads.keys() == year.leads.keys()
    changes, stages, words = (
        set(),
        set(),
        {"Working - Contacted": "accepted", "Closed - Not Converted": "rejected"},
    )
    first: dict[str, float] = {}
    for row in year.rows["LeadHistory"].values():
        if row["Field"] == "NumberOfEmployees":
            changes.add((row["LeadId"], row["CreatedDate"], float(row["NewValue"])))
            first.setdefault(row["LeadId"], float(row["OldValue"]))
        if row["Field"] == "Status" and row["NewValue"] in words:
            stages.add((row["LeadId"], words[row["NewValue"]], row["CreatedDate"]))
    ends = {"Closed Won": "won", "Closed Lost": "lost"}
    lead_of = {lead["ConvertedOpportunityId"]: number for number, lead in year.leads.items()}
    for row in year.rows["OpportunityHistory"].values():
        if row["StageName"] in ends:
            stages.add((lead_of[row["OpportunityId"]], ends[row["StageName"]], row["CreatedDate"]))
    for number, lead in year.leads.items():
        said = leads[number]
        assert said["created_at"] == lead["CreatedDate"]
        assert said["NumberOfEmployees"] == first.get(number, float(lead["NumberOfEmployees"]))
        assert said["account_id"] == said["Company"] == lead["Company"]
    events = [row for row in found["events"] if row["kind"] != "campaign"]
    assert {(row["lead_id"], row["recorded_at"], row["value"]) for row in events} == changes
    assert len(found["events"]) - len(events) == len(year.rows["CampaignMember"]) > 50
    assert {(row["lead_id"], row["stage"], row["recorded_at"]) for row in found["outcomes"]} == stages
    assert len(found["outcomes"]) == len(stages)  # taken up once, though status and conversion say it
    assert {row["amount"] for row in found["outcomes"] if row["stage"] == "won"} == {1000.0}
    assert not {"Status", "Industry", "Leadsieve_Grade__c"} & leads[next(iter(leads))].keys()


def test_what_a_status_said_before_its_history_begins_is_no_answer_and_a_conversion_has_its_day(crm):
    crm.create({"Status": "Closed - Not Converted"})
    lead = crm.create({"OwnerId": "005000000000007AAA"})
    crm.now += timedelta(days=1)
    crm.write(lead, {"OwnerId": "005000000000008AAA"})
    crm.convert(lead, history=False)
    crm.write(lead, {"Status": "Closed - Not Converted"})
    found = rows_of(crm)
    ended = datetime(2026, 1, 6, 23, 59, 59, 999999)
    assert stages_of(found) == [
        ("rejected", "Closed - Not Converted", crm.now),
        ("accepted", "converted", ended),
    ]
    assert {row["owner"] for row in found["leads"]} == {"Ann Lee", "Bob Roy"}
    assert {row["rep"] for row in found["outcomes"]} == {"Bob Roy"}


@pytest.mark.parametrize(
    ("before", "stage"), [("Open - Not Contacted", "rejected"), ("Working - Contacted", "lost")]
)
def test_a_lead_that_is_closed_is_rejected_unless_it_was_taken_up_before(crm, before, stage):
    lead = crm.create()
    crm.now += timedelta(days=1)
    if before != "Open - Not Contacted":
        crm.write(lead, {"Status": before})
        crm.now += timedelta(days=1)
    crm.write(lead, {"Status": "Closed - Not Converted"})
    assert stages_of(rows_of(crm))[-1] == (stage, "Closed - Not Converted", crm.now)


def test_fields_statuses_and_what_is_fixed_are_named_in_the_address_and_what_cannot_be_is_refused(crm):
    lead = crm.create({"Industry": "Energy", "Score_of_old__c": "7"})
    crm.now += timedelta(days=1)
    crm.write(lead, {"Score_of_old__c": "8", "Status": "Closed - Not Converted"})
    found = rows_of(crm, options="?fields=Score_of_old__c&fixed=Industry&accepted=Closed - Not Converted")
    (row,) = found["leads"]
    assert (row["Industry"], row["Score_of_old__c"]) == ("Energy", "7")
    assert [each["kind"] for each in found["events"]] == ["Score_of_old__c changed"]
    assert [each["stage"] for each in found["outcomes"]] == ["accepted"]
    for options, told in (
        ("?fields=Industry", "keeps no history of the lead's Industry"),
        ("?fixed=Industri", "have no fields Industri; there are Campaign_Code__c, Company, Industry"),
        ("?rejected=Closed", "have no lead statuses Closed; there are Closed - Converted"),
    ):
        with pytest.raises(UsageError, match=told):
            rows_of(crm, options=options)


def test_of_a_lead_older_than_histories_are_kept_nobody_tells_what_it_said_at_first(crm):
    old = crm.create({"NumberOfEmployees": 7})
    crm.now += timedelta(days=541)
    new = crm.create({"NumberOfEmployees": 8})
    said = {row["lead_id"]: row["NumberOfEmployees"] for row in rows_of(crm)["leads"]}
    assert said == {old: None, new: 8.0}


def test_a_later_pull_asks_for_what_changed_alone_and_ends_with_what_a_full_one_brings(year, tmp_path):
    file = tmp_path / "mirror.db"
    rows_of(year, file)
    year.now += timedelta(hours=1)
    free = [number for number, lead in year.leads.items() if not lead["IsConverted"]]
    by_deal = next(number for number, lead in year.leads.items() if lead["IsConverted"])
    year.stage(year.leads[by_deal]["ConvertedOpportunityId"], "Closed Lost")
    year.write(free[0], {"NumberOfEmployees": 9})
    year.invite(free[1])
    new = year.create({"NumberOfEmployees": 77})
    year.delete(free[2])
    year.merge(free[3], free[4])
    year.asked.clear()
    again = rows_of(year, file)
    assert {by_deal, free[0], free[1], free[3], new} <= read_ids(year)
    assert len(read_ids(year)) <= 7  # and who changed last before
    assert again == rows_of(year)
    there = {row["lead_id"] for row in again["leads"]}
    assert {new, free[3]} <= there
    assert not {free[2], free[4]} & there


def test_who_is_erased_for_good_is_gone_once_a_day_has_passed_and_who_is_restored_is_back(year, tmp_path):
    file = tmp_path / "mirror.db"
    erased, deleted = list(year.leads)[:2]
    year.delete(deleted)
    rows_of(year, file)
    year.delete(erased, for_good=True)
    year.leads[deleted]["IsDeleted"] = False
    year.now += timedelta(days=1, minutes=1)
    year.create()
    assert {row["lead_id"] for row in rows_of(year, file)["leads"]} == set(year.leads)


def test_answers_of_several_pages_are_read_to_their_end(year):
    whole = rows_of(year)
    year.page = 70
    assert rows_of(year) == whole
    assert any("-70" in path for _, path, _ in year.asked)


def test_a_token_that_ends_is_asked_for_anew_and_keys_that_are_refused_are_a_sentence_without_them(
    year, tmp_path
):
    year.expires_after = 12
    assert len(rows_of(year)["leads"]) == 300
    assert year.token == "00D.first+"
    year.secret, year.token = "changed", "another"
    with pytest.raises(
        UnreachableError, match=r"400: invalid client credentials.*SALESFORCE_CLIENT_ID"
    ) as refused:
        rows_of(year)
    assert SECRET not in str(refused.value)


def test_a_pull_that_is_stopped_by_the_limit_of_the_day_says_so_and_goes_on_where_it_was(year, tmp_path):
    file = tmp_path / "mirror.db"
    with closing(open_crm(year.url)) as door:
        first = next(door.pages(None, ()))
    assert len(first.leads) == 200
    limit = (403, [{"message": "TotalRequests Limit exceeded.", "errorCode": "REQUEST_LIMIT_EXCEEDED"}], {})
    asked = year.answer

    def limited(method, path, told, token):
        if isinstance(told, dict) and "FROM LeadHistory" in told.get("q", "") and read_ids(year):
            return limit
        return asked(method, path, told, token)

    year.asked.clear()
    year.answer = limited
    with pytest.raises(UnreachableError, match="403: REQUEST_LIMIT_EXCEEDED: TotalRequests Limit exceeded"):
        rows_of(year, file)
    year.answer = asked
    before = read_ids(year)
    year.asked.clear()
    found = rows_of(year, file)
    assert len(before) == 200
    assert not before & read_ids(year)
    assert found == rows_of(year)


def test_a_pause_that_is_asked_for_is_kept(year, monkeypatch):
    monkeypatch.setattr(http, "BACKOFF", 0.0)
    year.next_answers = [(429, [{"message": "slow down"}], {"retry-after": "1"})]
    begun = time.monotonic()
    assert len(rows_of(year)["leads"]) == 300
    assert time.monotonic() - begun >= 0.95


def test_what_is_refused_is_told_in_salesforces_words_and_the_rest_is_written_once(crm):
    numbers = [crm.create() for _ in range(8)]
    crm.refused = {numbers[2]: "UNABLE_TO_LOCK_ROW:unable to obtain exclusive access to this record:--"}
    crm.delete(numbers[3])
    crm.merge(numbers[5], numbers[4])
    crm.convert(numbers[6])
    lines = [Line(entry, number, SAID) for entry, number in enumerate([*numbers, "00Q' OR Id != '"])]
    answers = written(crm, *lines)
    assert {entry: (answer.refused, answer.later) for entry, answer in answers.items() if answer.refused} == {
        2: (crm.refused[numbers[2]], True),
        3: ("there is no such lead", False),
        4: (f"the lead was merged into {numbers[5]}", False),
        6: ("CANNOT_UPDATE_CONVERTED_LEAD:cannot reference converted lead:--", False),
        8: ("there is no such lead", False),
    }
    assert len(answers) == 9
    assert {name: crm.leads[numbers[0]][name] for name in OURS} == {
        "Leadsieve_Grade__c": "A",
        "Leadsieve_Score__c": 0.25,
        "Leadsieve_State__c": "held",
        "Leadsieve_Reasons__c": 'a reason, "quoted"\nanother',
        "Leadsieve_Until__c": "2026-12-01",
    }
    (job,) = crm.jobs.values()
    assert (job["object"], job["operation"], len(job["rows"])) == ("Lead", "update", 6)
    assert written(crm, lines[0], lines[7]) == {0: Answer(0), 7: Answer(7)}
    assert len(crm.jobs) == 1, "what is there already makes no job"
    written(crm, Line(9, numbers[0], {**SAID, "state": "open", "until": None}))
    assert (crm.leads[numbers[0]]["Leadsieve_State__c"], crm.leads[numbers[0]]["Leadsieve_Until__c"]) == (
        "open",
        None,
    )


def test_what_a_job_has_not_come_to_is_sent_again_and_one_that_does_not_end_is_given_up(crm, monkeypatch):
    numbers = [crm.create() for _ in range(3)]
    lines = [Line(entry, number, SAID) for entry, number in enumerate(numbers)]
    crm.ends_as = "Failed"
    answers = written(crm, *lines)
    words = "InternalServerError : the job came to an end"
    assert answers == {0: Answer(0), **{entry: Answer(entry, refused=words, later=True) for entry in (1, 2)}}
    crm.ends_as = "JobComplete"
    assert written(crm, *lines) == {entry: Answer(entry) for entry in range(3)}
    crm.looks = 10_000
    monkeypatch.setattr(salesforce_writing, "PATIENCE", 0.05)
    with pytest.raises(UnreachableError, match="has not ended within"):
        written(crm, Line(4, numbers[0], {**SAID, "grade": "B"}))


def test_a_field_that_is_not_there_is_one_sentence_with_the_mend_and_nothing_is_written(crm):
    number = crm.create()
    del crm.fields["Leadsieve_Until__c"]
    crm.fields["Leadsieve_Score__c"] = "string"
    with pytest.raises(
        UsageError, match=r"field Leadsieve_Score__c \(double\), Leadsieve_Until__c \(date\) that"
    ):
        written(crm, Line(1, number, SAID))
    assert not crm.jobs


def test_a_look_says_something_else_once_something_changed_or_is_gone(year):
    looks = [look_at_crm(year.url)]
    number, other = list(year.leads)[:2]
    deal = next(iter(year.rows["Opportunity"]))
    for change in (
        lambda: year.write(number, {"Industry": "Energy"}),
        lambda: year.stage(deal, "Prospecting"),
        lambda: year.invite(other),
        lambda: year.delete(number),
    ):
        assert look_at_crm(year.url) == looks[-1]
        year.now += timedelta(hours=1)
        change()
        looks.append(look_at_crm(year.url))
    assert len(set(looks)) == 5


def test_an_organisation_without_a_lead_gives_tables_without_a_row(crm):
    assert rows_of(crm) == {"leads": [], "events": [], "outcomes": []}


def test_salesforces_address_is_its_own_domain_and_another_one_is_refused(monkeypatch):
    for name, value in KEYS.items():
        monkeypatch.setenv(name, value)
    with closing(open_crm("salesforce:https://acme.my.salesforce.com")) as door:
        assert door.name == "salesforce:https://acme.my.salesforce.com"
    for address in ("salesforce:", "salesforce:https://acme.my.salesforce.com/lightning"):
        with pytest.raises(UsageError, match=r"say it like salesforce:https://DOMAIN\.my\.salesforce\.com"):
            open_crm(address)
    monkeypatch.delenv("SALESFORCE_CLIENT_SECRET")
    with pytest.raises(UsageError, match="SALESFORCE_CLIENT_SECRET is not set"):
        open_crm("salesforce:https://acme.my.salesforce.com")


@pytest.mark.slow
def test_leads_are_pulled_learned_from_decided_written_back_and_read_back(year, tmp_path):
    home, config = tmp_path / "home", tmp_path / "crm.toml"
    config.write_text(f'[source]\nurl = "{year.url}"\n{QUICK}')

    def run(*words: str) -> Said:
        said = leadsieve(*words, "--config", config, "--json", home=home, **KEYS)
        assert said.code == 0, said.err
        return said

    assert run("check").json["tables"]["leads"]["rows"] == 300
    assert run("train").json["verdict"] in ("ready", "weak")
    run("promote", "--why", "it is the first")
    scored = run("score").json["scored"]
    assert scored > 3
    refused = decided(home)[0][0]
    year.refused = {refused: "FIELD_CUSTOM_VALIDATION_EXCEPTION:the record is locked:--"}
    first = run("writeback").json
    assert (first["targets"][0]["sent"], first["targets"][0]["dead"]) == (scored - 1, 1)
    assert [(each["lead_id"], each["said"]) for each in first["dead"]] == [(refused, year.refused[refused])]
    year.refused = {}
    assert run("writeback", "--again").json["targets"][0]["sent"] == 1
    for number, score, grade, reasons in decided(home):
        there = year.leads[number]
        assert there["Leadsieve_Score__c"] == pytest.approx(score, abs=1e-4)
        assert there["Leadsieve_Grade__c"] == grade
        assert (there["Leadsieve_Reasons__c"] or "") == "\n".join(reasons[:6])
    ours = {number for number, *_ in decided(home)}
    assert {number for number, lead in year.leads.items() if lead["Leadsieve_State__c"]} == ours
    assert run("writeback").json["targets"][0]["queued"] == 0

    year.now = END + timedelta(hours=1)
    new = year.create({"LeadSource": "Referral", "NumberOfEmployees": 400, "Company": "New"})
    assert run("score").json["scored"] == 1
    assert run("writeback").json["targets"][0]["sent"] == 1
    assert year.leads[new]["Leadsieve_Grade__c"]
    assert "Leadsieve" not in json.dumps(rows_of(year), default=datetime.isoformat)
