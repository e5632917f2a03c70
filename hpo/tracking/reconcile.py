"""Runs that MLflow shows otherwise than the ledger, as those of a killed driver, and how they are set right."""

import math
from collections import Counter
from contextlib import closing
from typing import Any

from hpo.event import Event
from hpo.history import History, fold
from hpo.ledger import Ledger
from hpo.paths import StudyPaths
from hpo.study import restored_study
from hpo.tracking.log_file import chatter_to
from hpo.tracking.mlflow import LEDGER_ROW, RUN_STATUS, WAITS, Writer, quiet
from hpo.tracking.mlflow_runs import PARENT, active, number_of


def reach(uri: str) -> str:
    """The version of MLflow that answered; its own exceptions where none does, or its tables are another version's."""
    client = _client(uri)
    client.search_experiments(max_results=1)
    import mlflow

    return str(mlflow.__version__)


def unlike(paths: StudyPaths, uri: str) -> list[str]:
    """One line for each run that shows another state than the ledger, or more; of a study that nobody runs."""
    events = _events(paths)
    history = fold(events)
    runs = _runs(_client(uri), paths.root.name, history)
    there = {number_of(run): str(run.info.status) for run in runs}
    over = "FINISHED" if history.winner(restored_study(history.record).objective) else "FAILED"
    should: dict[int, str] = {PARENT: over if history.finished else WAITS}
    should |= {trial.number: RUN_STATUS[trial.state] if trial.state.ended else WAITS for trial in history.runs}
    differ = [
        f"{_name(number)}: {there.get(number, 'no run')} in MLflow, {should.get(number, 'unknown')} by the ledger"
        for number in sorted(there.keys() | should.keys())
        if there.get(number) != should.get(number)
    ]
    twice = sorted(number for number, runs in Counter(map(number_of, runs)).items() if runs > 1)
    differ += [f"{_name(number)}: more than one run in MLflow" for number in twice]
    return differ + [f"{_name(number_of(run))}: more epochs in MLflow" for run in _beyond(paths, _client(uri))]


def set_right(paths: StudyPaths, uri: str) -> None:
    """Write every state again. A run that tells more than the ledger goes to MLflow's trash, and is made anew."""
    with chatter_to(paths.log):
        client = _client(uri)
        if beyond := _beyond(paths, client):
            for run in beyond:
                client.delete_run(run.info.run_id)
            _forget_row(paths, client)
        writer = Writer(paths, uri)
        writer.write_again()
        writer.ledger.close()


def _beyond(paths: StudyPaths, client: Any) -> list[Any]:
    """Runs of trials, or of epochs, that the ledger does not know: it was damaged, and its last rows were lost."""
    events = _events(paths)
    history = fold(events)
    epochs = {run.number: -math.inf for run in history.runs}
    for event in events:  # not the trials' own evaluations: a second attempt takes some of these back
        if event.kind == "reported" and event.trial is not None:
            epochs[event.trial] = max(epochs[event.trial], event.payload["epoch"])
    return [
        run
        for run in _runs(client, paths.root.name, history)
        if number_of(run) not in {PARENT, *epochs}
        or run.data.metrics.get("epoch", -math.inf) > epochs.get(number_of(run), math.inf)
    ]


def _events(paths: StudyPaths) -> list[Event]:
    with closing(Ledger(paths.ledger)) as ledger:
        return ledger.events()


def _forget_row(paths: StudyPaths, client: Any) -> None:
    """MLflow is told everything again."""
    for run in _runs(client, paths.root.name, fold(_events(paths))):
        if number_of(run) == PARENT and LEDGER_ROW in run.data.tags:
            client.delete_tag(run.info.run_id, LEDGER_ROW)


def _name(number: int) -> str:
    return "the study" if number == PARENT else f"trial {number:03d}"


def _client(uri: str) -> Any:
    quiet()
    import mlflow

    return mlflow.MlflowClient(tracking_uri=uri)


def _runs(client: Any, study: str, history: History) -> list[Any]:
    """The study's own run, and one for each trial."""
    experiment = client.get_experiment_by_name(study)
    if experiment is None:
        return []
    return list(active(client, experiment.experiment_id, history.record["study_id"]))
