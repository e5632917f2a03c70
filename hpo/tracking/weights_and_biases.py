"""Weights & Biases' offline runs as a projection of the ledger: one per trial in `studies/NAME/wandb`, never uploaded.

An offline run cannot be gone on with once it is closed, and one that is open costs memory. So a run is written whole,
when its trial has ended; `pause` writes the others as they are, and they are written anew later. Run ids follow from
the ledger: what is uploaded again takes the place of what was uploaded before.
"""

import math
import shutil
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from hpo import evaluations
from hpo.confirmation import winner
from hpo.event import Event
from hpo.history import REGULAR, History, State, Trial
from hpo.ledger import Ledger
from hpo.paths import StudyPaths
from hpo.study import restored_study
from hpo.tracking import wandb_library
from hpo.tracking.cursor import InFiles, noted_row
from hpo.tracking.wandb_library import table
from hpo.wording import run_name

FOLDER = "wandb"  # the name that the library gives to the folder of its runs
LIBRARY = ".library"  # beside the runs: what wandb would write into the home folder
PROJECT = "hpo"  # `wandb sync --project` takes another one
WINNER = "winner"  # a run of its own: what the winner gets wrong
WRONG = {"text": "text", "truth": "true", "said": "predicted", "confidence": "confidence"}
BROKEN = (State.FAILED, State.DIVERGED)


class Writer(InFiles):
    """Brings the runs up to the end of the ledger."""

    def __init__(self, paths: StudyPaths) -> None:
        self.paths, self.folder = paths, paths.root / FOLDER
        self.ledger = Ledger(paths.ledger)
        self.sent = 0
        self.begun: list[Path] = []  # runs that may not be in their files yet
        self.folder.mkdir(mode=0o700, exist_ok=True)
        wandb_library.keep_to(self.folder / LIBRARY)
        self._begin()

    def _begin(self) -> None:
        """Go back to what is noted."""
        with suppress(RuntimeError):
            self._flush()
        self.history, events = History(), self.ledger.events()
        self.study, self.study_id = restored_study(events[0].payload), events[0].payload["study_id"]
        self.row = noted_row(self.folder, events)
        for event in events[: self.row]:
            self.history.apply(event)
        if not self.row:
            for run in self.folder.glob("offline-run-*"):
                shutil.rmtree(run)
        self.there = {path.name.split("-", 3)[-1]: path for path in self.folder.glob("offline-run-*")}
        self.whole = True

    def _write(self, event: Event) -> None:
        """The run of a trial that has ended, and at the end the winner's."""
        if event.kind == "ended" and event.trial is not None:
            self._write_trial(self.history.run(event.trial))
        elif event.kind == "finished":
            self._write_winner()

    def get_ready(self) -> None:
        """Nothing: the end takes no more than any round."""

    def pause(self) -> None:
        """The driver stops: what has not ended is written as it is."""
        self.whole = False
        for trial in self.history.runs:
            if not trial.state.ended and trial.evaluations:
                self._write_trial(trial)
        self._flush()
        self.whole = True

    def _write_trial(self, trial: Trial) -> None:
        """Its run: every report at its step, with the time of the report."""
        kind = "trial" if trial.confirms is None else "repeat"
        run = self._run(f"{trial.number:04d}", run_name(trial), kind, trial)
        for one in trial.evaluations:
            metrics = {**one.metrics, "epoch": one.epoch}
            finite = {name: value for name, value in metrics.items() if math.isfinite(value)}
            run.log({**finite, "_timestamp": one.time}, step=one.step)
        best = trial.best(self.study.objective) if trial.state in REGULAR else None
        if best:
            aims = {f"best/{aim.metric}": best.metrics.get(aim.metric, math.nan) for aim in self.study.aims}
            run.summary.update({name: value for name, value in aims.items() if math.isfinite(value)})
            run.summary["best/step"] = best.step
        run.finish(exit_code=int(trial.state in BROKEN))

    def _write_winner(self) -> None:
        """How it does by class, and the rows that it gets wrong, the surest first."""
        trial = winner(self.history, self.study.objective)
        best = trial.best(self.study.objective) if trial else None
        self._remove(self._id(WINNER))
        tables = dict(tables_of(evaluations.read(self.paths.trial(trial.number), best.step))) if trial and best else {}
        if trial is None or best is None or not tables:
            return
        run = self._run(WINNER, f"{WINNER}: {run_name(trial)}", WINNER, trial)
        run.log({**tables, "_timestamp": best.time}, step=best.step)
        run.finish()

    def _id(self, name: str) -> str:
        return f"{self.study_id[:16]}_{name}"

    def _run(self, name: str, shown: str, kind: str, trial: Trial) -> Any:
        run_id = self._id(name)
        self._remove(run_id)
        run = wandb_library.offline_run(
            self.paths.root,
            id=run_id,
            name=shown,
            project=PROJECT,
            group=self.study.study,
            job_type=kind,
            config=dict(trial.settings),
            tags=[trial.state.lower()],
            notes=trial.reason,
        )
        self.there[run_id] = Path(run.settings.sync_dir)
        self.begun.append(self.there[run_id])
        return run

    def _remove(self, run_id: str) -> None:
        if run_id in self.there:
            shutil.rmtree(self.there.pop(run_id))

    def _flush(self) -> None:
        """What has been begun is whole."""
        wandb_library.end()
        for run in self.begun:  # the library's own, of no use to anybody
            for logs in ("logs", "tmp"):
                shutil.rmtree(run / logs, ignore_errors=True)
        self.begun.clear()


def tables_of(evaluation: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Of a report: scores by class, counts by true and predicted class, mistakes."""
    if classes := evaluation.get("classes"):
        names = list(next(iter(classes.values())))
        rows = [[label, *scores.values()] for label, scores in classes.items()]
        yield "classes", table(["class", *names], rows)
        if matrix := evaluation.get("confusion"):
            rows = [[label, *counts] for label, counts in zip(classes, matrix, strict=False)]
            yield "confusion", table(["true class / predicted", *classes], rows)
    if wrong := evaluation.get("wrong"):
        rows = [[str(row.get(name, "")) for name in WRONG] for row in wrong]
        yield "wrong", table(list(WRONG.values()), rows)
