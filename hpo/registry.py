"""From a finished study to a registered model: promotion on the sealed test split, and asking the champion."""

import csv
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from hpo.errors import HpoError, UsageError
from hpo.history import Trial
from hpo.ledger import Ledger, study_lock
from hpo.paths import StudyPaths
from hpo.preparation import refuse_other_data
from hpo.results import Results, read
from hpo.spelling import did_you_mean
from hpo.study_file import refuse_lost_trainable
from hpo.tracking.log_file import chatter_to
from hpo.tracking.mlflow import MODEL_URI, STUDY_ID, TRIAL, quiet, tracking_uri
from hpo.trainable import module_of
from train_fn.checkpoint import CheckpointError, verify

CHAMPION = "champion"  # the alias that names the version in use
ROWS_AT_ONCE = 256


@dataclass(frozen=True)
class Promotion:
    """What `hpo promote` did."""

    model: str
    version: str
    trial: int
    metric: str
    validation: float
    test: dict[str, float]
    baseline: dict[str, float]  # the tuned linear model on the same sealed rows; empty where there is none
    rows: int


def promote(name: str) -> Promotion:
    """Score the winner on the sealed test split, register its model and make it the champion."""
    results = read(name)
    paths = StudyPaths.of(name)
    winner = _promotable(results)
    refuse_lost_trainable(results.study)
    refuse_other_data(results.study, results.history)  # or the sealed rows might be among those trained on
    with study_lock(paths), closing(Ledger(paths.ledger)) as ledger, chatter_to(paths.log):
        with _mlflow_errors():
            client, model_uri = _logged_model(results, winner)
        test = _sealed_test(results, winner, ledger)
        best = winner.best(results.objective)
        assert best is not None and results.study.registry is not None
        with _mlflow_errors():
            version = _version(client, results, model_uri)
        promotion = Promotion(
            model=results.study.registry.model,
            version=version,
            trial=winner.number,
            metric=results.objective.metric,
            validation=best.metrics[results.objective.metric],
            test=test.get("metrics", {}),
            baseline=test.get("baseline", {}),
            rows=len(test.get("targets", ())),
        )
        with _mlflow_errors():
            for key, value in _tags(promotion, results).items():
                client.set_model_version_tag(promotion.model, promotion.version, key, value)
            client.set_registered_model_alias(promotion.model, CHAMPION, promotion.version)
        ledger.append("promoted", winner.number, promotion=asdict(promotion))
    return promotion


def predict(model: str, file: Path, out: Path, text: str | None, advance: Callable[[int], None]) -> int:
    """Write text, label and score for each row of a file; how many rows there were."""
    if not out.parent.is_dir():
        raise UsageError(f"{out} cannot be written: there is no folder {out.parent}; make it, or choose another --out")
    table = _table(file)  # before the model, which takes seconds to load
    loaded, text_column = _champion(model)
    texts = _texts(file, table, text or text_column)
    temporary = out.with_name(out.name + ".tmp")
    with temporary.open("w", encoding="utf-8", newline="") as target:
        writer = csv.writer(target)
        writer.writerow(("text", "label", "score"))
        for start in range(0, len(texts), ROWS_AT_ONCE):
            rows = texts[start : start + ROWS_AT_ONCE]
            answers = loaded.predict(rows)
            writer.writerows(zip(rows, answers["label"], answers["score"].round(6), strict=True))
            advance(len(rows))
    temporary.replace(out)
    return len(texts)


@contextmanager
def _mlflow_errors() -> Iterator[None]:
    from mlflow.exceptions import MlflowException

    try:
        yield
    except MlflowException as error:
        said = " ".join(str(error).split())[:200]
        raise HpoError(f"MLflow at {tracking_uri()} refused: {said}; is its server up? nothing is promoted") from None


def _promotable(results: Results) -> Trial:
    name = results.study.study
    if results.state != "finished":
        raise UsageError(f"study {name} is {results.state}; only a finished one is promoted: `hpo resume {name}`")
    if results.study.registry is None:
        raise UsageError(f"study {name} names no model; add `registry: {{model: NAME}}` to its file")
    winner = results.history.winner(results.objective)
    if winner is None:
        raise UsageError(f"study {name} has no winner: no trial came to a regular end; `hpo show {name}` says why")
    return winner


def _logged_model(results: Results, winner: Trial) -> tuple[Any, str]:
    quiet()
    import mlflow

    mlflow.set_tracking_uri(tracking_uri())
    client = mlflow.MlflowClient()
    name, study_id = results.study.study, results.history.record["study_id"]
    experiment = client.get_experiment_by_name(name)
    runs = client.search_runs(
        [experiment.experiment_id] if experiment else [],
        f"tags.`{STUDY_ID}` = '{study_id}' and tags.`{TRIAL}` = '{winner.number}'",
    )
    uri = runs[0].data.tags.get(MODEL_URI) if runs else None
    if uri is None:
        raise UsageError(f"trial {winner.number} of {name} has no model in {tracking_uri()}; `hpo sync {name}` logs it")
    return client, uri


def _sealed_test(results: Results, winner: Trial, ledger: Ledger) -> dict[str, Any]:
    """The winner's scores on the test split: opened once, and read from the ledger ever after."""
    for event in ledger.events():
        if event.kind == "test_opened" and event.trial == winner.number:
            return event.payload
    score = getattr(module_of(results.study.load_trainable()), "test", None)
    if score is None:
        return {}
    best = winner.best(results.objective)
    assert best is not None and best.checkpoint is not None
    checkpoint = StudyPaths.of(results.study.study).trial(winner.number) / best.checkpoint
    try:
        verify(checkpoint)
        scores = asdict(score(results.study.trial_config(winner.params), checkpoint))
    except (CheckpointError, ValueError) as error:
        raise UsageError(f"study {results.study.study} cannot be promoted: {error}") from None
    return ledger.append("test_opened", trial=winner.number, **scores).payload


def _version(client: Any, results: Results, model_uri: str) -> str:
    """The version that holds this very model; registering it twice makes one version."""
    import mlflow

    assert results.study.registry is not None
    name = results.study.registry.model
    tag = f"{results.history.record['study_id']}:{model_uri}"
    for version in client.search_model_versions(f"name = '{name}'"):
        if version.tags.get("hpo.model") == tag:
            return str(version.version)
    return str(mlflow.register_model(model_uri, name, tags={"hpo.model": tag}).version)


def _tags(promotion: Promotion, results: Results) -> dict[str, str]:
    scores = {f"hpo.test.{name}": f"{value:.6f}" for name, value in promotion.test.items()}
    baseline = {f"hpo.linear_baseline.{name}": f"{value:.6f}" for name, value in promotion.baseline.items()}
    return {
        "hpo.study": results.study.study,
        "hpo.trial": str(promotion.trial),
        f"hpo.validation.{promotion.metric}": f"{promotion.validation:.6f}",
        "hpo.data_fingerprint": results.history.record["data"].get("fingerprint", ""),
        **scores,
        **baseline,
    }


def _champion(model: str) -> tuple[Any, str]:
    """The loaded champion and the name of the column it was trained on."""
    quiet()
    import mlflow
    from mlflow.exceptions import MlflowException

    from train_fn import quiet as transformers_quiet

    mlflow.set_tracking_uri(tracking_uri())
    try:
        with transformers_quiet.quiet():
            loaded = mlflow.pyfunc.load_model(f"models:/{model}@{CHAMPION}")
    except MlflowException as error:
        raise UsageError(
            f"{model!r} has no champion in {tracking_uri()}: {' '.join(str(error).split())[:120]}; "
            "`hpo promote STUDY` makes one"
        ) from None
    return loaded, (loaded.metadata.metadata or {}).get("text_column", "text")


def _table(file: Path) -> Any:
    from train_fn.data.files import read_file
    from train_fn.errors import DataError

    try:
        return read_file("FILE", str(file))
    except DataError as error:
        raise UsageError(str(error)) from None


def _texts(file: Path, table: Any, column: str) -> list[str]:
    if column not in table.columns:
        raise UsageError(
            f"{file} has no column {column!r}{did_you_mean(column, map(str, table.columns))}; name it with --text"
        )
    return [str(text) for text in table[column]]
