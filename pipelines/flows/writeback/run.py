"""The writeback flow: decisions, and what changed of them, go to the systems that others work in."""

from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from features.errors import UnreachableError, UsageError
from features.serialization import plain
from models.registry.place import my_turn
from pipelines.crm.connector import Answer, Target, is_crm, open_crm
from pipelines.flows.runs import flow, publish
from pipelines.home import store_of
from pipelines.reports import summaries
from pipelines.settings import Settings
from pipelines.store import outbox
from pipelines.store.database import Store

LOCK = "writeback.lock"


@dataclass(frozen=True)
class WritebackReport:
    """What was written where, and all that was not taken, by this run or before."""

    targets: tuple[dict[str, Any], ...]
    dead: tuple[dict[str, Any], ...]


@flow("write-back")
def write_back(
    settings: Settings, home: Path, at: datetime, *, again: bool = False, only_list: bool = False
) -> WritebackReport:
    """Write what is not written yet; run again, it writes nothing twice.

    ``again`` tries what was not taken before; ``only_list`` looks and sends nothing.

    Raises
    ------
    UsageError
        If there is nowhere to write to, or a target lacks what is written into.
    UnreachableError
        If a target does not answer.

    Both are raised once all others have been written to; what was not confirmed stays in the outbox.
    """
    store = store_of(settings, home)
    with ExitStack() as held:
        targets = targets_of(settings, at)
        for target in targets:
            held.callback(target.close)
        names = [target.name for target in targets]
        told, failures = [], []
        if not only_list:
            held.enter_context(my_turn(home / LOCK))
        if again and not only_list:
            outbox.again(store, names, at=at)
        for target in targets:
            queued, sent = 0, 0
            if not only_list:
                queued = outbox.put_in(store, target.name, in_order=target.in_order, at=at)
                sent = _deliver(store, target, at, failures)
            left = outbox.counts(store, target.name)
            told.append(
                {
                    "name": target.name,
                    "queued": queued,
                    "sent": sent,
                    "waiting": left.get(outbox.WAITING, 0),
                    "dead": left.get(outbox.DEAD, 0),
                }
            )
        report = WritebackReport(tuple(told), tuple(outbox.dead(store, names)))
    if failures:
        raise failures[0]
    publish("writeback", summaries.writeback(plain(report)))
    return report


def targets_of(settings: Settings, now: datetime) -> list[Target]:
    """Where the configuration wants decisions to go.

    Raises
    ------
    UsageError
        If nowhere.
    """
    found: list[Target] = []
    if settings.writeback.crm and settings.source is not None and is_crm(settings.source.url):
        found.append(open_crm(settings.source.url))
    if settings.writeback.webhook is not None:
        from pipelines.crm.webhook import opened

        found.append(opened(settings.writeback.webhook, now))
    if not found:
        raise UsageError(
            "there is nowhere to write decisions to: [source] url is no CRM (such as tryton:https://HOST/DATABASE), and "
            "[writeback] webhook is not set."
        )
    return found


def _deliver(store: Store, target: Target, at: datetime, failures: list[Exception]) -> int:
    """Send what waits, some lines at a time, noting each answer before the next lines go."""
    sent = 0
    while lines := outbox.waiting(store, target.name, at=at, limit=target.at_once):
        answers: list[Answer] = []
        try:
            for answer in target.write(lines):
                answers.append(answer)
        except (UnreachableError, UsageError) as error:
            failures.append(error)
        finally:
            outbox.settle(store, answers, at=at)
        sent += sum(answer.refused is None for answer in answers)
        if failures or len(answers) < len(lines):
            break
    return sent
