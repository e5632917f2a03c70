"""Studies on real Ray, whose driver, workers and servers are killed or frozen from outside; the oracle judges."""

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

from tests.faults.study_kills import Kills
from tests.oracle import Evidence, n9_a_second_resume_changes_nothing, violations
from tests.toy import noted

HPO = str(Path(sys.executable).with_name("hpo"))
OF_ONE_STUDY = 5  # faults
LONGEST = 240  # seconds that a study may take after its last fault; it takes a tenth of that
STUDY = """\
study: toy
trainable: toy:epochs
objective: {{maximize: score}}
config: {{max_epochs: 6, seconds: {seconds}, witness: witness.jsonl}}
search_space:
  x: {{uniform: [-5.0, 5.0]}}
search: {{searcher: tpe, scheduler: fifo, trials: {trials}, seed: 0}}
workers: {{startup: 60, lease: 10, retries: 1000}}
"""


@dataclass(frozen=True)
class Running:
    """A driver, and the folder that it was started in."""

    process: subprocess.Popen[str]
    folder: Path

    def servers(self, name: str) -> psutil.Process:
        return next(child for child in psutil.Process(self.process.pid).children() if child.name() == name)

    def worker(self, rng: random.Random) -> psutil.Process:
        """One that trains, by its own word; a dead one's raylet has not yet heard of its end."""
        while True:
            pids = {line["pid"] for line in noted(self.folder / "witness.jsonl")[-4:]}
            for pid in rng.sample(sorted(pids), len(pids)):
                with suppress(psutil.NoSuchProcess):
                    if (found := psutil.Process(pid)).status() != psutil.STATUS_ZOMBIE:
                        return found
            time.sleep(0.1)

    def end(self, seconds: float = LONGEST) -> tuple[int, str, str]:
        out, err = self.process.communicate(timeout=seconds)
        return self.process.returncode, out, err


def lay_out(folder: Path, trials: int = 6, seconds: float = 0.3) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copy(Path(__file__).parents[1] / "toy.py", folder / "toy.py")
    (folder / "study.yaml").write_text(STUDY.format(trials=trials, seconds=seconds))
    return folder


def begin(folder: Path, *words: str) -> Running:
    """In a session of its own, as under a service manager."""
    process = subprocess.Popen(
        [HPO, *words], cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    return Running(process, folder)


def first_or_next(folder: Path) -> list[str]:
    return ["resume", "toy"] if (folder / "studies" / "toy").exists() else ["run", "study.yaml"]


def wait_for(condition: Callable[[], bool], seconds: float = 120) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.05)


def wait_for_lines(running: Running, lines: int, witness: Path | None = None) -> bool:
    """Until the trainables have noted so many more; False where the study is over before."""
    witness = witness or running.folder / "witness.jsonl"
    wanted = len(noted(witness)) + lines
    wait_for(lambda: len(noted(witness)) >= wanted or running.process.poll() is not None, seconds=LONGEST)
    return running.process.poll() is None


def kill_driver(running: Running, rng: random.Random) -> None:
    running.process.kill()
    running.process.communicate()


def kill_server(running: Running, rng: random.Random) -> None:
    """The driver says so and ends in 75 within a minute, whatever it was waiting for."""
    running.servers(rng.choice(["raylet", "gcs_server"])).kill()
    code, _, err = running.end(seconds=60)
    assert code == 75 and err.startswith("error: Ray's ") and err.count("\n") == 1, (code, err)


def kill_worker(running: Running, rng: random.Random) -> None:
    running.worker(rng).kill()


def freeze_worker(running: Running, rng: random.Random) -> None:
    """Stopped until it has been replaced, then let go: what it says late must not count."""
    worker = running.worker(rng)
    worker.suspend()
    wait_for(lambda: not psutil.pid_exists(worker.pid) or worker.status() == psutil.STATUS_ZOMBIE, seconds=60)
    if psutil.pid_exists(worker.pid):
        worker.send_signal(signal.SIGCONT)


Fault = Callable[[Running, random.Random], None]
ENDS_DRIVER: set[Fault] = {kill_driver, kill_server}


def study_under(folder: Path, faults: list[Fault], seed: int) -> Kills:
    """One study through these faults to its end."""
    rng, done, trials = random.Random(seed), Kills(), max(6, 2 * len(faults))
    lay_out(folder, trials)
    running = begin(folder, *first_or_next(folder))
    for fault in faults:
        if not wait_for_lines(running, rng.randint(1, 8)):
            break
        fault(running, rng)
        done.kills += 1
        if fault in ENDS_DRIVER:
            running = begin(folder, *first_or_next(folder))
    code, out, err = running.end()
    done.wrong += [f"ended in {code}: {err}"] if code else judged(folder, trials, done.kills)
    return done


def studies_under(scratch: Path, fault: Fault, times: int, seed: int) -> Iterator[tuple[str, Kills]]:
    """One study after the other, each through some of these faults, until there have been so many."""
    count = number = 0
    while count < times:
        folder = scratch / f"study-{number:03d}"
        faults = [fault] * min(OF_ONE_STUDY, times - count)
        try:
            found = study_under(folder, faults, seed + number)
        except (AssertionError, subprocess.TimeoutExpired, psutil.Error) as error:  # hung, or said something else
            found = Kills(len(faults), [f"{type(error).__name__}: {error}"])
        yield f"seed {seed + number}", found
        count, number = count + max(found.kills, 1), number + 1


def judged(folder: Path, trials: int, crashes: int) -> list[str]:
    """All of N1 to N9."""
    at_once = os.cpu_count() or 1
    evidence = Evidence(folder=folder, study="toy", trials=trials, crashes=crashes, at_once=at_once)
    show = subprocess.run([HPO, "show", "toy", "--json"], cwd=folder, capture_output=True, text=True, check=True)
    wrong = violations(evidence, json.loads(show.stdout))
    before = (evidence.root / "ledger.db").read_bytes()
    code, _, _ = begin(folder, "resume", "toy").end()
    return [*wrong, *n9_a_second_resume_changes_nothing(before, (evidence.root / "ledger.db").read_bytes(), code)]
