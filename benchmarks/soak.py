"""Does a long study leak? Thousands of trials that train nothing, on Ray, one in a hundred with a fault.

    python benchmarks/soak.py [--trials 5000] [--quick] [--json FILE]

The fault is, by the trial's number, an error of the trainable, a worker that dies, or a score that is no number. While
the study runs, the driver is looked at from outside: its memory, its open files, its threads, and the processes below
it. Growth is that from the first tenth of the trials to the last. Afterwards nothing may be left: no process, no
segment of shared memory, no folder of Ray's.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import closing, suppress
from dataclasses import asdict, dataclass
from pathlib import Path

import psutil

from hpo.environment import describe
from hpo.executors import ray_session
from hpo.history import State, fold
from hpo.ledger import Ledger
from hpo.paths import StudyPaths

MOST_MB = 50.0
TRAINABLE = """\
import os, signal
from dataclasses import dataclass
from pathlib import Path
from train_fn.report import Report

@dataclass(frozen=True, kw_only=True)
class Config:
    number: float = 0.0
    max_epochs: int = 3

def epochs(config: Config, resume_from=None):
    fault = int(config.number * 30_000) % 300  # 0, 1 and 2: one trial in a hundred, good ones and bad ones
    died = Path(f"died-{config.number}")
    for epoch in range(1, 4):
        if fault == 0:
            raise ValueError(f"broken at {config.number}")
        if fault == 1 and not died.exists():
            died.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        score = float("nan") if fault == 2 else config.number + epoch
        yield Report(epoch=epoch, metrics={"score": score}, save=lambda folder: (folder / "x").write_text("x"))
"""
STUDY = """\
study: soak
trainable: soaked:epochs
objective: {{maximize: score}}
search_space: {{number: {{uniform: [0.0, 1.0]}}}}
search: {{searcher: random, scheduler: asha, trials: {trials}}}
"""


@dataclass(frozen=True)
class Seen:
    trials: int  # that have ended
    megabytes: float  # of the driver
    files: int  # that it has open
    threads: int
    processes: int  # below it
    workers_megabytes: float  # of all those


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, default=5_000)
    parser.add_argument("--quick", action="store_true", help="300 trials")
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    trials = 300 if arguments.quick else arguments.trials
    shared, began = shared_memory(), time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        seen, states, cpu = soaked(Path(folder), trials)
        left = left_over(Path(folder), shared)
    seconds = time.monotonic() - began
    print(f"{'trials':>8}{'driver MB':>11}{'files':>7}{'threads':>9}{'processes':>11}{'their MB':>10}")
    for one in seen[:: max(1, len(seen) // 20)]:
        print(f"{one.trials:8,}{one.megabytes:11.1f}{one.files:7}{one.threads:9}{one.processes:11}"
              f"{one.workers_megabytes:10.0f}")  # fmt: skip
    grown = growth(seen, trials)
    print(f"\n{trials:,} trials in {seconds:,.0f} s, {cpu / trials * 1e3:.1f} ms of processor each: {states}")
    print("grown from the first tenth to the last: " + ", ".join(f"{name} {by:+.1f}" for name, by in grown.items()))
    print(f"left over: {', '.join(left) or 'nothing'}")
    if arguments.json:
        found = {"seen": [asdict(one) for one in seen], "grown": grown, "left": left, "states": states}
        arguments.json.write_text(json.dumps({"environment": describe(), **found}, indent=1) + "\n", encoding="utf-8")
    sys.exit(bool(left) or grown["megabytes"] > MOST_MB or grown["files"] > 2)


def soaked(folder: Path, trials: int) -> tuple[list[Seen], dict[str, int], float]:
    """What was seen meanwhile, how the trials ended, and the seconds of processor of driver, Ray and workers."""
    (folder / "soaked.py").write_text(TRAINABLE, encoding="utf-8")
    (folder / "soak.yaml").write_text(STUDY.format(trials=trials), encoding="utf-8")
    environment = {name: value for name, value in os.environ.items() if name != "MLFLOW_TRACKING_URI"}
    before = os.times()
    with open(folder / "said.txt", "w") as said:
        command = [sys.executable, "-m", "hpo", "run", "soak.yaml"]
        driver = subprocess.Popen(command, cwd=folder, stdout=said, stderr=subprocess.STDOUT, env=environment)
        seen = []
        while driver.poll() is None:
            time.sleep(1)
            with suppress(psutil.Error):
                if ended := ended_trials(folder):
                    seen.append(look(psutil.Process(driver.pid), ended))
    after = os.times()
    if driver.returncode:
        sys.exit((folder / "said.txt").read_text()[-2000:])
    with closing(Ledger(StudyPaths(folder / "studies" / "soak").ledger)) as ledger:
        history = fold(ledger.events())
    states = {str(state): sum(trial.state is state for trial in history.trials) for state in State if state.ended}
    cpu = after.children_user + after.children_system - before.children_user - before.children_system
    return seen, states, cpu


def ended_trials(folder: Path) -> int:
    said = folder / "said.txt"
    ends = (" complete: ", " pruned: ", " failed: ", " diverged: ")
    return sum(any(end in line for end in ends) for line in said.read_text().splitlines())


def look(driver: psutil.Process, trials: int) -> Seen:
    below = driver.children(recursive=True)
    theirs = 0.0
    for process in below:
        with suppress(psutil.Error):
            theirs += process.memory_info().rss / 1e6
    return Seen(trials, driver.memory_info().rss / 1e6, driver.num_fds(), driver.num_threads(), len(below), theirs)


def growth(seen: list[Seen], trials: int) -> dict[str, float]:
    """Medians of the last tenth of the trials less those of the first; what comes after the last one is the end's."""
    first = [one for one in seen if one.trials <= trials / 10] or seen[:1]
    last = [one for one in seen if trials * 0.9 <= one.trials < trials] or seen[-1:]
    names = ("megabytes", "files", "threads", "processes", "workers_megabytes")
    middle = {name: [statistics.median(getattr(one, name) for one in part) for part in (first, last)] for name in names}
    return {name: end - start for name, (start, end) in middle.items()}


def shared_memory() -> set[str]:
    return {str(path) for path in Path("/dev/shm").glob("*")}


def left_over(folder: Path, shared: set[str]) -> list[str]:
    """What belongs to the study and is still there."""
    processes = []
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            if Path(process.cwd()).is_relative_to(folder):
                processes.append(f"process {process.pid}: {' '.join(process.cmdline())[:80]}")
    of_ray = [str(path) for path, study in ray_session.folders().items() if study.is_relative_to(folder)]
    return [*processes, *of_ray, *sorted(shared_memory() - shared)]


if __name__ == "__main__":
    main()
