"""What is done when validation no longer gets better: the run ends, or its learning rate falls."""

from collections.abc import Mapping
from dataclasses import replace

import torch

from train_fn.evaluation import judge
from train_fn.metrics import HIGHER_IS_BETTER
from train_fn.setup import Setup
from train_fn.state import State


def check_waiting(setup: Setup) -> None:
    """Raise a ValueError if no answer whatever would have the metric that is to be waited for."""
    name = setup.config.early_stopping_metric
    if setup.config.early_stopping_patience is None or name == "loss":
        return
    outputs = torch.zeros(len(setup.valid.lengths), max(1, len(setup.labels)), device=setup.device)
    if name not in judge(outputs, setup.valid, task=setup.task, labels=setup.labels).metrics:
        raise ValueError(
            f"`early_stopping_metric` must be defined on the valid split, got {name!r}, "
            "which these labels leave undefined; try loss"
        )


def wait_for_gain(setup: Setup, state: State, metrics: Mapping[str, float]) -> None:
    """After each evaluation: early stopping keeps the best weights, and the plateau schedule counts its drops."""
    config = setup.config
    if config.early_stopping_patience is not None:
        name = config.early_stopping_metric
        state.patience = state.patience.after(
            metrics[name],
            state.step,
            higher_is_better=HIGHER_IS_BETTER[setup.task][name],
            min_gain=config.early_stopping_min_gain,
        )
        if state.patience.best_step == state.step:
            weights = state.average or state.learned.values()
            state.best = [tensor.detach().clone() for tensor in weights]
    if config.schedule == "plateau":
        state.plateau = state.plateau.after(metrics["loss"], state.step, higher_is_better=False)
        if state.plateau.evaluations > config.plateau_patience:
            state.plateau, state.drops = replace(state.plateau, evaluations=0), state.drops + 1


def out_of_patience(setup: Setup, state: State) -> bool:
    patience = setup.config.early_stopping_patience
    return patience is not None and state.patience.evaluations >= patience


def better_before(state: State) -> bool:
    """The run is over, and its best weights are not its last ones."""
    return state.best is not None and state.patience.best_step < state.step and not state.restored


def restore_best(state: State) -> None:
    """The weights of the best evaluation are the run's result."""
    for parameter, best in zip(state.learned.values(), state.best or (), strict=True):
        parameter.data.copy_(best)
    state.average, state.best, state.restored = None, None, True
