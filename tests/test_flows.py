"""What Prefect and MLflow keep of a run: words to read, no password, and a model that anybody can load."""

import socket
from datetime import datetime

import pandas as pd
import pytest

from features.errors import ContractError, UnreachableError
from pipelines.reports.formats import estimate
from pipelines.reports.render import terminal
from tests.commands import FLAT, QUICK, flat_leads, leadsieve, written

pytestmark = pytest.mark.usefixtures("prefect_server")


def latest_artifact(key: str) -> str:
    """The Markdown of the newest artifact of a key, read back from the server."""
    from prefect.client.orchestration import get_client

    with get_client(sync_client=True) as client:
        return client.request("GET", "/artifacts/{key}/latest", path_params={"key": key}).json()["data"]


def test_a_run_leaves_on_prefects_pages_what_the_terminal_says(tmp_path):
    folder = written(
        tmp_path / "crm", {"leads.csv": channels(flat_leads(rows=600, signal=0.9)), "c.toml": FLAT + QUICK}
    )
    said = leadsieve("train", "--config", folder / "c.toml", home=tmp_path / "h")
    kept = latest_artifact("train")
    assert terminal(kept) == said.out.removesuffix("\n")
    trained = leadsieve("report", "--json", home=tmp_path / "h").json
    assert f"| AUC | {estimate(trained['models']['convert']['auc'])} |" in kept
    assert "| logistic regression | 0." in kept

    leadsieve("promote", home=tmp_path / "h")
    assert latest_artifact("promote").startswith("**version 1 is the champion: ")
    told = leadsieve("score", "--config", folder / "c.toml", "--all", "--json", home=tmp_path / "h").json
    kept = latest_artifact("score")
    assert kept.startswith("**version 1 scored 600 leads ")
    assert told["by_channel"].keys() == {"web", "fair"}
    for channel, counts in told["by_channel"].items():
        assert f"| {channel} | {counts['handed_off']} | {counts['held']} |" in kept


def channels(leads: str) -> str:
    header, *rows = leads.splitlines()
    return "\n".join(
        [f"{header},channel", *(f"{row},{'web' if at % 3 else 'fair'}" for at, row in enumerate(rows))]
    )


def test_the_parameters_that_prefect_keeps_hold_no_password(tmp_path, monkeypatch):
    from prefect.client.orchestration import get_client
    from prefect.client.schemas.sorting import FlowRunSort

    from pipelines.flows import dataset

    monkeypatch.setattr(dataset.pull_source, "retry_delay_seconds", 0)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        url = f"postgresql://ann:hidden-word@127.0.0.1:{probe.getsockname()[1]}/crm"
    folder = written(
        tmp_path,
        {"c.toml": f'[source]\nurl = "{url}"\n[registry]\nurl = "http://ann:hidden-word@localhost/"'},
    )
    assert leadsieve("train", "--config", folder / "c.toml", home=tmp_path / "h").code == 5
    with get_client(sync_client=True) as client:
        run = client.read_flow_runs(sort=FlowRunSort.START_TIME_DESC, limit=1, offset=0)[0]
    assert run.parameters["settings"]["source"]["url"].startswith("postgresql://ann:***@127.0.0.1")
    assert "hidden-word" not in run.model_dump_json()
    assert run.state.type.value == "FAILED"


@pytest.mark.parametrize(("error", "tries"), [(UnreachableError, 3), (ContractError, 1), (ValueError, 1)])
def test_only_a_server_out_of_reach_is_asked_again(tmp_path, monkeypatch, error, tries):
    from prefect import flow

    from pipelines.flows import dataset
    from pipelines.settings import load_settings

    asked = []

    def refuse(*args, **kwargs):
        asked.append(args)
        raise error("no")

    monkeypatch.setattr(dataset, "pull", refuse)
    monkeypatch.setattr(dataset.pull_source, "retry_delay_seconds", 0)

    @flow
    def pulling() -> None:
        dataset.pull_source(
            load_settings(None, {"source": {"url": "files:x"}}), home=tmp_path, until=datetime(2026, 1, 1)
        )

    with pytest.raises(error, match="no"):
        pulling()
    assert len(asked) == tries


def test_the_champion_as_mlflow_loads_it_says_what_the_decision_log_says(world, home, monkeypatch):
    """From a table of raw feature columns, as a serving endpoint gets it."""
    import mlflow

    from pipelines.flows import score
    from pipelines.home import store_of
    from pipelines.settings import load_settings

    seen = []

    def looking_on(scorer, policy, leads, **options):
        seen.append(leads[["lead_id", *(column.name for column in scorer.recipe.columns)]])
        return decide_all(scorer, policy, leads, **options)

    decide_all = score.decide_all
    monkeypatch.setattr(score, "decide_all", looking_on)
    assert leadsieve("score", "--config", world / "quick.toml", home=home).code == 0
    logged = store_of(load_settings(None), home).decisions().set_index("lead_id")
    leads = seen[0]
    assert len(leads) == len(logged) > 50

    before = mlflow.get_tracking_uri()
    mlflow.set_tracking_uri(f"sqlite:///{home / 'mlflow.db'}")
    try:
        served = mlflow.pyfunc.load_model("models:/leadsieve@champion").predict(leads.drop(columns="lead_id"))
    finally:
        mlflow.set_tracking_uri(before)
    served = served.set_index(leads["lead_id"].to_numpy()).loc[logged.index]
    for column in ("p_pursue", "p_convert", "p_both"):
        pd.testing.assert_series_equal(served[column], logged[column], check_names=False, rtol=1e-12)
    assert list(served["grade"]) == list(logged["grade"])
