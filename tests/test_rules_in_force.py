"""The rules of the configuration are in force wherever leads are scored."""

from datetime import datetime

from pipelines.flows.score import score_leads
from pipelines.flows.score_file import score_apart
from pipelines.settings import load_settings
from tests.apis import as_sent, running_api


def test_a_run_the_api_and_a_file_go_by_the_same_rules(home, world, tmp_path):
    config = tmp_path / "crm.toml"
    config.write_text(
        (world / "quick.toml").read_text()
        + """
[[policy.rules]]
column = "channel"
values = ["event"]
handed_off = "never"
reason = "we met them"
[[policy.rules]]
column = "channel"
values = ["referral", "organic", "paid_search"]
at_most = "C"
reason = "too many"
"""
    )
    at = datetime(2024, 11, 15, 12, 30)
    settings = load_settings(config, environ={})
    with running_api(home, config, now=at) as api:
        leads = [lead for lead in as_sent(home) if lead["created_at"] < at.isoformat()][-300:]
        answer = api.ask("POST", "/scores", json={"leads": leads})
        assert answer.status_code == 200, answer.text
        told = {each["lead_id"]: each for each in answer.json()["scores"]}
        champion = api.champions.live.champion
        filed = score_apart(settings, home, champion, file=None, now=at, tell=print).scores
    run = score_leads(settings, home, at, everything=True, reasons=0).decisions
    ruled = run[run["cut_by"].fillna("").str.startswith("rule: ")]
    assert len(ruled[ruled["lead_id"].isin(told)]) > 5
    assert (ruled["action"] == "hold").all()
    for row in run[run["lead_id"].isin(told)].itertuples():
        each = told[row.lead_id]
        assert each["grade"] == row.grade
        assert (each["rule"] == "we met them") == (row.lead_id in set(ruled["lead_id"]))
        assert each["action"] == "hold" or each["rule"] is None
    both = filed.merge(run, on="lead_id", suffixes=("_file", ""))
    assert len(both) > 20
    assert both["grade_file"].tolist() == both["grade"].tolist()
    assert both["rule"].notna().tolist() == both["lead_id"].isin(ruled["lead_id"]).tolist()
    assert "we met them" in set(both["rule"])
