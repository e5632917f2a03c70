"""A checkpoint as an MLflow model that a new process can load and ask.

A checkpoint that holds a Hugging Face folder `model/` becomes a model of the `transformers` flavour; of any other the
files are kept as artifacts of the run.
"""

import json
import tempfile
from importlib.metadata import version
from pathlib import Path
from typing import Any

from hpo.history import Trial
from hpo.study_file import Study
from hpo.trainable import resolved
from train_fn.checkpoint import verify

EXACT_REQUIREMENTS = ("mlflow", "torch", "transformers", "tokenizers", "safetensors")
INPUT_EXAMPLE = ["Compute the rolling mean of a column."]


def log_model(client: Any, run_id: str, checkpoint: Path, study: Study, trial: Trial) -> str:
    """The model's URI, or the artifact's for a trainable of one's own.

    Saved and uploaded in two steps: `mlflow.transformers.log_model` would add the model's settings to the run's
    parameters, where only what was searched belongs.
    """
    import mlflow
    from mlflow.entities import LoggedModelOutput
    from mlflow.models import Model

    verify(checkpoint)
    if not (checkpoint / "model" / "config.json").exists():
        client.log_artifacts(run_id, str(checkpoint), "checkpoint")
        return f"runs:/{run_id}/checkpoint"
    experiment = client.get_run(run_id).info.experiment_id
    logged = client.create_logged_model(experiment, name=study.study, source_run_id=run_id)
    config = resolved(study.config, trial.params)
    with tempfile.TemporaryDirectory() as folder:
        mlflow.transformers.save_model(
            transformers_model=_pipeline(checkpoint / "model"),
            path=f"{folder}/model",
            mlflow_model=Model(model_id=logged.model_id, run_id=run_id),
            signature=_signature(),
            input_example=INPUT_EXAMPLE,
            model_config={"truncation": True, "max_length": study.trial_config(trial.params).max_length},
            pip_requirements=[f"{name}=={version(name).partition('+')[0]}" for name in EXACT_REQUIREMENTS],
            metadata={
                "study": study.study,
                "trial": trial.number,
                "text_column": config.get("data", {}).get("text", "text"),
                "config": json.dumps(config),
            },
        )
        client.log_model_artifacts(logged.model_id, f"{folder}/model")
    client.finalize_logged_model(logged.model_id, "READY")
    client.log_outputs(run_id, [LoggedModelOutput(logged.model_id, step=0)])
    return str(logged.model_uri)


def _pipeline(folder: Path) -> Any:
    """The pipeline itself: given a folder, MLflow 3.17 fails on how transformers 5 names pipeline classes."""
    from transformers import AutoModelForSequenceClassification, AutoTokenizer, pipeline

    model = AutoModelForSequenceClassification.from_pretrained(folder, use_safetensors=True)
    return pipeline("text-classification", model=model, tokenizer=AutoTokenizer.from_pretrained(folder))


def _signature() -> Any:
    """One text in; its label and that label's probability out. The input has no name: a list of strings will do."""
    from mlflow.models import ModelSignature
    from mlflow.types import ColSpec, Schema

    return ModelSignature(
        inputs=Schema([ColSpec("string")]), outputs=Schema([ColSpec("string", "label"), ColSpec("double", "score")])
    )
