import subprocess
import sys
from inspect import isgeneratorfunction
from typing import get_type_hints

import pytest
from sklearn.metrics import f1_score

from train_fn import text
from train_fn.config import TextConfig
from train_fn.data import TextDataConfig


@pytest.mark.parametrize(
    "module", ["train_fn", "train_fn.text", "train_fn.config", "train_fn.data", "train_fn.checkpoint"]
)
def test_naming_a_run_loads_no_heavy_library(module):
    heavy = {"torch", "transformers", "pandas", "sklearn", "ray", "mlflow", "optuna"}
    script = f"import sys, {module}; print(*sorted({heavy} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True)
    assert done.stdout.strip() == ""


def test_the_trainable_says_what_its_config_is():
    assert get_type_hints(text.epochs)["config"] is TextConfig
    assert isgeneratorfunction(text.epochs)


def test_preparing_counts_the_rows_and_needs_no_torch(toy_data):
    script = (
        "import sys; from train_fn import text; from train_fn.config import TextConfig; from train_fn.data import *;"
        f"print(text.prepare(TextConfig(model='tiny', data={toy_data!r})).rows['train'], 'torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True)
    assert done.stdout.split() == ["98", "False"]


def test_preparing_refuses_a_model_that_is_not_there(toy):
    with pytest.raises(
        ValueError, match=r"`model` must name a folder that holds config.json and \*.safetensors, got /no/such/folder"
    ):
        text.prepare(toy(model="/no/such/folder"))


def test_preparing_refuses_data_that_are_not_there():
    with pytest.raises(ValueError, match="no-such.csv"):
        text.prepare(TextConfig(model="tiny", data=TextDataConfig(file="no-such.csv")))


def test_a_checkpoint_is_scored_on_the_sealed_rows_beside_the_linear_model(toy, tmp_path):
    config = toy(max_epochs=6)
    *_, last = epochs_saved_to(tmp_path, config)
    result = text.test(config, last)
    assert result.labels == ("colour", "fruit", "traffic")
    assert len(result.targets) == len(result.predictions) == 21
    assert result.metrics["f1_weighted"] == f1_score(result.targets, result.predictions, average="weighted")
    assert result.metrics["f1_weighted"] > 0.5
    assert set(result.baseline) == {"accuracy", "f1_weighted", "f1_macro"}
    assert result.baseline["f1_weighted"] > 0.5
    assert result.baseline_setting


def epochs_saved_to(folder, config):
    for report in text.epochs(config):
        checkpoint = folder / f"epoch-{report.epoch}"
        checkpoint.mkdir()
        report.save(checkpoint)
        yield checkpoint
