"""Where versions and decisions are kept: in the home folder unless the configuration names a server."""

from pathlib import Path

from models.registry.registry import Registry
from pipelines.settings import Settings
from pipelines.store.database import Store


def registry_of(settings: Settings, home: Path) -> Registry:
    """The registry of versions: [registry] url, else a SQLite file in the home folder."""
    return Registry(registry_url(settings, home), home=home)


def registry_url(settings: Settings, home: Path) -> str:
    """Where MLflow keeps versions, for whoever asks MLflow itself."""
    return settings.registry.url or f"sqlite:///{home / 'mlflow.db'}"


def store_of(settings: Settings, home: Path, *, patience: float | None = None) -> Store:
    """The decision log: [store] url, else a SQLite file in the home folder."""
    return Store(settings.store.url or f"sqlite:///{home / 'store.db'}", patience=patience)
