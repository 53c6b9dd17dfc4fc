"""Decisions as fields of Salesforce's leads, written by one job of Bulk API 2.0."""

import csv
import io
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import httpx

from features.errors import UnreachableError
from pipelines.crm.connector import Answer, Line, Row
from pipelines.crm.wording import REASONS

# our fields, and of which types Salesforce may hold them
OURS = {
    "Leadsieve_Grade__c": ("string", "picklist"),
    "Leadsieve_Score__c": ("double",),
    "Leadsieve_State__c": ("string", "picklist"),
    "Leadsieve_Reasons__c": ("textarea",),
    "Leadsieve_Until__c": ("date",),
}
EMPTY = "#N/A"  # clears a field; an empty cell leaves it as it was
PAUSE, LONGEST_PAUSE, PATIENCE = 1.0, 15.0, 900.0  # seconds between looks at a job, and until it is given up
ENDED = ("JobComplete", "Failed", "Aborted")
PASSING = ("UNABLE_TO_LOCK_ROW", "SERVER_UNAVAILABLE", "REQUEST_LIMIT_EXCEEDED", "QUERY_TIMEOUT")


def values_of(said: Mapping[str, Any]) -> dict[str, str]:
    """A decision as values of our fields; an empty one clears what was there."""
    score = said.get("score")
    return {
        "Leadsieve_Grade__c": said.get("grade") or "",
        "Leadsieve_Score__c": "" if score is None else str(round(score, 4)),
        "Leadsieve_State__c": said["state"],
        "Leadsieve_Reasons__c": "\n".join((said.get("reasons") or [])[:REASONS]),
        "Leadsieve_Until__c": (said.get("until") or "")[:10],
    }


def differing(record: Mapping[str, Any], wanted: Mapping[str, str]) -> bool:
    """Whether a record holds anything else than is wanted."""
    return any(_as_written(record.get(name)) != text for name, text in wanted.items())


def _as_written(value: Any) -> str:
    if isinstance(value, int | float):
        return str(round(float(value), 4))
    return (value or "").replace("\r\n", "\n")


def update(
    http: httpx.Client,
    waiting: Mapping[str, tuple[Line, Mapping[str, str]]],
    checked: Callable[[httpx.Response], Any],
) -> Iterator[Answer]:
    """Write the values of some leads, by their ids, and give what became of each.

    Raises
    ------
    UnreachableError
        Where the job does not end in time. What it still writes is found by the next run, which reads first.
    """
    asked = {"object": "Lead", "operation": "update", "contentType": "CSV", "lineEnding": "LF"}
    job = checked(http.post("jobs/ingest", json=asked))["id"]
    place = f"jobs/ingest/{job}"
    table = _table({lead_id: values for lead_id, (_, values) in waiting.items()})
    checked(
        http.put(
            f"{place}/batches",
            content=table.encode(),
            headers={"content-type": "text/csv; charset=UTF-8"},
        )
    )
    checked(http.patch(place, json={"state": "UploadComplete"}))
    told = _ended(lambda: checked(http.get(place)), job)
    done = {row["sf__Id"] for row in _rows(http, f"{place}/successfulResults", checked)}
    refused = {
        (row.get("Id") or row["sf__Id"]): row["sf__Error"]
        for row in _rows(http, f"{place}/failedResults", checked)
    }
    for lead_id, (line, _) in waiting.items():
        if lead_id in done:
            yield Answer(line.entry)
            continue
        why = refused.get(lead_id)
        left = why is None  # what a job has not come to can be tried again
        why = why or told.get("errorMessage") or "the job ended before it came to this lead"
        yield Answer(line.entry, refused=" ".join(why.split())[:300], later=left or why.startswith(PASSING))


def _table(values: Mapping[str, Mapping[str, str]]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["Id", *OURS])
    for lead_id, row in values.items():
        writer.writerow([lead_id, *(row[name] or EMPTY for name in OURS)])
    return text.getvalue()


def _ended(look: Callable[[], Row], job: str) -> Row:
    """A job once it has ended."""
    begun, pause = time.monotonic(), PAUSE
    while (told := look())["state"] not in ENDED:
        if time.monotonic() - begun > PATIENCE:
            raise UnreachableError(
                f"Salesforce's job {job} has not ended within {PATIENCE / 60:.0f} minutes. What was not confirmed stays in the outbox."
            )
        time.sleep(pause)
        pause = min(2 * pause, LONGEST_PAUSE)
    return told


def _rows(http: httpx.Client, place: str, checked: Callable[[httpx.Response], Any]) -> list[dict[str, str]]:
    response = http.get(place, headers={"accept": "text/csv"})
    if not response.is_success:
        checked(response)
    return list(csv.DictReader(io.StringIO(response.text, newline="")))
