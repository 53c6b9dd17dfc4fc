"""Any other system: each decision and each change of one is posted to an address, signed.

Headers and signature are those of the Standard Webhooks specification, so that receivers find libraries for them.
"""

import base64
import hashlib
import hmac
import json
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from time import monotonic
from urllib.parse import urlsplit

from pipelines.crm.connector import Answer, Line, secret
from pipelines.crm.http import answering, client, said

SECRET = "LEADSIEVE_WEBHOOK_SECRET"
EVENT = "decision.changed"


def opened(url: str, now: datetime) -> "Webhook":
    """The target of an address; its secret is in the environment."""
    return Webhook(url, secret(SECRET), now=now)


def signature(key: str, message_id: str, timestamp: str, body: bytes) -> str:
    """``v1,`` and the HMAC-SHA256 over id, timestamp and body, in Base64."""
    signed = f"{message_id}.{timestamp}.".encode() + body
    return "v1," + base64.b64encode(hmac.new(_bytes_of(key), signed, hashlib.sha256).digest()).decode()


def _bytes_of(key: str) -> bytes:
    """A secret as it is written, or the Base64 behind ``whsec_``."""
    return base64.b64decode(key.removeprefix("whsec_")) if key.startswith("whsec_") else key.encode()


class Webhook:
    """One address. Its id of a message never changes, so that a receiver knows what it has already.

    ``now`` is the time at which it is opened; from then on a watch runs, for receivers refuse what is signed long ago.
    """

    at_once = 1
    in_order = True

    def __init__(self, url: str, key: str, *, now: datetime) -> None:
        self.url, self.key = url, key
        self.name = f"webhook:{urlsplit(url).netloc.rpartition('@')[2]}"
        self._now, self._watch = now.replace(tzinfo=UTC).timestamp(), monotonic()
        self._http = client(again=True)

    def close(self) -> None:
        self._http.close()

    def write(self, lines: Sequence[Line]) -> Iterator[Answer]:
        for line in lines:
            with answering(self.name):
                yield self._post(line)

    def _post(self, line: Line) -> Answer:
        body = json.dumps({"type": EVENT, "data": line.said}, ensure_ascii=False, sort_keys=True).encode()
        # Not the number alone: another store of the same company begins at 1, too.
        message = f"msg_{line.entry}_{hashlib.sha256(body).hexdigest()[:16]}"
        moment = str(int(self._now + monotonic() - self._watch))
        headers = {
            "content-type": "application/json",
            "webhook-id": message,
            "webhook-timestamp": moment,
            "webhook-signature": signature(self.key, message, moment, body),
        }
        response = self._http.post(self.url, content=body, headers=headers)
        if response.is_success:
            return Answer(line.entry)
        later = response.status_code in (408, 425, 429) or response.status_code >= 500
        return Answer(line.entry, refused=f"{response.status_code}: {said(response)}", later=later)
