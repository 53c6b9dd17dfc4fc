"""The registry of versions: what was tried, what it was worth, and which version sales sees.

MLflow is spoken to by its client, and imported inside functions: it takes seconds, and what scores needs it not.
"""

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from functools import cached_property
from pathlib import Path
from types import EllipsisType
from typing import TYPE_CHECKING, Any, Literal

import pandas as pd

from features.errors import ContractError
from models.registry.place import (
    ARTIFACTS,
    CHANGING,
    answering,
    artifacts_of,
    lay_out,
    my_turn,
    path_of,
    sqlite_file,
)
from models.registry.published import Publication, Published
from models.registry.pyfunc import points, requirements, signature, stage, usual_row
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
from models.scoring.scorer import load_scorer

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from mlflow import MlflowClient

MODEL = "leadsieve"
DATA = "data/scorer"  # where a registered scorer's files are among the version's


class Registry:
    """Versions of the scorer in an MLflow store.

    Parameters
    ----------
    tracking_uri : str
        ``sqlite:///…/mlflow.db`` (made on first use, with artifacts in a folder beside it), another database,
        or a server's address.
    experiment : str
        Under which the runs are listed.
    home : Path, optional
        Where the champion is published, and where whoever changes it holds a file meanwhile, so that nobody
        else does; by default the SQLite file's folder.
    """

    def __init__(self, tracking_uri: str, experiment: str = MODEL, home: Path | None = None) -> None:
        self.tracking_uri = tracking_uri
        self.experiment = experiment
        self.database = sqlite_file(tracking_uri)
        self.home = home or (self.database.parent if self.database else Path())
        self.publication = Publication(self.home)
        # What is published rules in a home; where homes share a registry, its alias does.
        self.shared = self.database is None or self.database.parent != self.home.absolute()

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
            A saved scorer, with whatever else is to be kept beside it; data only. What is laid out for MLflow
            stands beside it meanwhile.
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
        with self._answering() as client, tempfile.TemporaryDirectory(dir=folder.parent) as scratch:
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
                    pip_requirements=requirements(),
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
        """Make a version the champion and publish its files, in one step: there is never none, and never two.

        Can be repeated: promoting the champion changes nothing but for files of it that are damaged, which
        are published anew. A rollback is the promotion of an older version.

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
            self._follow(client)
            aliases = self._aliases(client)
            replaced = aliases.get(CHAMPION)
            if replaced != number:
                if instead_of is not ... and instead_of != replaced:
                    raise ChampionMovedError(number, instead_of, replaced)
                count = len(written({entry.number: entry.tags for entry in self._versions(client)}))
                change = Change(
                    count + 1, number, replaced, at.isoformat() if at else "", who, why, how, tuple(reasons)
                )
                for name, value in change.tags().items():
                    client.set_model_version_tag(MODEL, number, name, value)
            self._publish(client, number)
            if replaced != number:
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
        return next((version.number for version in self.versions() if CHAMPION in version.aliases), None)

    def in_force(self) -> Published | None:
        """The champion to score with, None where there is none: as it is published, without MLflow.

        Where homes share a registry, its alias is looked up, and published here if it has moved on.

        Raises
        ------
        ContractError
            Where what is published is damaged.
        UnreachableError
            If a shared registry does not answer.
        """
        published = self.publication.read()
        if not self.shared or (self.database and not self.database.exists()):
            return published
        with self._answering() as client:
            number = self._aliases(client).get(CHAMPION)
            if number is None or (published and published.version == number):
                return published if number else None
            with self._alone():
                number = self._aliases(client)[CHAMPION]
                return self._publish(client, number)

    def previous(self) -> str | None:
        """The version that a rollback returns to."""
        versions = self.versions()
        reigning = next((version.number for version in versions if CHAMPION in version.aliases), None)
        return previous(written({version.number: version.tags for version in versions}), reigning)

    def resolve(self, version: str) -> str:
        """The number of ``champion``, ``challenger`` or a number. Raises UsageError where there is no such
        version.
        """
        return number_of(version, self.versions())

    def download(self, version: str) -> Path:
        """A folder with the data that were registered as a version. To be read, not to be changed: it may be
        the store's own.

        Raises
        ------
        ContractError
            Where the registry's own folder has them no more.
        """
        number = self.resolve(version)
        with self._answering() as client:
            return self._files(client, number)

    def versions(self) -> tuple[Version, ...]:
        """All versions, the newest first; who only looks makes no store."""
        if self.database and not self.database.exists():
            return ()
        with self._answering() as client:
            if self._astray(client):
                with self._alone():
                    self._follow(client)
            return self._versions(client)

    def _versions(self, client: "MlflowClient") -> tuple[Version, ...]:
        found = client.search_model_versions(f"name='{MODEL}'")
        return listed(
            ((int(each.version), each.run_id, each.creation_timestamp, each.tags) for each in found),
            self._aliases(client),
        )

    def _files(self, client: "MlflowClient", number: str) -> Path:
        """The folder of a version's data: beside the file, wherever both have been moved or copied to since."""
        if not self.database:
            import mlflow

            return Path(mlflow.artifacts.download_artifacts(f"models:/{MODEL}/{number}")) / DATA
        run = client.get_run(client.get_model_version(MODEL, number).run_id)
        kept = path_of(
            client.get_model_version_download_uri(MODEL, number),
            within=client.get_experiment(run.info.experiment_id).artifact_location,
            moved_to=self.database.parent / ARTIFACTS,
        )
        if kept is None or not (kept / DATA).is_dir():
            raise ContractError(
                f"the files of version {number} are not in '{self.database.parent / ARTIFACTS}'; nothing was done. "
                "Put that folder back from a backup, or train again."
            )
        return kept / DATA

    def _publish(self, client: "MlflowClient", number: str) -> Published:
        """Publish a version unless it is, all of it, already; to be called by one process at a time."""
        there = self.publication.intact()
        if there and there.version == number:
            return there
        since = client.get_model_version(MODEL, number).tags.get("promoted_at", "")
        return self.publication.publish(number, self._files(client, number), since)

    def _astray(self, client: "MlflowClient") -> str | None:
        """The version that is published in the home while the alias names another one: of a run that was
        killed in between.
        """
        published = None if self.shared else self.publication.intact()
        if published is None or self._aliases(client).get(CHAMPION) == published.version:
            return None
        known = {str(each.version) for each in client.search_model_versions(f"name='{MODEL}'")}
        return published.version if published.version in known else None

    def _follow(self, client: "MlflowClient") -> None:
        """Have the alias follow what is published; to be called by one process at a time."""
        if number := self._astray(client):
            client.set_registered_model_alias(MODEL, CHAMPION, number)

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """While nobody else in this home makes anything that there is once, or moves an alias."""
        with my_turn(self.home / CHANGING):
            yield

    @contextmanager
    def _answering(self) -> Iterator["MlflowClient"]:
        """A client of a store that answers."""
        with answering(self.tracking_uri):
            yield self._client

    @cached_property
    def _client(self) -> "MlflowClient":
        from mlflow import MlflowClient

        if self.database and not self.database.exists():
            with self._alone():
                lay_out(
                    self.database, lambda uri: MlflowClient(uri, registry_uri=uri).search_registered_models()
                )
        return MlflowClient(self.tracking_uri, registry_uri=self.tracking_uri)

    @cached_property
    def _experiment_id(self) -> str:
        client = self._client
        place = artifacts_of(self.database) if self.database else None
        with self._alone():
            if found := client.get_experiment_by_name(self.experiment):
                if place in (None, found.artifact_location):
                    return found.experiment_id
                # The home was moved or copied, and MLflow would go on writing to where it was.
                client.rename_experiment(
                    found.experiment_id, f"{self.experiment}, before a move ({found.experiment_id})"
                )
            return client.create_experiment(self.experiment, artifact_location=place)

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
