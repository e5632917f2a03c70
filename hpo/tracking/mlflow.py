"""MLflow as a projection of the ledger: a parent run per study and a child run per trial, by the driver alone.

It runs behind, in batches. How far it has come stands with the study's run in MLflow itself, so that each server knows
for itself what it lacks. A metric keeps the time at which it was acknowledged, so that one delivered twice is stored
once. What has arrived is not sent again after an error; where a reply was lost, it is, and changes nothing.
"""

import json
import logging
import math
import os
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from hpo import evaluations
from hpo.account import Account
from hpo.confirmation import confirmation
from hpo.confirmation import winner as chosen
from hpo.event import Event
from hpo.front import progress
from hpo.history import History, State, Trial
from hpo.language import of_terminal
from hpo.ledger import Ledger
from hpo.paths import StudyPaths
from hpo.study import Study, restored_study
from hpo.tracking import mlflow_pages as pages
from hpo.tracking.mlflow_database import make
from hpo.tracking.mlflow_runs import PARENT, STATE, STUDY_ID, TRIAL, Runs, experiment_of
from hpo.trainable import resolved
from hpo.wording import run_name

__all__ = ["MODEL_URI", "RUN_STATUS", "STATE", "STUDY_ID", "TRIAL", "Writer", "quiet", "tracking_uri"]

REASON, CHILD_OF, LEDGER_ROW = "hpo.reason", "mlflow.parentRunId", "hpo.ledger_row"
FILES = {"spec": "study.json", "environment": "environment.json", "data": "data.json"}  # of the study's record
CONFIRMS, SEED = "hpo.confirms", "hpo.seed"  # of a run that repeats a trial
FRONT = "hpo.front"  # of the study's run its trials, of a trial's run whether it is there
BEST_TRIAL, BEST_RUN, MODEL_URI = "hpo.best_trial", "hpo.best_run", "hpo.model_uri"

WAITS = "SCHEDULED"  # for a worker, or for `hpo resume`
# a trial's state in the words that MLflow has
RUN_STATUS = {
    State.WAITING: WAITS,
    State.RUNNING: "RUNNING",
    State.PAUSED: WAITS,
    State.COMPLETE: "FINISHED",
    State.PRUNED: "KILLED",
    State.DIVERGED: "FAILED",
    State.FAILED: "FAILED",
}
OF_A_RUN = {"started", "reported", "paused", "continued", "lost", "raised", "ended"}  # kinds that change what it shows
EVENTS_AT_ONCE = 2_000  # so many are held in memory, however long the server was down
ENTITIES_PER_CALL, PARAMS_PER_CALL = 1000, 100  # MLflow's own limits

log = logging.getLogger(__name__)


def tracking_uri() -> str:
    """MLFLOW_TRACKING_URI, or the database `mlflow.db` in the working directory, as MLflow's own default is."""
    return os.environ.get("MLFLOW_TRACKING_URI") or f"sqlite:///{Path.cwd() / 'mlflow.db'}"


def quiet() -> None:
    """No telemetry, no links to runs, no pickles, no jobs run for others. Read by MLflow when it is imported."""
    os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"
    os.environ["MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR"] = "false"  # it would write between our lines
    os.environ["MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT"] = "true"
    os.environ["MLFLOW_ENABLE_SYSTEM_METRICS_LOGGING"] = "false"
    os.environ["MLFLOW_ALLOW_PICKLE_DESERIALIZATION"] = "false"
    os.environ["MLFLOW_SERVER_ENABLE_JOB_EXECUTION"] = "false"
    # the projection tries again by itself; MLflow would also create a run again whose reply was lost
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "20")


@dataclass
class Pending:
    """What one run is still to be told; its state is read from the history when it is."""

    params: list[Any] = field(default_factory=list)
    metrics: list[Any] = field(default_factory=list)
    files: dict[str, str] = field(default_factory=dict)  # artifacts of text
    data: bool = False  # the fingerprints of its data
    report: bool = False


class Writer:
    """Brings MLflow up to the end of the ledger."""

    def __init__(self, paths: StudyPaths, uri: str) -> None:
        quiet()
        import mlflow

        make(uri)
        mlflow.set_tracking_uri(uri)
        self.client = mlflow.MlflowClient(tracking_uri=uri)
        self.paths = paths
        self.ledger = Ledger(paths.ledger)
        events = self.ledger.events()
        record = events[0]
        assert record.kind == "study", record
        self.study: Study = restored_study(record.payload)
        experiment = experiment_of(self.client, self.study.study, partial(pages.of_experiment, self.study))
        self.runs = Runs(self.client, experiment, record.payload["study_id"])
        there = self.runs.find().get(PARENT)
        self.history, self.account = History(), Account()
        self.row = _row_of(there, events)
        self.began, self.time = record.time, events[self.row - 1].time  # of the first event and of the last taken in
        for event in events[: self.row]:
            self.history.apply(event)
            self.account.apply(event)
        self.front = self._front()  # as MLflow has been told
        self.pending: dict[int, Pending] = {}
        self.failed = self.stops = self.ready = False
        self.sent = 0

    def catch_up(self) -> None:
        """Write all that has come since; what arrived before an error is not sent again."""
        try:
            self._drain()
            while events := self.ledger.events(after=self.row)[:EVENTS_AT_ONCE]:
                for event in events:
                    self._take(event)
                self._drain()
        except Exception:
            self.failed = True
            raise

    def get_ready(self) -> None:
        """Once a trial has ended, whose checkpoint tells what its like needs."""
        if self.ready or self.history.finished or not self.history.ended:
            return
        self.ready = True
        from hpo import reporting
        from hpo.tracking.mlflow_model import get_ready

        reporting.get_ready()
        get_ready(self.paths.trial(self.history.ended[0].number))

    def pause(self) -> None:
        """The driver stops: nothing is RUNNING any more, everything unfinished waits."""
        self.stops = True
        if self.failed:
            self.settle()
        for trial in self.history.runs:
            if not trial.state.ended:
                self._of(trial.number)
        if not self.history.finished:
            self._of(PARENT)
        self.catch_up()
        self.failed = False

    def settle(self) -> None:
        """See what MLflow shows, and write what it shows otherwise: an old request may have come in after a new one."""
        self.runs.find()
        expected = {trial.number: self._expected(trial.number) for trial in self.history.runs}
        for number, state in {PARENT: self._expected(PARENT), **expected}.items():
            if self.runs.shown.get(number) != state:
                self._of(number)

    def write_again(self) -> None:
        """Every state, whatever MLflow shows, of a study that nobody runs."""
        self.catch_up()
        self.failed = True
        self.pause()

    def _front(self) -> set[int]:
        """Trials on the Pareto front; none where there is one objective."""
        return {trial.number for trial in self.history.front(self.study.aims)} if self.study.objectives else set()

    def _of(self, number: int) -> Pending:
        return self.pending.setdefault(number, Pending())

    def _take(self, event: Event) -> None:
        """Note what an event changes, and for whom."""
        self.history.apply(event)
        self.account.apply(event)
        self.row, self.time = event.seq, event.time
        study = self._of(PARENT)
        study.report = bool(self.history.finished)
        if event.kind == "study":
            study.data = True
            study.files["study.yaml"] = event.payload["text"]
            for key, file in FILES.items():
                study.files[file] = json.dumps(event.payload[key], indent=2)
        elif event.kind == "finished" and self.study.objectives:
            for step in progress(self.history, self.study.aims):
                when = self.history.trials[step.trial].ended or event.time
                study.metrics += _metrics({"front/hypervolume": step.hypervolume}, when, step.ended)
        elif event.kind == "asked":
            self._take_new(self.history.run(event.trial) if event.trial else self.history.trials[-1])
        elif event.trial is not None and event.kind in OF_A_RUN:
            trial = self.history.run(event.trial)
            pending = self._of(trial.number)
            if event.kind == "reported":
                pending.metrics += self._metrics_of_report(trial, event)
            elif event.kind == "ended":
                pending.metrics += _metrics({"cost/seconds": trial.seconds}, event.time, trial.last_step)
                if best := trial.best(self.study.objective):
                    found = evaluations.read(self.paths.trial(trial.number), best.step)
                    pending.files |= pages.tables(found)
                study.metrics += self._metrics_of_study(trial, event)
                before, self.front = self.front, self._front()
                for number in before ^ self.front:
                    self._of(number)

    def _take_new(self, trial: Trial) -> None:
        from mlflow.entities import Param

        pending = self._of(trial.number)
        pending.params = [Param(name, str(value)) for name, value in trial.settings.items()]
        pending.files["config.json"] = json.dumps(resolved(self.study.config, trial.settings), indent=2)

    def _metrics_of_report(self, trial: Trial, event: Event) -> list[Any]:
        """All of a report, and the best so far with its step."""
        evaluation = trial.evaluations[-1]
        values = {**evaluation.metrics, "epoch": evaluation.epoch}
        best = trial.best(self.study.objective)
        if best is evaluation:
            aims = [aim.metric for aim in self.study.aims if aim.metric in best.metrics]
            values |= {f"best/{metric}": best.metrics[metric] for metric in aims}
            values["best/step"] = best.step
        return _metrics(values, event.time, evaluation.step)

    def _metrics_of_study(self, trial: Trial, event: Event) -> list[Any]:
        """Over the trials that have ended: the winner's value, whenever there is another winner, and the cost."""
        values = pages.costs(self.account)
        if self.study.objectives:
            values["front/trials"] = len(self.history.front(self.study.aims))
            return _metrics(values, event.time, len(self.history.ended))
        winner = self.history.winner(self.study.objective)
        if winner is trial:
            values[f"best/{self.study.objective.metric}"] = winner.value(self.study.objective) or 0.0
        return _metrics(values, event.time, len(self.history.ended))

    def _drain(self) -> None:
        """The trials', then the study's own, whose run notes with the last of it how far all have come."""
        if self.pending and PARENT not in self.runs.ids:
            self._create_parent()
        for number in sorted(self.pending.keys() - {PARENT}):
            self._send_trial(self.history.run(number), self.pending[number])
            del self.pending[number]
            self.sent += 1
        if PARENT in self.pending:
            self._send_study(self.pending[PARENT])
            del self.pending[PARENT]
            self.sent += 1

    def _create_parent(self) -> str:
        tags = pages.of_new_study(self.study, self.history.record)
        return self.runs.create(PARENT, self.study.study, _milliseconds(self.began), tags)

    def _send_trial(self, trial: Trial, pending: Pending) -> None:
        repeat = {} if trial.confirms is None else {CONFIRMS: str(trial.confirms), SEED: str(trial.seed)}
        run_id = self.runs.create(
            trial.number,
            run_name(trial),
            _milliseconds(trial.asked),
            {CHILD_OF: self.runs.ids[PARENT], **repeat},
        )
        self._send_files(run_id, pending)
        tags = {STATE: str(trial.state)} | ({REASON: trial.reason} if trial.reason else {})
        if self.study.objectives and trial.state.ended:
            tags[FRONT] = str(trial.number in self.front).lower()
        self._send_batches(run_id, pending, tags)
        self._send_status(trial.number, trial.ended if trial.state.ended else None)

    def _send_study(self, pending: Pending) -> None:
        run_id, objective = self.runs.ids[PARENT], self.study.objective
        if pending.data:
            self.client.log_inputs(run_id, list(pages.data_sets(self.history.record["data"], self.study)))
            pending.data = False
        if pending.report:
            self._make_report(pending)
        self._send_files(run_id, pending)
        tags = self._confirmation()
        if self.study.objectives:
            tags[FRONT] = ", ".join(str(trial.number) for trial in self.history.front(self.study.aims))
        elif winner := chosen(self.history, objective):
            tags |= {BEST_TRIAL: str(winner.number), BEST_RUN: self.runs.ids[winner.number]}
            if self.history.finished:
                self._send_winner(winner)
        if self.history.finished:
            tags[REASON] = self.history.finished
        tags[pages.NOTE] = pages.of_study(self.study, self.history, self.account, self.runs.experiment, self.runs.ids)
        self._send_status(PARENT, self.time if self.history.finished else None)
        # last: from here on it counts as written
        tags |= {STATE: self._expected(PARENT)[1], LEDGER_ROW: f"{self.row} {self.time!r}"}
        self._send_batches(run_id, pending, tags)

    def _send_files(self, run_id: str, pending: Pending) -> None:
        for name in list(pending.files):
            self.client.log_text(run_id, pending.files[name], name)
            del pending.files[name]
            self.sent += 1

    def _send_batches(self, run_id: str, pending: Pending, tags: dict[str, str]) -> None:
        """As few calls as MLflow allows; what has arrived is taken off at once."""
        from mlflow.entities import RunTag

        while len(pending.params) > PARAMS_PER_CALL:
            self._send_batch(run_id, pending, ENTITIES_PER_CALL)
        while len(pending.metrics) + len(pending.params) + len(tags) > ENTITIES_PER_CALL:
            self._send_batch(run_id, pending, ENTITIES_PER_CALL)
        self._send_batch(run_id, pending, ENTITIES_PER_CALL, [RunTag(key, value) for key, value in tags.items()])

    def _send_batch(self, run_id: str, pending: Pending, most: int, tags: list[Any] | None = None) -> None:
        params = pending.params[:PARAMS_PER_CALL]
        metrics = pending.metrics[: most - len(params)]
        self.client.log_batch(run_id, metrics=metrics, params=params, tags=tags or [])
        del pending.params[: len(params)], pending.metrics[: len(metrics)]
        self.sent += 1

    def _send_status(self, number: int, ended: float | None) -> None:
        expected, (status, _) = self._expected(number), self.runs.shown[number]
        if status != expected[0]:
            if ended is None:
                self.client.update_run(self.runs.ids[number], status=expected[0])
            else:
                self.client.set_terminated(self.runs.ids[number], expected[0], end_time=_milliseconds(ended))
        self.runs.shown[number] = expected

    def _expected(self, number: int) -> tuple[str, str]:
        """What MLflow is to show: its own status, and our state."""
        if number == PARENT:
            if not self.history.finished:
                return (WAITS, "interrupted") if self.stops else ("RUNNING", "running")
            return ("FINISHED" if chosen(self.history, self.study.objective) else "FAILED"), "finished"
        state = self.history.run(number).state
        return WAITS if self.stops and not state.ended else RUN_STATUS[state], str(state)

    def _confirmation(self) -> dict[str, str]:
        """The numbers of `hpo show --json`."""
        found = confirmation(self.history, self.study.objective)
        winner = found.winner if found else None
        if winner is None or winner.confirmed is None:
            return {}
        told = {
            "hpo.confirmed_trial": winner.trial,
            "hpo.confirmed": winner.confirmed.mean,
            "hpo.confirmed_low": winner.confirmed.low,
            "hpo.confirmed_high": winner.confirmed.high,
            "hpo.optimism": winner.optimism,
        }
        return {name: str(value) for name, value in told.items()}

    def _make_report(self, pending: Pending) -> None:
        """What `hpo report` would write now."""
        from hpo import reporting, results

        try:
            page = reporting.html(results.read(self.study.study), of_terminal().name)
        except Exception:  # whatever is wrong with a page, the study's own numbers are not behind
            log.exception("the report of %s could not be made", self.study.study)
        else:
            pending.files["report.html"] = page
        pending.report = False

    def _send_winner(self, winner: Trial) -> None:
        """The winner's best checkpoint, once, with its run."""
        run_id = self.runs.ids[winner.number]
        if MODEL_URI in self.client.get_run(self.runs.ids[PARENT]).data.tags:
            return  # it is noted there last
        from hpo.tracking.mlflow_model import log_once

        best = winner.best(self.study.objective)
        assert best is not None
        found = evaluations.read(self.paths.trial(winner.number), best.step)
        self._send_files(run_id, Pending(files=pages.answers(found)))
        if best.checkpoint is None:
            return  # the trainable keeps none
        checkpoint = self.paths.trial(winner.number) / best.checkpoint
        run = self.client.get_run(run_id).info
        uri = log_once(self.client, run, checkpoint, self.study, winner, self.history.record["data"])
        self.client.set_tag(run_id, MODEL_URI, uri)
        self.client.set_tag(self.runs.ids[PARENT], MODEL_URI, uri)


def _row_of(run: Any, events: list[Event]) -> int:
    """How many events MLflow has; none where its note is of another ledger, such as one before a repair."""
    row, _, time = run.data.tags.get(LEDGER_ROW, "0").partition(" ") if run else ("0", "", "")
    seq = int(row) if row.isdigit() else 0
    return seq if 0 < seq <= len(events) and repr(events[seq - 1].time) == time else 0


def _metrics(values: dict[str, float], time: float, step: int) -> list[Any]:
    """Finite ones alone: MLflow would show infinity as 1.8e308 and nan as 0."""
    from mlflow.entities import Metric

    return [Metric(name, value, _milliseconds(time), step) for name, value in values.items() if math.isfinite(value)]


def _milliseconds(seconds: float) -> int:
    return int(seconds * 1000)
