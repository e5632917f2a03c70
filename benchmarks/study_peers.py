"""The peers of whole_study.py, each in a process of its own: `python study_peers.py PEER SPEC.json`.

They write what they report, and when a first optimizer step was taken, as lines of JSON to a file. All train the same
model on the same rows, one thread to a trial, with the arguments of `transformers.Trainer` unless flags say otherwise.
"""

import json
import os
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from first_step import note, note_first_step

BATCH, MAX_LENGTH, REDUCTION, SEED = 32, 128, 3, 0


@dataclass(frozen=True, kw_only=True)
class Spec:
    rates: list[float]  # the configurations
    epochs: int
    model: str
    rows: str  # JSON file: split -> texts and labels
    labels: int
    at_once: int
    bf16: bool
    notes: str  # file of reports
    tracked: bool = False  # by MLflow


GOOD_FLAGS: Mapping[str, Any] = {"train_sampling_strategy": "group_by_length", "optim": "adamw_torch_fused"}


def tokenized(spec: Spec) -> dict[str, list[dict[str, Any]]]:
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(spec.model)
    return {
        split: [
            {**tokenizer(text, truncation=True, max_length=MAX_LENGTH), "labels": label}
            for text, label in zip(rows["texts"], rows["labels"], strict=True)
        ]
        for split, rows in json.loads(Path(spec.rows).read_text()).items()
    }


def new_model(spec: Spec) -> Any:
    import torch
    import transformers
    from transformers import AutoModelForSequenceClassification

    transformers.utils.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
    torch.manual_seed(SEED)
    return AutoModelForSequenceClassification.from_pretrained(spec.model, num_labels=spec.labels)


def new_trainer(
    spec: Spec,
    rows: Mapping[str, Any],
    rate: float,
    *,
    model: Any = None,
    flags: Mapping[str, Any] | None = None,
    told: Callable[[dict[str, float]], None] | None = None,
) -> Any:
    import transformers
    from transformers import AutoTokenizer, DataCollatorWithPadding, Trainer, TrainerCallback, TrainingArguments

    transformers.utils.logging.set_verbosity_error()

    class Notes(TrainerCallback):
        def on_train_begin(self, *_: Any, **__: Any) -> None:
            note_first_step(Path(spec.notes))

        def on_evaluate(self, args: Any, state: Any, control: Any, metrics: dict[str, float], **_: Any) -> None:
            loss, epoch = metrics["eval_loss"], round(state.epoch)
            note(Path(spec.notes), time=time.time(), rate=args.learning_rate, epoch=epoch, loss=loss)
            if told:
                told({"loss": loss, "epoch": epoch})

    arguments = TrainingArguments(
        output_dir=str(Path(spec.notes).parent / "trainer"),
        per_device_train_batch_size=BATCH,
        per_device_eval_batch_size=BATCH,
        num_train_epochs=spec.epochs,
        learning_rate=rate,
        lr_scheduler_type="linear",
        eval_strategy="epoch",
        save_strategy="no",
        logging_strategy="epoch",
        report_to=["mlflow"] if spec.tracked else "none",
        disable_tqdm=True,
        use_cpu=True,
        seed=SEED,
        **(flags or {}),
    )
    return Trainer(
        model=model,
        model_init=None if model else lambda: new_model(spec),
        args=arguments,
        train_dataset=rows["train"],
        eval_dataset=rows["valid"],
        data_collator=DataCollatorWithPadding(AutoTokenizer.from_pretrained(spec.model)),
        callbacks=[Notes()],
    )


def trainer_with_ray(spec: Spec) -> None:
    from ray import tune

    trainer = new_trainer(spec, tokenized(spec), spec.rates[0])
    trainer.hyperparameter_search(
        hp_space=lambda _: {"learning_rate": tune.grid_search(spec.rates)},
        compute_objective=lambda metrics: metrics["eval_loss"],
        backend="ray",
        n_trials=1,  # of the grid
        resources_per_trial={"cpu": 1},
        storage_path=str(Path(spec.notes).parent / "ray"),
        verbose=0,
    )


def trainer_with_optuna(spec: Spec) -> None:
    """One trial at a time, as it does, with all threads."""
    import optuna
    import torch

    torch.set_num_threads(spec.at_once)
    trainer = new_trainer(spec, tokenized(spec), spec.rates[0])
    trainer.hyperparameter_search(
        hp_space=lambda trial: {"learning_rate": trial.suggest_categorical("learning_rate", spec.rates)},
        compute_objective=lambda metrics: metrics["eval_loss"],
        backend="optuna",
        n_trials=len(spec.rates),
        sampler=optuna.samplers.GridSampler({"learning_rate": spec.rates}, seed=SEED),
    )


def tune_plain(spec: Spec) -> None:
    tune_function(spec, None)


def tune_asha(spec: Spec) -> None:
    from ray.tune.schedulers import ASHAScheduler

    tune_function(
        spec,
        ASHAScheduler(time_attr="epoch", max_t=spec.epochs, grace_period=1, reduction_factor=REDUCTION),
    )


def tune_function(spec: Spec, scheduler: Any) -> None:
    from ray import tune

    rows = tokenized(spec)

    def train(config: dict[str, float]) -> None:
        new_trainer(spec, rows, config["rate"], told=tune.report).train()

    fit(spec, tune.with_resources(train, {"cpu": 1}), scheduler)


def tune_best(spec: Spec) -> None:
    """Actors are used again, rows lie in Ray's store, the model stays in memory, batches are grouped, bf16."""
    os.environ |= {"TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1", "TUNE_GLOBAL_CHECKPOINT_S": "100000"}
    from ray import tune

    class Warm(tune.Trainable):
        def setup(self, config: dict[str, float], rows: Any = None) -> None:
            self.rows, self.model = rows, new_model(spec)
            self.pristine = {name: tensor.clone() for name, tensor in self.model.state_dict().items()}
            self.reset_config(config)

        def reset_config(self, config: dict[str, float]) -> bool:
            self.model.load_state_dict(self.pristine)
            self.rate = config["rate"]
            return True

        def step(self) -> dict[str, Any]:
            said: dict[str, float] = {}
            flags = GOOD_FLAGS | {"bf16": spec.bf16}
            new_trainer(spec, self.rows, self.rate, model=self.model, flags=flags, told=said.update).train()
            return {**said, "done": True}

        def save_checkpoint(self, checkpoint_dir: str) -> None:
            """None, as of the others."""

    fit(spec, tune.with_resources(tune.with_parameters(Warm, rows=tokenized(spec)), {"cpu": 1}), None, reuse=True)


def fit(spec: Spec, trainable: Any, scheduler: Any, reuse: bool | None = None) -> None:
    from ray import tune

    found = tune.Tuner(
        trainable,
        param_space={"rate": tune.grid_search(spec.rates)},
        tune_config=tune.TuneConfig(
            metric="loss", mode="min", scheduler=scheduler, reuse_actors=reuse, max_concurrent_trials=spec.at_once
        ),
        run_config=tune.RunConfig(storage_path=str(Path(spec.notes).parent / "ray"), verbose=0),
    ).fit()
    if found.errors:
        sys.exit(f"error: {found.errors[0]}")


PEERS: Mapping[str, Callable[[Spec], None]] = {
    "trainer_ray": trainer_with_ray,
    "trainer_optuna": trainer_with_optuna,
    "tune": tune_plain,
    "tune_best": tune_best,
    "tune_asha": tune_asha,
}

if __name__ == "__main__":
    import study_peers  # by this name Ray's workers find all that is here

    study_peers.PEERS[sys.argv[1]](study_peers.Spec(**json.loads(Path(sys.argv[2]).read_text())))
