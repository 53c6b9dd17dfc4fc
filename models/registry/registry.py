"""The registry of versions: what was tried, what it was worth, and which version sales sees. The one module
that knows MLflow.

MLflow is imported inside functions: it takes seconds, and half of the program never needs it.
"""

import logging
import sys
import tempfile
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext, redirect_stdout
from datetime import datetime
from functools import cached_property
from importlib.metadata import version as installed
from pathlib import Path
from types import EllipsisType
from typing import TYPE_CHECKING, Any, Literal

import pandas as pd

from features.errors import UnreachableError
from models.registry.local_store import (
    ARTIFACTS,
    artifacts_of,
    champion_in,
    folder_in,
    lay_out,
    my_turn,
    reach,
    settle,
    shown,
    sqlite_file,
    versions_in,
)
from models.registry.pyfunc import points, stage, usual_row
from models.registry.versions import (
    CHALLENGER,
    CHAMPION,
    ChampionMovedError,
    Change,
    Version,
    listed,
    number_of,
    previous,
    written,
)
from models.scoring.scorer import Scorer, load_scorer

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from mlflow import MlflowClient
    from mlflow.models import ModelSignature

MODEL = "leadsieve"
DATA = "data/scorer"  # where a registered scorer's files are among the version's
REQUIREMENTS = ("mlflow", "lightgbm", "numpy", "pandas", "pydantic", "ibis-framework", "duckdb", "scipy")
OUTPUTS = {
    "p_pursue": "double",
    "p_convert": "double",
    "p_both": "double",
    "low": "double",
    "high": "double",
    "grade": "string",
}
OUT_OF_REACH = (
    "TEMPORARILY_UNAVAILABLE",
    "UNAUTHENTICATED",
    "PERMISSION_DENIED",
    "REQUEST_LIMIT_EXCEEDED",
    "DEADLINE_EXCEEDED",
)


class Registry:
    """Versions of the scorer in an MLflow store.

    Parameters
    ----------
    tracking_uri : str
        ``sqlite:///…/mlflow.db`` (made on first use, with artifacts in a folder beside it), another database,
        or a server's address.
    experiment : str
        Under which the runs are listed.
    turns : Path, optional
        A file that whoever moves an alias holds meanwhile, so that nobody else does; by default beside the
        SQLite file.
    """

    def __init__(self, tracking_uri: str, experiment: str = MODEL, turns: Path | None = None) -> None:
        self.tracking_uri = tracking_uri
        self.experiment = experiment
        self.turns = turns

    def register(
        self,
        folder: Path,
        *,
        params: Mapping[str, Any],
        metrics: Mapping[str, float | Sequence[float | None] | None],
        tags: Mapping[str, str],
        figures: Mapping[str, "Figure"],
        tables: Mapping[str, Any],
        input_example: pd.DataFrame | None = None,
    ) -> str:
        """Keep a saved scorer as the new challenger, with all that is to be known about it. Sales sees no
        change.

        Parameters
        ----------
        folder : Path
            A saved scorer, with whatever else is to be kept beside it; data only.
        params, tags : mapping
            Shown with the run; tags also with the version.
        metrics : mapping
            A number, or a sequence of numbers that becomes a curve (one per time block). None and NaN are
            left out.
        figures, tables : mapping
            Pictures (matplotlib) and JSON-able things by name: ``calibration`` becomes ``calibration.png``.
        input_example : DataFrame, optional
            A few rows of feature columns. Default: one row of each column's usual value.

        Returns
        -------
        str
            The version's number.

        Raises
        ------
        ContractError
            If the folder holds no scorer that can be loaded; nothing is registered.
        UnreachableError
            If the store does not answer.
        """
        scorer = load_scorer(folder)
        with self._answering() as client, tempfile.TemporaryDirectory() as scratch:
            import mlflow

            staged = stage(Path(scratch), folder, scorer=scorer, figures=figures, tables=tables)
            with mlflow.start_run(
                experiment_id=self._experiment_id, tags={**tags, "features": scorer.recipe.fingerprint}
            ) as run:
                mlflow.log_params(dict(params))
                measured = [
                    mlflow.entities.Metric(name, value, run.info.start_time, step)
                    for name, value, step in points(metrics)
                ]
                client.log_batch(run.info.run_id, metrics=measured)
                mlflow.log_artifacts(str(staged))
                model = mlflow.pyfunc.log_model(
                    name="scorer",
                    loader_module="models.registry.pyfunc",
                    data_path=str(Path(scratch) / "scorer"),
                    pip_requirements=[f"{name}=={installed(name)}" for name in REQUIREMENTS],
                    signature=signature(scorer),
                    input_example=usual_row(scorer) if input_example is None else input_example,
                )
            with self._alone():
                self._ensure_model(client)
                made = client.create_model_version(
                    MODEL,
                    source=f"models:/{model.model_id}",
                    run_id=run.info.run_id,
                    model_id=model.model_id,
                    tags=dict(tags),
                )
                client.update_run(run.info.run_id, name=f"version {made.version}")
                client.set_registered_model_alias(MODEL, CHALLENGER, made.version)
            return str(made.version)

    def promote(
        self,
        version: str,
        *,
        why: str = "",
        who: str = "",
        at: datetime | None = None,
        how: Literal["by rule", "forced", "rollback"] = "by rule",
        reasons: Sequence[str] = (),
        instead_of: str | EllipsisType | None = ...,
    ) -> str | None:
        """Make a version the champion, in one step: there is never none, and never two.

        Can be repeated: promoting the champion changes nothing. A rollback is the promotion of an older
        version.

        Parameters
        ----------
        instead_of : str or None, optional
            The champion that the decision was made about, None for none: if another one reigns by now,
            nothing is changed.

        Returns
        -------
        str or None
            The version it replaced, None where there was none or where it was the champion already.

        Raises
        ------
        ChampionMovedError
            If ``instead_of`` is not the champion any more.
        """
        number = self.resolve(version)
        with self._alone(), self._answering() as client:
            aliases = self._aliases(client)
            replaced = aliases.get(CHAMPION)
            if replaced != number:
                if instead_of is not ... and instead_of != replaced:
                    raise ChampionMovedError(number, instead_of, replaced)
                count = len(written({entry.number: entry.tags for entry in self.versions()}))
                change = Change(
                    count + 1, number, replaced, at.isoformat() if at else "", who, why, how, tuple(reasons)
                )
                for name, value in change.tags().items():
                    client.set_model_version_tag(MODEL, number, name, value)
                client.set_registered_model_alias(MODEL, CHAMPION, number)
            if aliases.get(CHALLENGER) == number:
                client.delete_registered_model_alias(MODEL, CHALLENGER)
        return None if replaced == number else replaced

    def attach(self, version: str, name: str, text: str) -> None:
        """Keep a text as a file with the figures and pictures of a version."""
        run = next(entry.run for entry in self.versions() if entry.number == version)
        with self._answering() as client:
            client.log_text(run, text, name)

    def note(self, version: str, tags: Mapping[str, str]) -> None:
        """Keep something about a version as tags."""
        with self._answering() as client:
            for name, value in tags.items():
                client.set_model_version_tag(MODEL, version, name, value)

    def champion(self) -> str | None:
        """The champion's number, None where there is none; who only looks makes no store."""
        if database := sqlite_file(self.tracking_uri):
            return champion_in(database, MODEL)
        with self._answering() as client:
            return self._aliases(client).get(CHAMPION)

    def previous(self) -> str | None:
        """The version that a rollback returns to."""
        return previous(
            written({version.number: version.tags for version in self.versions()}), self.champion()
        )

    def resolve(self, version: str) -> str:
        """The number of ``champion``, ``challenger`` or a number. Raises UsageError where there is no such
        version.
        """
        return number_of(version, self.versions())

    def download(self, version: str) -> Path:
        """A folder with the data that were registered as a version. To be read, not to be changed: it may be
        the store's own.
        """
        number = self.resolve(version)
        if (database := sqlite_file(self.tracking_uri)) and (
            there := folder_in(database, MODEL, number, self.experiment)
        ):
            return there / DATA
        with self._answering():
            import mlflow

            whole = mlflow.artifacts.download_artifacts(f"models:/{MODEL}/{number}")
            return Path(whole) / DATA

    def versions(self) -> tuple[Version, ...]:
        """All versions, the newest first."""
        if database := sqlite_file(self.tracking_uri):
            return versions_in(database, MODEL)
        with self._answering() as client:
            aliases = self._aliases(client)
            found = client.search_model_versions(f"name='{MODEL}'")
        return listed(
            ((int(each.version), each.run_id, each.creation_timestamp, each.tags) for each in found), aliases
        )

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """While nobody else on this machine makes anything that there is once, or moves an alias."""
        database = sqlite_file(self.tracking_uri)
        file = self.turns or (database and database.with_name("champion.lock"))
        with my_turn(file) if file else nullcontext():
            yield

    @contextmanager
    def _answering(self) -> Iterator["MlflowClient"]:
        """A client of a store that answers; MLflow's failures to reach it become ours, and its chatter stays
        away.
        """
        reach(self.tracking_uri)
        with warnings.catch_warnings():
            # MLflow warns about its own insides and its libraries' future: nothing that a user could act on.
            warnings.simplefilter("ignore")
            import mlflow
            from mlflow.exceptions import MlflowException
            from requests.exceptions import RequestException
            from sqlalchemy.exc import OperationalError

            logger = logging.getLogger("mlflow")  # which importing MLflow sets up
            level = logger.level
            logger.setLevel(logging.WARNING)
            mlflow.set_tracking_uri(
                self.tracking_uri
            )  # some of MLflow's functions know no other way; the registry's follows it
            try:
                with redirect_stdout(
                    sys.stderr
                ):  # where it prints addresses; our standard output is read by programs
                    yield self._client
            except (MlflowException, RequestException, OperationalError) as error:
                if (
                    isinstance(error, MlflowException)
                    and error.error_code not in OUT_OF_REACH
                    and "API request to" not in str(error)
                ):
                    raise
                # The cause's own words may hold an address with its password.
                raise UnreachableError(
                    f"the model registry at {shown(self.tracking_uri)} failed ({type(error).__name__})."
                ) from error
            finally:
                logger.setLevel(level)

    @cached_property
    def _client(self) -> "MlflowClient":
        from mlflow import MlflowClient
        from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

        if database := sqlite_file(self.tracking_uri):
            if not database.exists():
                with self._alone():
                    lay_out(database, lambda uri: SqlAlchemyStore(uri, ARTIFACTS).engine.dispose())
            settle(database, self.experiment)
        return MlflowClient(self.tracking_uri, registry_uri=self.tracking_uri)

    @cached_property
    def _experiment_id(self) -> str:
        database, client = sqlite_file(self.tracking_uri), self._client
        with self._alone():
            if found := client.get_experiment_by_name(self.experiment):
                return found.experiment_id
            return client.create_experiment(
                self.experiment, artifact_location=artifacts_of(database) if database else None
            )

    def _ensure_model(self, client: "MlflowClient") -> None:
        if not client.search_registered_models(f"name='{MODEL}'"):
            client.create_registered_model(
                MODEL, description="Chances of marketing leads to be taken up and to become customers."
            )

    def _aliases(self, client: "MlflowClient") -> dict[str, str]:
        found = client.search_registered_models(f"name='{MODEL}'")
        return (
            {alias: str(number) for alias, number in client.get_registered_model(MODEL).aliases.items()}
            if found
            else {}
        )


def signature(scorer: Scorer) -> "ModelSignature":
    """Which columns a scorer reads and gives.

    Each may be absent, for an empty value is information too. Inputs are of any type: MLflow would refuse
    whole numbers and pandas' categories where it was told of doubles and strings; what is a number is said in
    ``features.json`` and checked by the scorer.
    """
    from mlflow.models import ModelSignature
    from mlflow.types import ColSpec, Schema
    from mlflow.types.schema import AnyType

    inputs = [ColSpec(AnyType(), column.name, required=False) for column in scorer.recipe.columns]
    return ModelSignature(
        inputs=Schema(inputs), outputs=Schema([ColSpec(kind, name) for name, kind in OUTPUTS.items()])
    )
