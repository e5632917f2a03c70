"""What is known of a study, read from its ledger: the numbers behind `hpo show` and `hpo status`."""

from dataclasses import dataclass
from typing import Any

from hpo.history import History, Trial, fold
from hpo.ledger import Ledger, is_locked
from hpo.objective import Objective
from hpo.paths import STUDIES, StudyPaths
from hpo.study_file import Study, restored_study


@dataclass(frozen=True)
class Results:
    study: Study
    state: str  # finished, running (a driver holds the lock) or interrupted
    history: History

    @property
    def objective(self) -> Objective:
        return self.study.objective

    def as_json(self) -> dict[str, Any]:
        """The public shape of `hpo show --json`."""
        winner = self.history.winner(self.objective)
        return {
            "study": self.study.study,
            "state": self.state,
            "reason": self.history.finished,
            "objective": self.objective.model_dump(exclude_none=True),
            "best": self._trial(winner) if winner else None,
            "trials": [self._trial(trial) for trial in self.history.trials],
            "test_openings": self.history.test_openings,
        }

    def _trial(self, trial: Trial) -> dict[str, Any]:
        best = trial.best(self.objective)
        return {
            "trial": trial.number,
            "state": trial.state,
            "value": trial.value(self.objective),
            "best_step": best.step if best else None,
            "params": trial.params,
            "epochs": trial.evaluations[-1].epoch if trial.evaluations else 0.0,
            "seconds": round(trial.seconds, 3),
            "attempts": trial.attempt,
            "reason": trial.reason,
        }


def read(name: str) -> Results:
    paths = StudyPaths.of(name)
    ledger = Ledger(paths.ledger)
    history = fold(ledger.events())
    ledger.close()
    state = "finished" if history.finished else "running" if is_locked(paths) else "interrupted"
    return Results(restored_study(history.record["spec"]), state, history)


def all_names() -> list[str]:
    """The studies under the working directory."""
    return sorted(path.parent.name for path in STUDIES.glob("*/ledger.db"))
