"""The monthly digest: what there is to talk about reaches a real service on loopback, with pictures where it takes them."""

import base64
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
from prefect.blocks.notifications import AppriseNotificationBlock, CustomWebhookNotificationBlock
from pydantic import SecretStr

from features.errors import UnreachableError, UsageError
from pipelines.flows.alignment.digest import pictures, send
from pipelines.flows.deployments import alignment
from tests.commands import leadsieve, written

AS_OF = "2025-01-01"


class JsonWebhook(AppriseNotificationBlock):
    """A service that takes pictures beside words."""

    _block_type_name = "Json Webhook"
    _block_type_slug = "json-webhook"


@pytest.fixture
def service() -> Iterator[tuple[int, list[dict]]]:
    heard: list[dict] = []

    class Listener(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            heard.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Listener) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_port, heard
        server.shutdown()


@pytest.fixture(scope="module")
def found(world):
    return leadsieve(
        "alignment", "--config", world / "quick.toml", "--as-of", AS_OF, "--json", home=world / "home"
    ).json


def test_a_service_that_takes_pictures_gets_two_and_the_way_to_each_figure(found, service, prefect_server):
    port, heard = service
    JsonWebhook(url=SecretStr(f"json://127.0.0.1:{port}/")).save("both", overwrite=True)
    send(found, block="json-webhook/both", desk="https://leads.example.com/")
    (told,) = heard
    assert told["title"] == "What became of the leads: 1 to talk about"
    assert "[See the figure](https://leads.example.com/alignment#feedback)" in told["message"]
    assert "[All figures](https://leads.example.com/alignment)" in told["message"]
    assert [each["filename"] for each in told["attachments"]] == ["funnel.png", "quarter.png"]
    for each, picture in zip(told["attachments"], pictures(found).values(), strict=True):
        assert base64.b64decode(each["base64"]) == picture
        assert picture.startswith(b"\x89PNG")


def test_the_scheduled_flow_sends_its_sentences_to_the_block_that_is_named(
    world, service, prefect_server, tmp_path
):
    port, heard = service
    CustomWebhookNotificationBlock(
        name="digest", url=f"http://127.0.0.1:{port}/", json_data={"said": "{{subject}} | {{body}}"}
    ).save("digest", overwrite=True)
    more = '[schedule]\ndigest = "custom-webhook/digest"\n'
    folder = written(tmp_path, {"crm.toml": (world / "quick.toml").read_text() + more})
    state = alignment(folder / "crm.toml", world / "home", as_of=AS_OF, return_state=True)
    assert state.name == "Completed", state.message
    assert heard[0]["said"].startswith("What became of the leads: 1 to talk about | ")
    assert "Fewer than half of the leads are answered within the 24 hours agreed on" in heard[0]["said"]
    assert state.message in heard[0]["said"]


def test_a_block_that_is_not_there_or_does_not_answer_is_a_sentence(found, prefect_server):
    with pytest.raises(UsageError, match="no notification block 'slack-webhook/nobody'"):
        send(found, block="slack-webhook/nobody", desk=None)
    CustomWebhookNotificationBlock(name="gone", url="http://127.0.0.1:9/", json_data={}).save(
        "gone", overwrite=True
    )
    with pytest.raises(UnreachableError, match="block 'custom-webhook/gone' did not take the digest"):
        send(found, block="custom-webhook/gone", desk=None)
