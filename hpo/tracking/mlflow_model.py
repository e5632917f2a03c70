"""A checkpoint as an MLflow model that a new process can load and ask.

A checkpoint that holds a Hugging Face folder `model/` becomes a model of the `transformers` flavour; of any other the
files are kept as artifacts of the run.
"""

import json
from importlib.metadata import version
from pathlib import Path
from typing import Any

from hpo.history import Trial
from hpo.study_file import Study
from hpo.trainable import resolved
from train_fn.checkpoint import verify

EXACT_REQUIREMENTS = ("torch", "transformers", "tokenizers", "safetensors")


def log_model(run_id: str, checkpoint: Path, study: Study, trial: Trial) -> str:
    """The model's URI, or the artifact's for a trainable of one's own."""
    import mlflow

    verify(checkpoint)
    if not (checkpoint / "model" / "config.json").exists():
        mlflow.MlflowClient().log_artifacts(run_id, str(checkpoint), "checkpoint")
        return f"runs:/{run_id}/checkpoint"
    config = resolved(study.config, trial.params)
    with mlflow.start_run(run_id=run_id):
        info = mlflow.transformers.log_model(
            transformers_model=_pipeline(checkpoint / "model"),
            name="model",
            signature=_signature(),
            input_example=["Compute the rolling mean of a column."],
            model_config={"truncation": True, "max_length": _max_length(study, trial)},
            pip_requirements=[f"{name}=={version(name).partition('+')[0]}" for name in EXACT_REQUIREMENTS],
            metadata={
                "study": study.study,
                "trial": trial.number,
                "text_column": config.get("data", {}).get("text", "text"),
                "config": json.dumps(config),
            },
        )
    return str(info.model_uri)


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


def _max_length(study: Study, trial: Trial) -> int:
    return int(study.trial_config(trial.params).max_length)
