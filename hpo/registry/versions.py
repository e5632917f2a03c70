"""The versions of a registered model: which is champion, what is known of each, and its files, verified."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from urllib.parse import unquote, urlparse

from hpo.errors import HpoError, UsageError
from hpo.redaction import redact
from hpo.registry.model_files import verified
from hpo.tracking.mlflow import quiet, tracking_uri
from hpo.tracking.mlflow_model import MANIFEST_DIGEST

CHAMPION = "champion"  # the alias that names the version in use
MODEL, PREVIOUS, RECORD = "hpo.model", "hpo.previous", "hpo.record"  # tags of a version
ROLLED_BACK = "hpo.rolled_back"  # tag of one that was champion until it was taken back


LOGGED_MODEL = "models:/m-"  # begins the address of a model that has no version yet


@dataclass(frozen=True, kw_only=True)
class Version:
    model: str
    number: str
    tags: dict[str, str]

    @property
    def previous(self) -> str | None:
        """The champion before this one."""
        return self.tags.get(PREVIOUS) or None

    @property
    def in_words(self) -> str:
        return f"version {self.number} of {self.model}"


@contextmanager
def mlflow_errors(then: str = "nothing is promoted") -> Iterator[None]:
    from mlflow.exceptions import MlflowException

    try:
        yield
    except MlflowException as error:
        said = redact(" ".join(str(error).split()))[:200]
        raise HpoError(f"MLflow at {redact(tracking_uri())} refused: {said}; is its server up? {then}") from None


def client() -> Any:
    quiet()
    import mlflow

    mlflow.set_tracking_uri(tracking_uri())
    return mlflow.MlflowClient()


def champion(model: str) -> Version | None:
    from mlflow.exceptions import MlflowException

    try:
        return _version(client().get_model_version_by_alias(model, CHAMPION))
    except MlflowException as error:
        if error.error_code in ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"):
            return None
        raise


def required_champion(model: str) -> Version:
    from mlflow.exceptions import MlflowException

    try:
        found = champion(model)
    except MlflowException as error:
        raise UsageError(f"{model!r}: MLflow at {redact(tracking_uri())} does not answer: {str(error)[:120]}") from None
    if found is None:
        raise UsageError(
            f"{model!r} has no champion in {redact(tracking_uri())}; `hpo promote STUDY` makes one of a study's winner"
        )
    return found


def version(model: str, number: str) -> Version:
    return _version(client().get_model_version(model, number))


def history(of: Version | None) -> Iterator[Version]:
    """A champion and those before it, the latest first."""
    while of is not None:
        yield of
        of = version(of.model, of.previous) if of.previous else None


def register(model: str, uri: str, name: str, used: set[str]) -> Version:
    """A version of its own for each promotion; one that was registered but never came to be champion is taken up."""
    import mlflow

    for found in client().search_model_versions(f"name = '{model}'"):
        was_champion = str(found.version) in used or ROLLED_BACK in found.tags
        if found.tags.get(MODEL) == name and not was_champion:
            return _version(found)
    return _version(mlflow.register_model(uri, model, tags={MODEL: name}))


def tag(of: Version, tags: dict[str, str]) -> None:
    for key, value in tags.items():
        client().set_model_version_tag(of.model, of.number, key, value)


def crown(of: Version) -> None:
    """One write: before it the old champion stands, after it this one."""
    client().set_registered_model_alias(of.model, CHAMPION, of.number)


@contextmanager
def files(of: Version) -> Iterator[Path]:
    """The folder of its files, each of which is what was promoted; UsageError where one is not."""
    with downloaded(client().get_model_version_download_uri(of.model, of.number)) as folder:
        yield verified(folder, of.in_words, of.tags.get(MANIFEST_DIGEST))


@contextmanager
def downloaded(uri: str) -> Iterator[Path]:
    """Files on this machine stay where they are."""
    import mlflow

    if uri.startswith(LOGGED_MODEL):
        uri = client().get_logged_model(uri.removeprefix("models:/")).artifact_location
    if uri.startswith("file:"):
        yield Path(unquote(urlparse(uri).path))
        return
    with TemporaryDirectory(prefix="hpo-model-") as folder:
        yield Path(mlflow.artifacts.download_artifacts(artifact_uri=uri, dst_path=folder))


def record(of: Version) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(of.tags[RECORD])
    return found


def _version(found: Any) -> Version:
    return Version(model=found.name, number=str(found.version), tags=dict(found.tags))
