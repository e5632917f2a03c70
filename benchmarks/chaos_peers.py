"""The same faults done to plain Ray Tune with OptunaSearch and to hpo: what is lost, repeated, or hangs?

    python benchmarks/chaos_peers.py [FAULT ...] [--times N] [--seed N] [--quick] [--json FILE]

The judge is a witness that the trainable itself writes, one synchronised line for each thing that happens; both
systems train the same one. Ray Tune has its best documented settings: a checkpoint with each report, FailureConfig of
3 retries, snapshots of its state each second, `Tuner.restore` of unfinished and failed trials where
`Tuner.can_restore` allows it. What ends badly is resumed up to twice more. Whoever, once it has begun, lets nothing
happen for 60 s, hangs. About 40 s for each run. Only root can have a small disk that may run full: else that fault
is left out, and said.
"""

import argparse
import json
import math
import os
import random
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

PROJECT = Path(__file__).parents[1]
sys.path.insert(0, str(PROJECT))

from hpo.environment import describe  # noqa: E402
from tests.toy import note, noted  # noqa: E402
from train_fn.report import Report  # noqa: E402

TRIALS, EPOCHS, AT_ONCE = 6, 8, 2
STARTING, SILENT = 300, 60  # seconds up to the first line of a start or resume, and between two lines
ATTEMPTS = 3  # starts and resumes of one study
DISK = 64 * 2**20  # bytes of the disk that runs full
HPO = str(Path(sys.executable).with_name("hpo"))
OURS, TUNE, DEFAULTS = "hpo", "Ray Tune + OptunaSearch", "the same, snapshots as by default"
SQLITE, SQLITE_DEFAULTS = "the same, Optuna on SQLite", "Optuna on SQLite, snapshots as by default"
DATABASE = "sqlite:///optuna.db"
PEERS = {TUNE: "", DEFAULTS: "", SQLITE: DATABASE, SQLITE_DEFAULTS: DATABASE}  # Optuna's storage

STUDY = f"""\
study: toy
trainable: chaos_peers:epochs
objective: {{maximize: score}}
config: {{witness: ../witness.jsonl, fault: "FAULT"}}
search_space: {{x: {{uniform: [-5.0, 5.0]}}}}
search: {{searcher: tpe, scheduler: fifo, trials: {TRIALS}, seed: SEED}}
workers: {{startup: 60, lease: 15}}
"""


@dataclass(frozen=True, kw_only=True)
class Config:
    x: float = 0.0
    witness: str = ""
    fault: str = ""  # of one trial: from epoch 3 on its score is `nan`, or `missing`


def epochs(config: Config, resume_from: Path | None = None) -> Iterator[Report]:
    done = int((resume_from / "epoch").read_text()) if resume_from else 0
    faulty = config.fault and _first(config.x)
    note(config, "begun", done)  # type: ignore[arg-type]
    for epoch in range(done + 1, EPOCHS + 1):
        time.sleep(0.3)
        note(config, "trained", epoch, faulty=bool(faulty and epoch > 3))  # type: ignore[arg-type]
        metrics = {"score": -((config.x - 3) ** 2) - 1 / epoch, "epoch": epoch}
        if faulty and epoch >= 3:
            metrics["score"] = math.nan
            if config.fault == "missing":
                del metrics["score"]

        def save(folder: Path, epoch: int = epoch) -> None:
            (folder / "weights").write_bytes(bytes(200_000))
            (folder / "epoch").write_text(str(epoch))

        yield Report(epoch=epoch, metrics=metrics, save=save)
        note(config, "acknowledged", epoch)  # type: ignore[arg-type]


def _first(x: float) -> bool:
    """One trial of the study is the faulty one, also after it was begun again."""
    with suppress(FileExistsError):
        Path("faulty").open("x").write(repr(x))
    return Path("faulty").read_text() == repr(x)


def peer(storage: str, seed: int, fault: str) -> None:
    """As Ray's guide to fault tolerance has it."""
    import optuna
    import ray
    from ray import tune
    from ray.tune.search.optuna import OptunaSearch

    def train(settings: dict[str, Any]) -> None:
        checkpoint = tune.get_checkpoint()
        with checkpoint.as_directory() if checkpoint else nullcontext() as folder:
            config = Config(x=settings["x"], witness="../witness.jsonl", fault=fault)
            for report in epochs(config, Path(folder) if folder else None):
                with tempfile.TemporaryDirectory() as at:
                    assert report.save
                    report.save(Path(at))
                    tune.report(dict(report.metrics), checkpoint=tune.Checkpoint.from_directory(at))

    ray.init(address="local", include_dashboard=False, num_cpus=AT_ONCE)
    place = Path("ray_results").absolute()
    if tune.Tuner.can_restore(str(place / "toy")):
        tuner = tune.Tuner.restore(str(place / "toy"), train, resume_unfinished=True, resume_errored=True)
    else:
        opened = optuna.storages.RDBStorage(storage) if storage else None
        tuner = tune.Tuner(
            train,
            param_space={"x": tune.uniform(-5.0, 5.0)},
            tune_config=tune.TuneConfig(
                metric="score",
                mode="max",
                num_samples=TRIALS,
                search_alg=OptunaSearch(seed=seed, storage=opened, study_name="toy"),
                max_concurrent_trials=AT_ONCE,
            ),
            run_config=tune.RunConfig(
                name="toy",
                storage_path=str(place),
                failure_config=tune.FailureConfig(max_failures=3),
                checkpoint_config=tune.CheckpointConfig(num_to_keep=1),
            ),
        )
    found = [[one.config["x"], (one.metrics or {}).get("epoch", 0), str(one.error or "")] for one in tuner.fit()]
    Path("found.json").write_text(json.dumps(found))


class Study:
    """One study of one of the systems in a folder of its own, and the process that runs it now."""

    def __init__(self, system: str, folder: Path, seed: int, fault: str) -> None:
        self.system, self.folder, self.seed, self.fault = system, folder, seed, fault
        self.witness = folder.parent / "witness.jsonl"  # not on the disk that runs full
        self.second = ""  # what a second driver said
        (folder / "study.yaml").write_text(STUDY.replace("SEED", str(seed)).replace("FAULT", fault))

    def start(self, name: str = "out.txt") -> "subprocess.Popen[bytes]":
        words = [HPO, *(["resume", "toy"] if (self.folder / "studies/toy").exists() else ["run", "study.yaml"])]
        if self.system != OURS:
            words = [sys.executable, __file__, "--peer", PEERS[self.system], str(self.seed), self.fault]
        path = f"{PROJECT}{os.pathsep}{PROJECT / 'benchmarks'}"
        environment = {
            **os.environ, "PYTHONPATH": path, "RAY_CHDIR_TO_TRIAL_DIR": "0", "RAY_USAGE_STATS_ENABLED": "0",
        }  # fmt: skip
        if self.system not in (DEFAULTS, SQLITE_DEFAULTS):
            environment["TUNE_GLOBAL_CHECKPOINT_S"] = "1"
        with (self.folder.parent / name).open("w") as out:  # not on the disk that runs full
            self.process = subprocess.Popen(words, cwd=self.folder, stdout=out, stderr=out, env=environment)
        return self.process

    @property
    def lines(self) -> int:
        path = self.witness
        return path.read_bytes().count(b"\n") if path.exists() else 0

    def wait_for(self, lines: int) -> None:
        """Started anew where Ray gives up on a busy machine."""
        until = time.monotonic() + STARTING
        while self.lines < lines and time.monotonic() < until:
            time.sleep(0.05)
            if self.process.poll() is not None and not self.lines:
                self.start()

    def end(self, starting: bool = False) -> int | None:
        """Its exit code; None where nothing has happened for so long that it was ended from outside."""
        seen, since, limit = self.lines, time.monotonic(), STARTING if starting else SILENT
        while self.process.poll() is None:
            time.sleep(0.1)
            if (now := self.lines) != seen:
                seen, since, limit = now, time.monotonic(), SILENT
            if time.monotonic() - since > limit:
                self.process.kill()
                self.process.wait()
                return None
        return self.process.returncode

    def workers(self) -> list[psutil.Process]:
        pids = {line["pid"] for line in noted(self.witness)[-AT_ONCE:]}
        return [psutil.Process(pid) for pid in sorted(pids) if psutil.pid_exists(pid)]

    def clear(self) -> None:
        """End what it has left behind: known by the folder it works in."""
        for process in psutil.process_iter():
            with suppress(psutil.Error, OSError):
                if Path(process.cwd()) == self.folder and process.pid != os.getpid():
                    process.kill()

    def told(self, name: str = "out.txt") -> str:
        """The last line that speaks of an error."""
        lines = (self.folder.parent / name).read_text(errors="replace").splitlines()
        errors = [line for line in lines if "rror" in line and not line.startswith((" ", "|", "\x1b"))]
        return f"{len(lines)} lines; {' '.join((errors or [''])[-1].split())[:300]}"

    def too_busy(self, name: str = "out.txt") -> bool:
        """Ray has given up on the machine before it began, which is no fault of what it was to run."""
        return "Failed to get node info" in (self.folder.parent / name).read_text(errors="replace")

    def found(self) -> dict[float, str]:
        """State of each trial by its x, as the system tells it."""
        if self.system == OURS:
            done = subprocess.run([HPO, "show", "toy", "--json"], cwd=self.folder, capture_output=True, text=True)
            trials = json.loads(done.stdout)["trials"] if done.returncode == 0 else []
            return {trial["params"]["x"]: trial["state"] for trial in trials if trial["state"].isupper()}
        path = self.folder / "found.json"
        rows = json.loads(path.read_text()) if path.exists() else []
        return {x: "COMPLETE" if epoch == EPOCHS else "FAILED" if error else "OPEN" for x, epoch, error in rows}


def kill_driver(study: Study, rng: random.Random) -> None:
    study.process.kill()


def kill_worker(study: Study, rng: random.Random) -> None:
    rng.choice(study.workers()).kill()


def freeze_worker(study: Study, rng: random.Random) -> None:
    rng.choice(study.workers()).suspend()


def fill_disk(study: Study, rng: random.Random) -> None:
    with suppress(OSError), (study.folder / "filler").open("wb", buffering=0) as file:
        while True:
            file.write(bytes(4096))


def second_driver(study: Study, rng: random.Random) -> None:
    """Begun anew where Ray gives up on a busy machine, which is no refusal."""
    first = study.process
    for _ in range(ATTEMPTS):
        second = study.start("second.txt")
        with suppress(subprocess.TimeoutExpired):
            second.wait(timeout=STARTING)
        second.kill()
        study.second = f"{second.wait()}: {study.told('second.txt')}"
        if not study.too_busy("second.txt"):
            break
    study.process = first


def nothing(study: Study, rng: random.Random) -> None:
    pass


# what is done from outside, and what one trial does itself
FAULTS: dict[str, tuple[Callable[[Study, random.Random], None], str]] = {
    "driver killed": (kill_driver, ""),
    "worker killed": (kill_worker, ""),
    "worker frozen": (freeze_worker, ""),
    "second driver": (second_driver, ""),
    "disk full": (fill_disk, ""),
    "score is NaN": (nothing, "nan"),
    "score is missing": (nothing, "missing"),
}


def once(name: str, system: str, seed: int, folder: Path) -> dict[str, Any]:
    rng, (inject, fault) = random.Random(f"{name} {seed}"), FAULTS[name]
    study = Study(system, folder, seed, fault)
    study.start()
    # of the about 100 lines of a whole study; two drivers begin together
    study.wait_for(0 if inject is second_driver else rng.randint(8, 60))
    inject(study, rng)
    codes = [study.end()]
    told, patience = study.told(), 10
    (folder / "filler").unlink(missing_ok=True)
    while not _over(study, codes[-1]) and len(codes) < ATTEMPTS:
        study.clear()
        study.start()
        code, patience = study.end(starting=True), patience - 1
        if code and patience and study.too_busy():
            continue
        codes.append(code)
        told = study.told() if inject is kill_driver else told
    found, trained = study.found(), noted(study.witness)
    study.clear()
    begun = {line["x"] for line in noted(study.witness, "begun")}
    last = Counter(line["x"] for line in noted(study.witness, "acknowledged") if line["epoch"] == EPOCHS)
    ended = {x for x, state in found.items() if state != "OPEN"}
    return {
        "fault": name,
        "system": system,
        "seed": seed,
        "exit codes": codes,
        "trials lost": len(begun - ended) + max(0, TRIALS - len(begun | ended)),
        "trials too many": max(0, len(begun) - TRIALS),
        "epochs trained again": len(trained) - len({(line["x"], line["epoch"]) for line in trained}),
        "finished twice": sum(count > 1 for count in last.values()),
        "epochs after the NaN": sum(line["faulty"] for line in trained),
        "hangs": codes.count(None),
        "came to its end": _over(study, codes[-1]),
        "told": told,
        "second driver": study.second,
    }


def _over(study: Study, code: int | None) -> bool:
    """It says that it is done, and every trial has ended; of hpo 1 says that trials failed."""
    ended = [state for state in study.found().values() if state != "OPEN"]
    return code in ((0, 1) if study.system == OURS else (0,)) and len(ended) >= TRIALS


@contextmanager
def disk() -> Iterator[Path]:
    """A folder, for root on a small disk of its own, beside which a log has room."""
    with tempfile.TemporaryDirectory(prefix="chaos-") as above:
        folder = Path(above) / "disk"
        folder.mkdir()
        if os.geteuid() != 0:
            yield folder
            return
        subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={DISK},mode=700", "tmpfs", folder], check=True)
        try:
            yield folder
        finally:
            subprocess.run(["umount", "--lazy", folder], check=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("faults", nargs="*", metavar="FAULT", help=f"all if left out: {', '.join(FAULTS)}")
    parser.add_argument("--times", type=int, default=3)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--quick", action="store_true", help="each once")
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    if unknown := [name for name in arguments.faults if name not in FAULTS]:
        parser.error(f"there is no fault {unknown[0]!r}; there are {', '.join(FAULTS)}")
    rows = []
    for seed in range(arguments.seed, arguments.seed + (1 if arguments.quick else arguments.times)):
        for name in arguments.faults or FAULTS:
            if FAULTS[name][0] is fill_disk and os.geteuid() != 0:
                print(f"{name}: left out, for only root can mount a small disk")
                continue
            for system in (OURS, *PEERS):
                if system not in (OURS, TUNE) and name != "driver killed":  # all else is the same with them
                    continue
                with disk() as folder:
                    rows.append(once(name, system, seed, folder))
                print(json.dumps(rows[-1]), flush=True)
    show(rows)
    if arguments.json:
        arguments.json.write_text(json.dumps(measurements(rows), indent=1) + "\n", encoding="utf-8")


COUNTS = ("trials lost", "trials too many", "epochs trained again", "finished twice", "epochs after the NaN", "hangs")


def show(rows: list[dict[str, Any]]) -> None:
    """Sums over the runs."""
    print(f"\n| fault | system | {' | '.join(COUNTS)} | came to its end |")
    print("| --- | --- |" + " ---: |" * (len(COUNTS) + 1))
    for fault, system in dict.fromkeys((row["fault"], row["system"]) for row in rows):
        of = [row for row in rows if (row["fault"], row["system"]) == (fault, system)]
        counts = " | ".join(str(sum(row[count] for row in of)) for count in COUNTS)
        print(f"| {fault} | {system} | {counts} | {sum(row['came to its end'] for row in of)} of {len(of)} |")


def measurements(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    environment, of = describe(), Counter[tuple[str, str, str]]()
    for row in rows:
        for count in COUNTS:
            of[row["fault"], count, row["system"]] += row[count]
    return [
        {
            "name": f"chaos_peers: {fault}: {count}",
            "value": of[fault, count, OURS],
            "unit": f"in {sum((row['fault'], row['system']) == (fault, OURS) for row in rows)} runs",
            "target": None,
            "holds": None,
            "peers": {system: of[fault, count, system] for system in PEERS if (fault, count, system) in of},
            "spread": None,
            "environment": environment,
        }
        for fault, count in dict.fromkeys((fault, count) for fault, count, _ in of)
    ]


if __name__ == "__main__":
    if sys.argv[1:2] == ["--peer"]:
        peer(sys.argv[2], int(sys.argv[3]), sys.argv[4])
    else:
        main()
