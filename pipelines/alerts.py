"""Who hears of a run that failed or of a model to be retrained: an automation of Prefect that tells one of its notification blocks."""

from prefect.client.orchestration import SyncPrefectClient
from prefect.events.actions import SendNotification
from prefect.events.schemas.automations import AutomationCore, EventTrigger, Posture
from prefect.exceptions import ObjectNotFound

from features.errors import UsageError

STATES = ("Failed", "Crashed", "TimedOut", "Retrain")
SUBJECT = "{{ deployment.name }}: {{ flow.name }} {{ flow_run.state.name }}"
BODY = "{{ flow_run.state.message }}"


def keep_alert(client: SyncPrefectClient, *, name: str, block: str | None) -> None:
    """Make the automation what the configuration says: there and telling this block, or not there.

    Raises
    ------
    UsageError
        If there is no such block; the automation stays as it was.
    """
    called = f"{name}: a run failed, or a model is to be retrained"
    told = None if block is None else alert(client, called, name=name, block=block)
    for old in client.read_automations_by_name(called):
        client.delete_automation(old.id)
    if told is not None:
        client.create_automation(told)


def alert(client: SyncPrefectClient, called: str, *, name: str, block: str) -> AutomationCore:
    """An automation that tells a block of every run with our tag that ends in one of the states."""
    kind, _, document = block.partition("/")
    try:
        found = client.read_block_document_by_name(document, kind)
    except ObjectNotFound:
        raise UsageError(f"schedule.alert: Prefect has no block '{block}'; nothing is served. Make it on Prefect's page Blocks.") from None
    trigger = EventTrigger(
        expect={f"prefect.flow-run.{state}" for state in STATES},
        match={"prefect.resource.id": "prefect.flow-run.*"},
        match_related={"prefect.resource.role": "tag", "prefect.resource.id": f"prefect.tag.{name}"},
        posture=Posture.Reactive,
        threshold=1,
    )
    return AutomationCore(name=called, trigger=trigger, actions=[SendNotification(block_document_id=found.id, subject=SUBJECT, body=BODY)])
