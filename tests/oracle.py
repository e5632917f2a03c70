"""What "nothing is lost" means, N1 to N9: told from raw rows and raw files alone, never by the code that is judged.

The witness is a file that the trainable itself writes (tests/toy.py), line by line, each on the disk before it goes on:
what was begun, trained, and acknowledged. A crash is any kill of a driver, a worker or a server of Ray's.
"""

import hashlib
import json
import math
import sqlite3
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import psycopg

ENDED = {"COMPLETE", "PRUNED", "DIVERGED", "FAILED"}
MLFLOW_STATUS = {"COMPLETE": "FINISHED", "PRUNED": "KILLED", "DIVERGED": "FAILED", "FAILED": "FAILED"}


@dataclass(frozen=True)
class Evidence:
    """What a study has left in the folder in which `hpo` was run. Its objective is to maximize `score`."""

    folder: Path
    study: str
    trials: int  # asked for
    crashes: int
    at_once: int = 1  # trials that run side by side
    tracked: bool = True  # MLflow's database is there to be read
    seen: Path | None = None  # the witness file, if it lies elsewhere
    server: str = ""  # URL of the PostgreSQL database that holds the ledger, if none of its own does

    @property
    def root(self) -> Path:
        return self.folder / "studies" / self.study

    def rows(self, kind: str = "") -> list[dict[str, Any]]:
        columns = "seq, time, kind, trial, attempt, step, payload"
        with closing(self._database()) as database:
            found = database.execute(f"select {columns} from events order by seq")
            names = [column[0] for column in found.description]
            rows = [dict(zip(names, row, strict=True)) for row in found]
        for row in rows:
            row["payload"] = row["payload"] if self.server else json.loads(row["payload"])
        return [row for row in rows if kind in ("", row["kind"])]

    def _database(self) -> Any:
        if not self.server:
            return sqlite3.connect(self.root / "ledger.db")
        schema = (self.root / "ledger.url").read_text().strip().rpartition("schema=")[2]
        return psycopg.connect(self.server, options=f"-c search_path={schema}")

    def witness(self, what: str) -> list[dict[str, Any]]:
        lines = (self.seen or self.folder / "witness.jsonl").read_text().splitlines()
        return [line for line in map(json.loads, lines) if line["what"] == what]

    @property
    def x(self) -> dict[int, float]:
        """Each trial's only parameter, by which the witness knows it."""
        return {number: row["payload"]["params"]["x"] for number, row in enumerate(self.rows("asked"))}


def violations(evidence: Evidence, shown: dict[str, Any]) -> list[str]:
    """Of N1 to N8; `shown` is what `hpo show STUDY --json` prints. N9 is a second resume, see `unchanged`."""
    found = [
        *n1_every_trial_ended_once(evidence),
        *n2_no_trial_was_asked_for_twice(evidence),
        *n3_every_acknowledged_report_is_there(evidence),
        *n4_little_was_trained_again(evidence),
        *n5_checkpoints_are_whole(evidence),
        *n6_nothing_is_left_running(evidence),
        *n8_the_winner_is_the_best(evidence, shown),
    ]
    return [*found, *n7_mlflow_tells_the_same(evidence)] if evidence.tracked else found


def n1_every_trial_ended_once(evidence: Evidence) -> Iterator[str]:
    ended = Counter(row["trial"] for row in evidence.rows("ended"))
    if set(ended) != set(range(evidence.trials)) or set(ended.values()) != {1}:
        yield f"N1: of {evidence.trials} trials these ended, so often: {dict(ended)}"
    states = {row["payload"]["state"] for row in evidence.rows("ended")}
    if not states <= ENDED:
        yield f"N1: {states - ENDED} are no ends"
    if [row["kind"] for row in evidence.rows()].count("finished") != 1:
        yield "N1: the study did not finish once"


def n2_no_trial_was_asked_for_twice(evidence: Evidence) -> Iterator[str]:
    params = [json.dumps(row["payload"]["params"], sort_keys=True) for row in evidence.rows("asked")]
    if len(set(params)) != len(params):
        yield f"N2: {len(params) - len(set(params))} configurations were asked for twice"


def decisions(evidence: Evidence) -> list[Any]:
    """N2, for one worker: what was proposed and decided, in order; a crash must not show in it."""
    kept = {"asked": ["params"], "decided": ["reason"], "ended": ["state", "reason"], "continued": ["reason"]}
    return [
        (row["kind"], row["trial"], [row["payload"][name] for name in kept[row["kind"]]])
        for row in evidence.rows()
        if row["kind"] in kept
    ]


def n3_every_acknowledged_report_is_there(evidence: Evidence) -> Iterator[str]:
    x = evidence.x
    there = {
        (x[row["trial"]], row["payload"]["epoch"], float(row["payload"]["metrics"]["score"]))
        for row in evidence.rows("reported")
    }
    for line in evidence.witness("acknowledged"):
        if (line["x"], float(line["epoch"]), line["score"]) not in there:
            yield f"N3: epoch {line['epoch']} of x={line['x']} was acknowledged and is not in the ledger"


def n4_little_was_trained_again(evidence: Evidence) -> Iterator[str]:
    trained = evidence.witness("trained")
    again = len(trained) - len({(line["x"], line["epoch"]) for line in trained})
    if again > evidence.crashes * evidence.at_once:
        yield f"N4: {again} epochs were trained again after {evidence.crashes} crashes"
    over: set[int] = set()
    for row in evidence.rows():
        if row["kind"] == "started" and row["trial"] in over:
            yield f"N4: trial {row['trial']} was started after its end"
        if row["kind"] == "ended":
            over.add(row["trial"])
    starts = Counter(evidence.x[row["trial"]] for row in evidence.rows("started"))
    begun = Counter(line["x"] for line in evidence.witness("begun"))
    if unknown := {x: count for x, count in begun.items() if count > starts[x]}:
        yield f"N4: more was begun than was started: {unknown}"


def n5_checkpoints_are_whole(evidence: Evidence) -> Iterator[str]:
    folders = sorted((evidence.root / "trials").glob("*/*"))
    winner = best(evidence)
    wanted = [evidence.root / "trials" / f"{winner['trial']:04d}" / winner["payload"]["checkpoint"]] if winner else []
    if folders != wanted:
        yield f"N5: there are {[str(one.relative_to(evidence.root)) for one in folders]}, and not the winner's best"
    for folder in wanted:
        files = json.loads((folder / "manifest.json").read_text())["files"] if folder.exists() else {}
        for name, sealed in files.items():
            if hashlib.sha256((folder / name).read_bytes()).hexdigest() != sealed["sha256"]:
                yield f"N5: {folder / name} is not as it was written"


def n6_nothing_is_left_running(evidence: Evidence) -> Iterator[str]:
    """By the working folder: every process of Ray's inherits it, and no change of name hides it."""
    for process in psutil.process_iter():
        try:
            if Path(process.cwd()) == evidence.folder and process.pid != psutil.Process().pid:
                yield f"N6: process {process.pid} ({process.name()}) is left"
        except (psutil.Error, OSError):
            continue
    for folder in Path("/tmp").glob("hpo-ray-*"):
        if (folder / "study").exists() and (folder / "study").read_text() == str(evidence.root):
            yield f"N6: {folder} is left"


def n7_mlflow_tells_the_same(evidence: Evidence) -> Iterator[str]:
    ended = {row["trial"]: row["payload"]["state"] for row in evidence.rows("ended")}
    with closing(sqlite3.connect(evidence.folder / "mlflow.db")) as database:
        runs = database.execute(
            "select r.run_uuid, r.status, t.value from runs r left join tags t "
            "on r.run_uuid = t.run_uuid and t.key = 'hpo.trial' where r.lifecycle_stage = 'active'"
        ).fetchall()
        points = database.execute("select run_uuid, step, value from metrics where key = 'score'").fetchall()
    trials = {uuid: int(trial) for uuid, _, trial in runs if trial is not None}
    if len(runs) != len(ended) + 1 or sorted(trials.values()) != sorted(ended):
        yield f"N7: {len(runs)} runs of MLflow for {len(ended)} trials and one study"
    for uuid, status, _ in runs:
        expected = MLFLOW_STATUS[ended[trials[uuid]]] if uuid in trials else "FINISHED"
        if status != expected:
            yield f"N7: the run of trial {trials.get(uuid, 'none, the study')} is {status}, not {expected}"
    told = sorted((trials[uuid], step, value) for uuid, step, value in points if uuid in trials)
    if told != (reported := sorted(last_reports(evidence))):
        yield f"N7: MLflow has {len(told)} scores, the ledger {len(reported)}, or others"


def last_reports(evidence: Evidence) -> list[tuple[int, int, float]]:
    """(trial, step, score), each once; one that is reported again after a crash must be the same."""
    found = {
        (row["trial"], row["step"], float(row["payload"]["metrics"]["score"])) for row in evidence.rows("reported")
    }
    return [one for one in found if math.isfinite(one[2])]


def best(evidence: Evidence) -> dict[str, Any] | None:
    """The row of the best report of all trials that came to a regular end; the earliest of equals."""
    regular = {row["trial"] for row in evidence.rows("ended") if row["payload"]["state"] in ("COMPLETE", "PRUNED")}
    rows = [row for row in evidence.rows("reported") if row["trial"] in regular]
    finite = [row for row in rows if math.isfinite(float(row["payload"]["metrics"]["score"]))]
    return max(finite, key=lambda row: (row["payload"]["metrics"]["score"], -row["trial"], -row["step"]), default=None)


def n8_the_winner_is_the_best(evidence: Evidence, shown: dict[str, Any]) -> Iterator[str]:
    row = best(evidence)
    told = shown["best"] and (shown["best"]["trial"], shown["best"]["best_step"], shown["best"]["value"])
    if told != (row and (row["trial"], row["step"], row["payload"]["metrics"]["score"])):
        yield f"N8: hpo shows {told} as the winner, the rows say {row}"


def n9_a_second_resume_changes_nothing(before: bytes, after: bytes, code: int) -> Iterator[str]:
    if after != before or code != 0:
        yield f"N9: a second resume ended in {code}, and {'changed' if after != before else 'kept'} the ledger"
