"""The digest: what there is to talk about, two pictures and the way to all figures, to a notification block."""

import io
from collections.abc import Mapping
from typing import Any

from apprise.attachment.memory import AttachMemory
from prefect.blocks.abstract import NotificationError

from pipelines.flows.runs import notifying
from pipelines.reports.plots.alignment import pictures_of

PICTURES = 2
SHARP = 110  # dots an inch: a picture of 800 points' width


def send(found: Mapping[str, Any], subject: str, body: str, *, block: str) -> None:
    """Tell a block what the alignment found, with two pictures where it can take some.

    Parameters
    ----------
    found : dict
        As ``Alignment.to_json`` gives it.
    subject, body : str
        What ``digest`` of the reports says of it.
    block : str
        Type and name, such as ``slack-webhook/marketing``.

    Raises
    ------
    UsageError
        If there is no such block, or it is none that notifies.
    UnreachableError
        If what it tells did not get through.
    """
    with notifying(block, key="schedule.digest", what="the digest") as told:
        _tell(told, subject, body, found)


def pictures(found: Mapping[str, Any]) -> dict[str, bytes]:
    """Two pictures as PNG by their names."""
    written = {}
    for name, figure in pictures_of(found, most=PICTURES).items():
        file = io.BytesIO()
        figure.savefig(file, format="png", dpi=SHARP, facecolor="white")
        written[name] = file.getvalue()
    return written


def _tell(block: Any, subject: str, body: str, found: Mapping[str, Any]) -> None:
    """Prefect hands on words alone; Apprise, which most of its blocks speak through, takes pictures as well."""
    client = getattr(block, "_apprise_client", None)
    if client is None or not any(each.attachment_support for each in client):
        block.notify(body, subject)
        return
    attached = [
        AttachMemory(content=picture, name=f"{name}.png", mimetype="image/png")
        for name, picture in pictures(found).items()
    ]
    if not client.notify(body=body, title=subject, attach=attached, body_format="markdown"):
        raise NotificationError("")
