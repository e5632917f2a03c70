"""What schedulers that let trials wait have in common."""

from hpo.errors import UsageError
from hpo.history import Trial
from hpo.objective import Objective
from hpo.schedulers.decision import Inputs
from hpo.schedulers.rung import Rung


def refuse_without_checkpoint(trial: Trial) -> None:
    """UsageError: a trial that could only begin again from nothing must not be paused."""
    if trial.evaluations[-1].checkpoint is None:
        raise UsageError(
            f"this scheduler lets trials wait and go on, but report {trial.last_step} of trial {trial.number} has no "
            "checkpoint to go on from; give Report a `save`, or take `scheduler: asha`, which needs none"
        )


def refuse_without_end(max_epochs: int | None) -> int:
    """UsageError: rungs are counted down from the full budget."""
    if max_epochs is None:
        raise UsageError(
            "this scheduler needs to know the full budget of a trial: give `max_epochs` under `config`, "
            "or take `scheduler: asha`, which needs none"
        )
    return max_epochs


def standing(rung: Rung, trial: int, rank: int, best: int, objective: Objective) -> tuple[str, Inputs]:
    """Where a trial stands on its rung, of which the `best` go on; `rank` 0 is the best."""
    score = objective.sign * rung.score(trial)
    reason = (
        f"epoch {rung.epochs}: {objective.metric} {score:.4f} is number {rank + 1} of {len(rung)}, "
        f"of which {best or 'none'} {'goes' if best == 1 else 'go'} on"
    )
    return reason, {"rung": rung.epochs, "score": score, "rank": rank + 1, "best": best, "trials": len(rung)}
