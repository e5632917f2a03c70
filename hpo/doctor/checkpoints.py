"""Checkpoints that were never finished, and those whose bytes are no longer the ones that were written."""

from collections.abc import Iterator

from hpo.confirmation import winner
from hpo.disk_faults import in_bytes
from hpo.doctor.finding import Finding, Orders, fault, ok, warning
from hpo.doctor.ledgers import read
from hpo.doctor.leftovers import delete, size
from hpo.paths import StudyPaths
from hpo.study import restored_study
from train_fn.checkpoint import CheckpointError, verify


def half_written(paths: StudyPaths, orders: Orders) -> Iterator[Finding]:
    """No checkpoint goes by such a name: nothing can be lost with them."""
    left = sorted(paths.trials.glob("*/*.tmp"))
    if left:
        wrong = f"{len(left)} half-written ({in_bytes(sum(map(size, left)))}), as {left[0].relative_to(paths.root)}"
        yield orders.carry_out("checkpoints", wrong, lambda: delete(left), "deleted")


def damaged(paths: StudyPaths, orders: Orders) -> Iterator[Finding]:
    """Of each live trial, and of the winner, what lies on the disk must be what was committed."""
    name, whole, found = paths.root.name, 0, False
    history = read(paths)
    study = restored_study(history.record)
    chosen = history.front(study.aims) if study.objectives else [winner(history, study.objective)]
    for trial in history.runs:
        if trial.state.ended and not any(trial is one for one in chosen):
            continue
        for evaluation in trial.evaluations:
            folder = paths.trial(trial.number) / (evaluation.checkpoint or "")
            if evaluation.checkpoint is None or not folder.is_dir():
                continue
            try:
                verify(folder)
                whole += 1
            except CheckpointError as error:
                found = True
                if trial.state.ended:
                    again, of = (f" --trial {trial.number}", "the front") if study.objectives else ("", "the winner")
                    yield fault("checkpoints", f"of {of}: {error}; `hpo retrain {name}{again}` trains it again")
                else:
                    yield warning("checkpoints", f"trial {trial.number} will go on from an older one: {error}")
    if not found:
        yield ok("checkpoints", f"{whole} are byte for byte what was written")
