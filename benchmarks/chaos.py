"""What is lost when things break: each fault is done to real studies, as often as one likes, and an oracle judges.

    python benchmarks/chaos.py [FAULT ...] [--quick] [--seed N] [--times X] [--json FILE]

Each fault is a function below; a new one is a function and a line in FAULTS. A seed is printed with each, and the same
seed does the same again. `--times 0.1` does a tenth of it. What strace or PostgreSQL is needed for is left out, and
said, where they are absent. Some hours for all on 2 cores; `--quick` does a fiftieth of it.
"""

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import chdir, contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass, field
from multiprocessing import get_context
from pathlib import Path
from random import Random
from typing import Any

PROJECT = Path(__file__).parents[1]
sys.path.insert(0, str(PROJECT))

from hpo.environment import describe  # noqa: E402
from hpo.errors import DiskError, HpoError  # noqa: E402
from hpo.ledger_server import VARIABLE  # noqa: E402
from hpo.tracking.mlflow import quiet  # noqa: E402
from tests.faults import mlflow_faults, mutations, ray_kills, traced  # noqa: E402
from tests.faults.kills import random_kills, wait_for_commits  # noqa: E402
from tests.faults.power_loss import power_losses  # noqa: E402
from tests.faults.promotions import promoted_at_once  # noqa: E402
from tests.faults.session import judge, session  # noqa: E402
from tests.faults.study_kills import Kills, kills_until, two_at_once  # noqa: E402
from tests.mlflow_server import Faults, proxy  # noqa: E402
from tests.mlflow_server import server as mlflow_server  # noqa: E402
from tests.postgresql import cluster, programs  # noqa: E402

QUICK = 0.02


@dataclass
class Found:
    """What a fault was tried on, and where it did harm. `missing` says why it could not be tried at all."""

    tried: int = 0
    unit: str = ""
    wrong: list[str] = field(default_factory=list)
    missing: str = ""
    target: float = 0.0  # share of what was tried that may do harm


def kills(times: float, seed: int, folder: Path) -> Found:
    """SIGKILL of a ledger's writer at random moments."""
    done = random_kills(folder, round(10_000 * times), seed)
    return Found(done.kills, f"kills, {done.commits:,} commits acknowledged", done.wrong)


def kills_at_each_change(times: float, seed: int, folder: Path) -> Found:
    """SIGKILL before each call of a whole study that changes the disk or the order of changes."""
    calls = traced.HARMLESS if times > QUICK else ("fsync", "rename")
    return _at_each(calls, "signal=KILL", lambda point: point.code == -9)


def failing_synchronisations(times: float, seed: int, folder: Path) -> Found:
    """EIO from each fsync of a whole study: it ends there, with exit code 74."""
    calls = ("fsync", "fdatasync") if times > QUICK else ("fsync",)
    return _at_each(calls, "error=EIO", lambda point: point.code == DiskError.exit_code or "/scripted>)" in point.at)


def full_disk(times: float, seed: int, folder: Path) -> Found:
    """ENOSPC from each write on of a whole study: exit code 74, and the bytes that are needed."""
    calls = ("pwrite64", "write", "ftruncate") if times > QUICK else ("write", "ftruncate")
    return _at_each(calls, "error=ENOSPC", lambda point: point.code == 74 and " needed, " in point.said, True)


def power_failures(times: float, seed: int, folder: Path) -> Found:
    """Writes that were not synchronised are missing, torn or out of order."""
    if why := traced.missing():
        return Found(missing=why)
    loss = power_losses(round(20_000 * times), seed)
    return Found(loss.states, f"states after {loss.calls:,} calls", loss.wrong)


def any_order(times: float, seed: int, folder: Path) -> Found:
    """Asks, reports, duplicates, losses, crashes and jumps of the clock in any order, against a model."""
    examples = round(5_000 * times)
    test = mutations.MODEL
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        f"--hypothesis-seed={seed}",
        "--timeout=0",
        "--show-capture=no",
        test,
    ]
    environment = os.environ | {"HPO_EXAMPLES": str(examples)}
    done = subprocess.run(command, cwd=PROJECT, env=environment, capture_output=True, text=True)
    return Found(examples, "studies of 50 steps", [] if done.returncode == 0 else [done.stdout[-3000:]])


def kills_on_a_server(times: float, seed: int, folder: Path) -> Found:
    """SIGKILL of a writer whose ledger is on PostgreSQL, and each tenth time of the server."""
    if programs() is None:
        return Found(missing="PostgreSQL is not installed")
    rng, wrong, count = Random(seed), [], max(10, round(300 * times))
    with cluster() as server, _environment(VARIABLE, server.url):
        for index in range(count):
            writer = get_context("spawn").Process(target=session, args=(folder, 10**6, False))
            writer.start()
            wait_for_commits(folder / "witness", rng.randint(0, 6), writer)
            if index % 10 == 9:
                server.kill()
                server.start()
            writer.kill()
            writer.join()
            wrong += [f"kill {index + 1}: {one}" for one in judge(folder)]
    return Found(count, "kills", wrong)


def killed_commands(times: float, seed: int, folder: Path) -> Found:
    """SIGKILL of `hpo run` and `hpo resume`, without Ray, until each study is over: N1 to N9."""
    return _of_studies(kills_until(folder, round(2_000 * times), seed), "kills of the command line")


def two_drivers(times: float, seed: int, folder: Path) -> Found:
    """Two `hpo resume` of one study at a time: one goes on, the other names it and ends in 75."""
    return _of_studies(two_at_once(folder, max(1, round(100 * times)), seed), "pairs")


def promotions(times: float, seed: int, folder: Path) -> Found:
    """Six at once, many of them killed: the alias names a whole version at every moment, and the history is whole."""
    killed, wrong = promoted_at_once(folder, count := max(12, round(50 * times)), seed)
    return Found(count, f"promotions, {killed} of them killed", wrong)


def network_to_mlflow(times: float, seed: int, folder: Path) -> Found:
    """Requests dropped, delayed, refused, answered with 500 or without their reply: all arrives in the end, once."""

    def one(number: int, address: str) -> int:
        faults = Faults(rate=0.4, most=40, random=Random(seed + number))
        with proxy(address, faults) as proxied, _environment("MLFLOW_TRACKING_URI", proxied):
            mlflow_faults.caught_up(study := f"faults-{number}")
        mlflow_faults.assert_exact(address, study)
        return faults.happened.total()

    return _against_mlflow(one, round(500 * times), folder, "faults")


def drivers_followed_by_mlflow(times: float, seed: int, folder: Path) -> Found:
    """SIGKILL of `hpo run` and `hpo resume` while MLflow is written: no run twice, none left RUNNING."""

    def one(number: int, address: str) -> int:
        with _environment("MLFLOW_TRACKING_URI", address):
            mlflow_faults.killed(study := f"kills-{number}", 10, Random(seed + number))
        mlflow_faults.assert_exact(address, study)
        return 10

    return _against_mlflow(one, round(100 * times), folder, "kills")


def _against_mlflow(one: Callable[[int, str], int], most: int, folder: Path, unit: str) -> Found:
    """One study after the other on a server of MLflow's, until so much has been done to them."""
    found, number = Found(unit=unit), 0
    quiet()
    with chdir(folder), mlflow_server(folder) as address:
        while found.tried < most:
            number += 1
            try:
                with open(os.devnull, "w") as nowhere, redirect_stdout(nowhere), redirect_stderr(nowhere):
                    done = one(number, address)
                found.tried += done
                print(f"  study {number}: {done} {unit}", flush=True)
            except (AssertionError, HpoError, subprocess.CalledProcessError) as error:
                found.tried += 1
                found.wrong.append(f"study {number}: {type(error).__name__}: {error}")
    return found


def on_ray(fault: ray_kills.Fault, most: int) -> Callable[[float, int, Path], Found]:
    """On real Ray, `most` times at full length: N1 to N9, and nothing waits for longer than a minute."""

    def found(times: float, seed: int, folder: Path) -> Found:
        studies = ray_kills.studies_under(folder, fault, max(1, round(most * times)), seed)
        return _of_studies(studies, "on Ray")

    return found


def removed_safeguards(times: float, seed: int, folder: Path) -> Found:
    """One fsync, uniqueness, fence or lock is taken out of a copy of the project: its tests must fail."""
    chosen = mutations.MUTATIONS if times > QUICK else Random(seed).sample(mutations.MUTATIONS, 5)
    survived = []
    for mutation in chosen:
        test = mutations.noticed_by(mutation, folder)
        print(f"  {mutation.file:24} {mutation.name:44} {test.rpartition('::')[2] or 'SURVIVED'}", flush=True)
        survived += [] if test else [f"{mutation.file}: {mutation.name}"]
    return Found(len(chosen), "safeguards", survived, target=0.05)


FAULTS: dict[str, Callable[[float, int, Path], Found]] = {
    "kills": kills,
    "kills at each change of the disk": kills_at_each_change,
    "failing synchronisations": failing_synchronisations,
    "full disk": full_disk,
    "power failures": power_failures,
    "any order": any_order,
    "kills on a server": kills_on_a_server,
    "killed commands": killed_commands,
    "two drivers": two_drivers,
    "promotions at once": promotions,
    "network to MLflow": network_to_mlflow,
    "drivers followed by MLflow": drivers_followed_by_mlflow,
    "killed drivers on Ray": on_ray(ray_kills.kill_driver, 40),
    "killed workers": on_ray(ray_kills.kill_worker, 50),
    "frozen workers": on_ray(ray_kills.freeze_worker, 10),
    "killed servers of Ray": on_ray(ray_kills.kill_server, 10),
    "removed safeguards": removed_safeguards,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("faults", nargs="*", metavar="FAULT", help=f"all if left out: {', '.join(FAULTS)}")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--times", type=float, default=1.0)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    if unknown := [name for name in arguments.faults if name not in FAULTS]:
        parser.error(f"there is no fault {unknown[0]!r}; there are {', '.join(FAULTS)}")
    found = {}
    for name in arguments.faults or FAULTS:
        print(f"{name}: seed {arguments.seed}", flush=True)
        started = time.monotonic()
        with tempfile.TemporaryDirectory() as folder:
            done = FAULTS[name](QUICK if arguments.quick else arguments.times, arguments.seed, Path(folder))
        found[name] = done, time.monotonic() - started
        for one in done.wrong[:20]:
            print(f"  {one}")
    print(f"\n{'fault':36}{'tried':>8}  {'harm':>5}  {'seconds':>8}")
    for name, (done, seconds) in found.items():
        said = done.missing or f"{len(done.wrong):>5}  {seconds:8.0f}  {done.unit}"
        print(f"{name:36}{done.tried:8,}  {said}")
    if arguments.json:
        arguments.json.write_text(json.dumps(measurements(found), indent=1) + "\n", encoding="utf-8")
    sys.exit(any(len(done.wrong) > done.target * done.tried for done, _ in found.values()))


def measurements(found: dict[str, tuple[Found, float]]) -> list[dict[str, Any]]:
    environment = describe()
    return [
        {
            "name": f"chaos: {name}",
            "value": len(done.wrong),
            "unit": f"of {done.tried} {re.sub(',.*', '', done.unit)}",
            "target": done.target * done.tried,
            "holds": len(done.wrong) <= done.target * done.tried,
            "peers": {},
            "spread": None,
            "environment": environment,
        }
        for name, (done, _) in found.items()
        if not done.missing
    ]


def _of_studies(studies: Iterator[tuple[str, Kills]], unit: str) -> Found:
    found = Found(unit=unit)
    for name, done in studies:
        print(f"  {name}: {done.kills} {unit}, {len(done.wrong)} wrong", flush=True)
        found.tried += done.kills
        found.wrong += [f"{name}: {one}" for one in done.wrong]
    return found


def _at_each(calls: Any, fault: str, ends_well: Callable[[traced.Point], bool], ever_after: bool = False) -> Found:
    """At each of those calls of a study; afterwards nothing is lost, and it can be resumed to its end."""
    if why := traced.missing():
        return Found(missing=why)
    found = Found(unit=f"calls of {', '.join(calls)}")
    for call in calls:
        with traced.in_memory() as folder:
            for point in traced.at_each(call, fault, folder, ever_after):
                found.tried += 1
                found.wrong += (
                    [] if ends_well(point) else [f"{call} {point.index}: exit code {point.code}: {point.said}"]
                )
                for _ in range(2):
                    found.wrong += [f"{call} {point.index}: {one}" for one in judge(point.folder)]
                    session(point.folder)
    return found


@contextmanager
def _environment(name: str, value: str) -> Any:
    os.environ[name] = value
    try:
        yield
    finally:
        del os.environ[name]


if __name__ == "__main__":
    main()
