"""What is known of a study, read from its ledger: the numbers behind `hpo show` and `hpo status`."""

from dataclasses import dataclass, field
from typing import Any

from hpo.account import Account
from hpo.confirmation import Confirmation, confirmation, winner
from hpo.controls import Verdict, verdict
from hpo.errors import HpoError
from hpo.event import Event
from hpo.front import hypervolume_of, standing
from hpo.history import History, State, Trial, fold
from hpo.ledger import Ledger
from hpo.noise_floor import seed_noise
from hpo.objective import Objective
from hpo.paths import NAME, STUDIES, StudyPaths
from hpo.study import Study, restored_study
from hpo.study_lock import is_locked


@dataclass(frozen=True)
class Results:
    study: Study
    state: str  # finished, running (a driver holds the lock) or interrupted
    history: History
    events: list[Event] = field(default_factory=list, repr=False)  # that the history was folded from

    @property
    def objective(self) -> Objective:
        return self.study.objective

    @property
    def confirmation(self) -> Confirmation | None:
        """What the finalists' runs with fresh seeds say; None where the study has no `confirm`, or is not there yet.

        A study asks for it by `study.confirm`. A trial is confirmed where `confirmation.chosen` is its number.
        """
        return confirmation(self.history, self.objective)

    @property
    def winner(self) -> Trial | None:
        """The trial that was confirmed and chosen; while there is none, the best of the search. None of several."""
        return None if self.study.objectives else winner(self.history, self.objective)

    @property
    def front(self) -> list[Trial]:
        """Of several objectives: the trials that no other is better than in all; the best in the first one first."""
        return self.history.front(self.study.aims) if self.study.objectives else []

    @property
    def hypervolume(self) -> float:
        """Of the front, from 0 to 1; see hpo/front.py."""
        return hypervolume_of(self.history, self.study.aims)

    def standing(self, number: int) -> str:
        """In words, on the front or not, and by which trial; empty of one objective, or of no such trial."""
        there = self.study.objectives and 0 <= number < len(self.history.trials)
        return standing(self.history, self.study.aims, number) if there else ""

    @property
    def warm_start(self) -> Verdict | None:
        """Whether earlier studies help; None where none were taken in."""
        return verdict(self.history, self.study.space, self.objective)

    def as_json(self) -> dict[str, Any]:
        """The public shape of `hpo show --json`."""
        winner, confirmed = self.winner, self.confirmation
        return {
            "study": self.study.study,
            "state": self.state,
            "reason": self.history.finished,
            "objective": self.objective.model_dump(exclude_none=True),
            **(self._of_several() if self.study.objectives else {}),
            "best": self._trial(winner) if winner else None,
            "cost": self.cost,
            "confirmation": confirmed.as_json() if confirmed else None,
            "seed_noise": seed_noise(self.history, self.objective) if self.study.budget.noise_repeats else None,
            "trials": [self._trial(trial) for trial in self.history.trials],
            "test_openings": self.history.test_openings,
            "warm_start": self.warm_start and self.warm_start.as_json(),
        }

    def _of_several(self) -> dict[str, Any]:
        return {
            "objectives": [objective.model_dump(exclude_none=True) for objective in self.study.objectives],
            "front": [self._trial(trial) for trial in self.front],
            "hypervolume": self.hypervolume,
        }

    @property
    def cost(self) -> dict[str, float | None]:
        """What the study took so far, and what stopped trials would have taken to the full budget at their own pace.

        None is what nobody knows: `money` without a price, what was saved before any trial came to its own end.
        """
        account = Account()
        for event in self.events:
            account.apply(event)
        trials = self.history.trials
        full = max((trial.epochs for trial in trials if trial.state is State.COMPLETE), default=None)
        stopped = [trial for trial in trials if trial.state is State.PRUNED and trial.epochs]
        left = [(max(0.0, full - trial.epochs), trial) for trial in stopped] if full else None
        return {
            "epochs": account.epochs,
            "seconds": round(account.seconds, 3),
            "worker_seconds": round(account.worker_seconds, 3),
            "gpu_hours": round(account.gpu_seconds / 3600, 6),
            "money": self.study.budget.cost(account),
            "saved_epochs": None if left is None else sum(epochs for epochs, _ in left),
            "saved_seconds": None
            if left is None
            else round(sum(epochs * trial.seconds / trial.epochs for epochs, trial in left), 3),
        }

    def _trial(self, trial: Trial) -> dict[str, Any]:
        best, values = trial.best(self.objective), trial.values(self.study.aims)
        names = [objective.metric for objective in self.study.objectives]
        return {
            "trial": trial.number,
            "state": trial.state,
            "value": trial.value(self.objective),
            **({"values": values and dict(zip(names, values, strict=True))} if names else {}),
            "best_step": best.step if best else None,
            "params": trial.params,
            "epochs": trial.epochs,
            "seconds": round(trial.seconds, 3),
            "attempts": trial.attempt,
            "reason": trial.reason,
            "source": trial.source,
        }


def read(name: str) -> Results:
    paths = StudyPaths.of(name)
    ledger = Ledger(paths.ledger)
    events = ledger.events()
    ledger.close()
    history = fold(events)
    state = "finished" if history.finished else "running" if is_locked(paths) else "interrupted"
    return Results(restored_study(history.record), state, history, events)


def read_all() -> tuple[list[Results], dict[str, str]]:
    """The studies under the working directory, and of each that cannot be read the reason."""
    found, unreadable = [], {}
    for name in all_names():
        try:
            found.append(read(name))
        except HpoError as error:
            unreadable[name] = str(error)
    return found, unreadable


def all_names() -> list[str]:
    """Of what lies under the working directory as a study would."""
    names = {path.parent.name for path in STUDIES.glob("*/ledger.*")}
    return sorted(name for name in names if NAME.fullmatch(name))
