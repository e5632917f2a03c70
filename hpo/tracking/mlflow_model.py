"""A checkpoint as an MLflow model that a new process can load and ask.

A checkpoint that holds a Hugging Face folder `model/`, of texts or of images, becomes a model of the `transformers`
flavour, one that holds an estimator in `model.skops` a function of this project's own; of any other the files are kept
as artifacts of the run.
"""

import json
import tempfile
from collections.abc import Callable
from dataclasses import asdict
from importlib import import_module
from importlib.metadata import version
from pathlib import Path
from typing import Any

from hpo.history import Trial
from hpo.study import Study
from train_fn import saved_estimator
from train_fn.checkpoint import MANIFEST, digest, seal_all, verify

MANIFEST_DIGEST = "hpo.manifest_sha256"  # tag of a run, and of a version: what the manifest itself must be
INPUT_EXAMPLE = ["Compute the rolling mean of a column."]


def log_once(client: Any, run: Any, checkpoint: Path, study: Study, trial: Trial, data: dict[str, Any]) -> str:
    """The URI of the run's model, also of one that was logged to its end before, though we were not told.

    What was broken off is deleted. `run`: an MLflow RunInfo.
    """
    found = client.search_logged_models([run.experiment_id], f"source_run_id = '{run.run_id}'")
    ready = [model for model in found if model.status == "READY"]
    for model in found:
        if model is not (ready[0] if ready else None):
            client.delete_logged_model(model.model_id)
    return str(ready[0].model_uri) if ready else log_model(client, run.run_id, checkpoint, study, trial, data)


def get_ready(trial: Path) -> None:
    """Import what logging a checkpoint such as those in this folder takes seconds for."""
    if any(trial.glob("*/model/config.json")):
        for library in ("mlflow.transformers", "transformers.pipelines"):
            import_module(library)


def log_model(
    client: Any, run_id: str, checkpoint: Path, study: Study, trial: Trial, data: dict[str, Any] | None = None
) -> str:
    """The model's URI, or the artifact's for a trainable of one's own. `data`: what `prepare` found of it.

    Beside the files goes a manifest with the SHA-256 of each; the run's tag holds that of the manifest.

    Saved and uploaded in two steps: `mlflow.transformers.log_model` would add the model's settings to the run's
    parameters, where only what was searched belongs.
    """
    from mlflow.entities import LoggedModelOutput
    from mlflow.models import Model

    verify(checkpoint)
    save = next((save for name, save in SAVERS.items() if (checkpoint / name).exists()), None)
    if save is None:
        client.log_artifacts(run_id, str(checkpoint), "checkpoint")
        return f"runs:/{run_id}/checkpoint"
    experiment = client.get_run(run_id).info.experiment_id
    logged = client.create_logged_model(experiment, name=study.study, source_run_id=run_id)
    model = Model(model_id=logged.model_id, run_id=run_id)
    with tempfile.TemporaryDirectory() as folder:
        saved = Path(folder, "model")
        save(checkpoint, str(saved), model, _origin(study, trial, data or {}))
        seal_all(saved)
        client.set_tag(run_id, MANIFEST_DIGEST, digest(saved / MANIFEST))
        client.log_model_artifacts(logged.model_id, str(saved))
    client.finalize_logged_model(logged.model_id, "READY")
    client.log_outputs(run_id, [LoggedModelOutput(logged.model_id, step=0)])
    return str(logged.model_uri)


def _save_pipeline(checkpoint: Path, path: str, model: Any, origin: dict[str, Any]) -> None:
    import mlflow

    config = json.loads(origin["config"])
    mlflow.transformers.save_model(
        transformers_model=_pipeline(checkpoint / "model"),
        path=path,
        mlflow_model=model,
        signature=_signature(origin["data_task"]),
        input_example=INPUT_EXAMPLE,
        model_config={"truncation": True, "max_length": config["max_length"], **_told(origin)},
        pip_requirements=_exact("mlflow", "torch", "transformers", "tokenizers", "safetensors"),
        metadata={**origin, "text_column": config["data"]["text"]},
    )


def _save_image_pipeline(checkpoint: Path, path: str, model: Any, origin: dict[str, Any]) -> None:
    """Asked for paths of images, it answers each with one dict: MLflow has no columns for images."""
    import mlflow

    config = json.loads(origin["config"])
    mlflow.transformers.save_model(
        transformers_model=_image_pipeline(checkpoint / "model"),
        path=path,
        mlflow_model=model,
        signature=_signature(origin["data_task"]),
        model_config={"top_k": 1, **_told(origin)},
        pip_requirements=_exact("mlflow", "torch", "transformers", "pillow", "safetensors"),
        metadata={**origin, "image_column": config["data"]["image"]},
    )


def _save_estimator(checkpoint: Path, path: str, model: Any, origin: dict[str, Any]) -> None:
    """Not of MLflow's `sklearn` flavour, whose models say themselves which types they want to be trusted."""
    import mlflow
    import pandas as pd

    columns = checkpoint / saved_estimator.COLUMNS  # of a trainable of one's own there may be none
    kinds = json.loads(columns.read_text(encoding="utf-8")) if columns.exists() else {}
    # a made-up row: no row of the data leaves the house with the model
    example = pd.DataFrame([{name: 0.0 if kind == "number" else "" for name, kind in kinds.items()}]) if kinds else None
    mlflow.pyfunc.save_model(
        path=path,
        mlflow_model=model,
        loader_module=saved_estimator.__name__,  # no code goes with the model: where it is served, hpo is installed
        data_path=str(checkpoint / saved_estimator.MODEL),
        signature=_signature_of_columns(kinds, origin["data_task"]) if kinds else None,
        input_example=example,
        pip_requirements=_exact("mlflow", "scikit-learn", "skops", "pandas"),
        metadata={**origin, **({"columns": kinds} if kinds else {})},
    )


SAVERS: dict[str, Callable[[Path, str, Any, dict[str, Any]], None]] = {
    "model/preprocessor_config.json": _save_image_pipeline,
    "model/config.json": _save_pipeline,
    saved_estimator.MODEL: _save_estimator,
}


def _origin(study: Study, trial: Trial, data: dict[str, Any]) -> dict[str, Any]:
    """Where it comes from: enough to train it again, to know what its numbers mean, and on which rows to test it."""
    return {
        "study": study.study,
        "trial": trial.number,
        "trainable": study.trainable,
        "config": json.dumps(asdict(study.trial_config(trial.params)), default=str),
        "data_task": data.get("task", ""),  # `task` would be taken for MLflow's own
        "labels": list(data.get("labels", ())),  # index = class id
        "data_fingerprint": data.get("fingerprint", ""),
        "data_fingerprints": dict(data.get("fingerprints", {})),  # of each split
        "rows": dict(data.get("rows", {})),
    }


def _exact(*packages: str) -> list[str]:
    return [f"{name}=={version(name).partition('+')[0]}" for name in packages]


def _pipeline(folder: Path) -> Any:
    """The pipeline itself: given a folder, MLflow 3.17 fails on how transformers 5 names pipeline classes."""
    from transformers import AutoModelForSequenceClassification, AutoTokenizer, pipeline

    model = AutoModelForSequenceClassification.from_pretrained(folder, use_safetensors=True)
    return pipeline("text-classification", model=model, tokenizer=AutoTokenizer.from_pretrained(folder))


def _image_pipeline(folder: Path) -> Any:
    from transformers import AutoImageProcessor, AutoModelForImageClassification, pipeline

    model = AutoModelForImageClassification.from_pretrained(folder, use_safetensors=True)
    return pipeline("image-classification", model=model, image_processor=AutoImageProcessor.from_pretrained(folder))


def _told(origin: dict[str, Any]) -> dict[str, int]:
    """A pipeline tells the likeliest label of a row, unless it is asked for all: a row may have several."""
    return {"top_k": len(origin["labels"])} if origin["data_task"] == "multi_label" else {}


def _signature(task: str) -> Any:
    """A text, or the path of an image, in; its label and that label's probability out, or one dict of them per label.

    The input has no name: a list of strings will do.
    """
    from mlflow.models import ModelSignature
    from mlflow.types import ColSpec, Schema

    answers = None if task == "multi_label" else Schema([ColSpec("string", "label"), ColSpec("double", "score")])
    return ModelSignature(inputs=Schema([ColSpec("string")]), outputs=answers)


def _signature_of_columns(kinds: dict[str, str], task: str) -> Any:
    """Cells may be missing; a number that is predicted has no score."""
    from mlflow.models import ModelSignature
    from mlflow.types import ColSpec, Schema

    types = {"number": "double", "word": "string"}
    inputs = [ColSpec(types[kind], name, required=False) for name, kind in kinds.items()]
    is_number = task == "regression"
    label = ColSpec("double" if is_number else "string", "label")
    return ModelSignature(
        inputs=Schema(inputs), outputs=Schema([label] if is_number else [label, ColSpec("double", "score")])
    )
