"""What Prefect and MLflow keep of a run: words to read, no password, and a model that anybody can load."""

import pandas as pd

from tests.commands import leadsieve


def test_the_champion_as_mlflow_loads_it_says_what_the_decision_log_says(world, home, monkeypatch):
    """From a table of raw feature columns, as a serving endpoint gets it."""
    import mlflow

    from pipelines.deciding import record
    from pipelines.home import store_of
    from pipelines.settings import load_settings

    seen = []

    def looking_on(scorer, policy, leads, **options):
        seen.append(leads[["lead_id", *(column.name for column in scorer.recipe.columns)]])
        return decide_all(scorer, policy, leads, **options)

    decide_all = record.decide_all
    monkeypatch.setattr(record, "decide_all", looking_on)
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
