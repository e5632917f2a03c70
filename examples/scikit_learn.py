"""A trainable of scikit-learn: whatever has `partial_fit` can be searched, stopped early, and gone on with."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import skops.io
from sklearn.datasets import load_breast_cancer
from sklearn.linear_model import SGDClassifier
from sklearn.metrics import f1_score, log_loss
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from train_fn import Report


@dataclass(frozen=True, kw_only=True)
class Config:
    penalty: Literal["l2", "l1", "elasticnet"] = "l2"
    alpha: float = 1e-4  # strength of the penalty
    eta0: float = 0.01  # learning rate
    max_epochs: int = 9
    seed: int = 0


def epochs(config: Config, resume_from: Path | None = None) -> Iterator[Report]:
    x, y = load_breast_cancer(return_X_y=True)
    x_train, x_valid, y_train, y_valid = train_test_split(x, y, test_size=0.3, stratify=y, random_state=0)
    scaler = StandardScaler().fit(x_train)
    x_train, x_valid = scaler.transform(x_train), scaler.transform(x_valid)

    settings = {"penalty": config.penalty, "alpha": config.alpha, "eta0": config.eta0}
    model, done = SGDClassifier(loss="log_loss", learning_rate="constant", **settings), 0
    if resume_from:
        done = json.loads((resume_from / "state.json").read_text())["epoch"]
        model = skops.io.load(resume_from / "model.skops")[-1]  # refuses whatever could run code, as a pickle would

    for epoch in range(done + 1, config.max_epochs + 1):
        model.set_params(random_state=config.seed + epoch)  # another order in each epoch, the same when resumed
        model.partial_fit(x_train, y_train, classes=[0, 1])
        probabilities = model.predict_proba(x_valid)
        metrics = {
            "loss": float(log_loss(y_valid, probabilities)),
            "f1_macro": float(f1_score(y_valid, probabilities.argmax(axis=1), average="macro")),
        }

        def save(folder: Path, epoch: int = epoch) -> None:
            (folder / "state.json").write_text(json.dumps({"epoch": epoch}))
            skops.io.dump(make_pipeline(scaler, model), folder / "model.skops")

        yield Report(epoch=epoch, metrics=metrics, save=save)
