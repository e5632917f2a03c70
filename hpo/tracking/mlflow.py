"""MLflow as a projection of the ledger: a parent run per study and a child run per trial, by the driver alone.

It runs behind, from a cursor, in batches. A run is found again by its tag, never by its name; a metric keeps the time
at which it was acknowledged, so that one delivered twice is stored once. A server that is down holds up nobody.
"""

import json
import logging
import math
import os
import threading
from collections import defaultdict
from pathlib import Path
from typing import Any

from hpo.history import State, Trial, fold
from hpo.ledger import Event, Ledger
from hpo.paths import StudyPaths
from hpo.study_file import Study, restored_study
from hpo.trainable import resolved

STUDY_ID, TRIAL, STATE, REASON, CHILD_OF = "hpo.study_id", "hpo.trial", "hpo.state", "hpo.reason", "mlflow.parentRunId"
BEST_TRIAL, BEST_RUN, MODEL_URI, FINGERPRINT = "hpo.best_trial", "hpo.best_run", "hpo.model_uri", "hpo.data_fingerprint"

# a trial's state in the words that MLflow has; SCHEDULED: it waits for `hpo resume`
RUN_STATUS = {
    State.WAITING: "SCHEDULED",
    State.RUNNING: "RUNNING",
    State.COMPLETE: "FINISHED",
    State.PRUNED: "KILLED",
    State.DIVERGED: "FAILED",
    State.FAILED: "FAILED",
}
AFTER_THE_END = {"test_opened", "promoted"}  # they change no run
EVERY_SECONDS = 2.0
METRICS_PER_CALL = 1000  # MLflow's own limit

log = logging.getLogger(__name__)


def tracking_uri() -> str:
    """MLFLOW_TRACKING_URI, or the database `mlflow.db` in the working directory, as MLflow's own default is."""
    return os.environ.get("MLFLOW_TRACKING_URI") or f"sqlite:///{Path.cwd() / 'mlflow.db'}"


def quiet() -> None:
    """No telemetry, no coloured log lines, no links to runs. Read by MLflow when it is imported."""
    os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"
    os.environ["MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT"] = "true"
    os.environ["MLFLOW_ENABLE_SYSTEM_METRICS_LOGGING"] = "false"
    os.environ["MLFLOW_ALLOW_PICKLE_DESERIALIZATION"] = "false"
    # the projection tries again by itself; MLflow's own seven tries would hold up a study's end for minutes
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1")
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "20")


class Projection(threading.Thread):
    """Follows the ledger until `finish`; all its work is done on its own thread and its own database connection."""

    def __init__(self, paths: StudyPaths, uri: str) -> None:
        super().__init__(name="mlflow", daemon=True)
        self.paths, self.uri = paths, uri
        self.done = threading.Event()
        self.behind = ""  # why events are still waiting, in one line

    def run(self) -> None:
        quiet()
        writer: Writer | None = None
        last_round = False
        while not last_round:
            last_round = self.done.wait(EVERY_SECONDS)  # one more round after the study's end
            try:
                writer = writer or Writer(self.paths, self.uri)
                writer.catch_up()
                if last_round:
                    writer.pause()
                self.behind = ""
            except Exception as error:
                log.warning("mlflow is behind", exc_info=True)
                self.behind, writer = f"{type(error).__name__}: {' '.join(str(error).split())[:200]}", None

    def finish(self) -> str:
        """Write what is left; why it could not be written, or nothing."""
        self.done.set()
        self.join()
        return self.behind


class Writer:
    """Brings MLflow from the cursor to the end of the ledger."""

    def __init__(self, paths: StudyPaths, uri: str) -> None:
        import mlflow

        mlflow.set_tracking_uri(uri)
        self.client = mlflow.MlflowClient(tracking_uri=uri)
        self.paths = paths
        self.ledger = Ledger(paths.ledger)
        events = self.ledger.events()
        record = events[0]
        assert record.kind == "study", record
        self.study: Study = restored_study(record.payload["spec"])
        self.study_id: str = record.payload["study_id"]
        self.experiment = self._experiment()
        parent, self.children = self._find_runs()
        # a cursor counts only for the server that it was written for
        self.cursor = self._read_cursor() if parent else 0
        self.parent = parent or self._create_parent(record)
        self.history = fold([event for event in events if event.seq <= self.cursor])

    def catch_up(self) -> None:
        """Write all that has come since; the cursor moves only after MLflow has it."""
        events = self.ledger.events(after=self.cursor)
        if not events:
            return
        metrics: dict[str, list[Any]] = defaultdict(list)
        touched: set[int] = set()
        for event in events:
            self.history.apply(event)
            if event.kind == "study":
                self._describe_parent(event)
            elif event.kind == "asked":
                self._describe_child(self.history.trials[-1])
            elif event.kind == "reported":
                trial = self.history.trials[event.trial or 0]
                metrics[self._child(trial)] += self._metrics(trial, event)
            if event.trial is not None and event.kind not in AFTER_THE_END:
                touched.add(event.trial)
        for run_id, points in metrics.items():
            for start in range(0, len(points), METRICS_PER_CALL):
                self.client.log_batch(run_id, metrics=points[start : start + METRICS_PER_CALL])
        for number in sorted(touched):
            self._write_state(self.history.trials[number])
        if any(event.kind not in AFTER_THE_END for event in events):
            self._write_study_state(events[-1])
        self._write_cursor(events[-1].seq)

    def _experiment(self) -> str:
        name = self.study.study
        there = self.client.get_experiment_by_name(name)
        if there is not None:
            if there.lifecycle_stage == "deleted":
                self.client.restore_experiment(there.experiment_id)
            return str(there.experiment_id)
        artifacts = None
        if self.client.tracking_uri.startswith("sqlite"):  # a server decides for itself
            artifacts = (Path.cwd() / "mlartifacts" / name).as_uri()
        return str(self.client.create_experiment(name, artifact_location=artifacts))

    def _find_runs(self) -> tuple[str | None, dict[int, str]]:
        """Runs that an earlier driver of this study created."""
        parent, children, page = None, {}, None
        while True:
            found = self.client.search_runs(
                [self.experiment], f"tags.`{STUDY_ID}` = '{self.study_id}'", max_results=1000, page_token=page
            )
            for run in found:
                if TRIAL in run.data.tags:
                    children[int(run.data.tags[TRIAL])] = str(run.info.run_id)
                else:
                    parent = str(run.info.run_id)
            page = found.token
            if not page:
                return parent, children

    def _create_parent(self, record: Event) -> str:
        payload = record.payload
        run = self.client.create_run(
            self.experiment,
            run_name=self.study.study,
            start_time=_milliseconds(record.time),
            tags={
                STUDY_ID: self.study_id,
                "hpo.searcher": self.study.search.searcher,
                "hpo.scheduler": json.dumps(self.study.search.scheduler),
                "hpo.objective": json.dumps(self.study.objective.model_dump(exclude_none=True)),
                "hpo.trials": str(self.study.search.trials),
                FINGERPRINT: payload["data"].get("fingerprint", ""),
                "mlflow.source.git.commit": payload["environment"].get("git_commit", ""),
            },
        )
        return str(run.info.run_id)

    def _describe_parent(self, record: Event) -> None:
        """Apart from creating the run: what a crash in between left out is written again."""
        self.client.log_text(self.parent, record.payload["text"], "study.yaml")
        self.client.log_dict(self.parent, record.payload["spec"], "study.json")
        self.client.log_dict(self.parent, record.payload["environment"], "environment.json")
        self.client.log_dict(self.parent, record.payload["data"], "data.json")

    def _child(self, trial: Trial) -> str:
        if trial.number not in self.children:
            run = self.client.create_run(
                self.experiment,
                run_name=f"trial {trial.number:03d}",
                start_time=_milliseconds(trial.asked),
                tags={CHILD_OF: self.parent, STUDY_ID: self.study_id, TRIAL: str(trial.number)},
            )
            self.children[trial.number] = str(run.info.run_id)
        return self.children[trial.number]

    def _describe_child(self, trial: Trial) -> None:
        from mlflow.entities import Param

        run_id = self._child(trial)
        self.client.log_batch(run_id, params=[Param(name, str(value)) for name, value in trial.params.items()])
        self.client.log_dict(run_id, resolved(self.study.config, trial.params), "config.json")

    def _metrics(self, trial: Trial, event: Event) -> list[Any]:
        """All finite metrics of a report, and the best so far with its step; MLflow would show infinity as 1.8e308."""
        from mlflow.entities import Metric

        evaluation, time = trial.evaluations[-1], _milliseconds(event.time)
        values = {**evaluation.metrics, "epoch": evaluation.epoch}
        best = trial.best(self.study.objective)
        if best is evaluation:
            values[f"best/{self.study.objective.metric}"] = best.metrics[self.study.objective.metric]
            values["best/step"] = best.step
        return [Metric(name, value, time, evaluation.step) for name, value in values.items() if math.isfinite(value)]

    def _write_state(self, trial: Trial) -> None:
        run_id = self._child(trial)
        self.client.set_tag(run_id, STATE, trial.state)
        if trial.reason:
            self.client.set_tag(run_id, REASON, trial.reason)
        if trial.state.ended:
            assert trial.ended is not None
            self.client.set_terminated(run_id, RUN_STATUS[trial.state], end_time=_milliseconds(trial.ended))
        else:
            self.client.update_run(run_id, status=RUN_STATUS[trial.state])

    def _write_study_state(self, last: Event) -> None:
        objective = self.study.objective
        winner = self.history.winner(objective)
        if winner is not None:
            best = winner.best(objective)
            assert best is not None
            self.client.set_tag(self.parent, BEST_TRIAL, str(winner.number))
            self.client.set_tag(self.parent, BEST_RUN, self._child(winner))
            self.client.log_metric(
                self.parent,
                f"best/{objective.metric}",
                best.metrics[objective.metric],
                timestamp=_milliseconds(best.time),
            )
        if not self.history.finished:
            self.client.update_run(self.parent, status="RUNNING")
            return
        self.client.set_tag(self.parent, REASON, self.history.finished)
        self._log_curves(winner)
        if winner is not None:
            self._log_winner(winner)
        self.client.set_terminated(self.parent, "FINISHED" if winner else "FAILED", end_time=_milliseconds(last.time))

    def _log_curves(self, winner: Trial | None) -> None:
        import pandas as pd

        from dashboards import learning_curves

        metric = self.study.objective.metric
        rows = [
            {"trial": trial.number, "state": trial.state, "epoch": e.epoch, "value": e.metrics.get(metric, math.nan)}
            for trial in self.history.trials
            for e in trial.evaluations
        ]
        if rows:
            curves = learning_curves.data(pd.DataFrame(rows), winner.number if winner else None)
            page = learning_curves.page(curves, metric, f"study {self.study.study}")
            self.client.log_text(self.parent, page, "learning_curves.html")

    def _log_winner(self, winner: Trial) -> None:
        """The winner's best checkpoint, once, with its run."""
        run_id = self._child(winner)
        if MODEL_URI in self.client.get_run(run_id).data.tags:
            return
        from hpo.tracking.mlflow_model import log_model

        best = winner.best(self.study.objective)
        assert best is not None
        if best.checkpoint is None:
            return  # the trainable keeps none
        checkpoint = self.paths.trial(winner.number) / best.checkpoint
        uri = log_model(self.client, run_id, checkpoint, self.study, winner)
        self.client.set_tag(run_id, MODEL_URI, uri)
        self.client.set_tag(self.parent, MODEL_URI, uri)

    def pause(self) -> None:
        """The driver stops: nothing is RUNNING any more, everything unfinished waits."""
        for trial in self.history.trials:
            if not trial.state.ended:
                self.client.update_run(self._child(trial), status="SCHEDULED")
        if not self.history.finished:
            self.client.update_run(self.parent, status="SCHEDULED")

    def _read_cursor(self) -> int:
        try:
            return int(json.loads(self.paths.mlflow_cursor.read_text())["seq"])
        except (FileNotFoundError, ValueError):  # none yet, or cut off by a power cut: everything is written again
            return 0

    def _write_cursor(self, seq: int) -> None:
        temporary = self.paths.mlflow_cursor.with_suffix(".tmp")
        temporary.write_text(json.dumps({"seq": seq}))
        temporary.replace(self.paths.mlflow_cursor)
        self.cursor = seq


def _milliseconds(seconds: float) -> int:
    return int(seconds * 1000)
