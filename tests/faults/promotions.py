"""Many promotions of one model at once, many of them killed: `python -m tests.faults.promotions FOLDER COUNT SEED`.

Each runs in a process of its own, forked from one that has imported everything. A killed one ends itself by SIGKILL in
front of or behind one of the writes that a promotion makes, or is ended from outside at any moment. Meanwhile a watcher
looks at whom the alias names. What was found is printed as JSON.
"""

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

from hpo.driver import start
from hpo.errors import HpoError
from hpo.ledger import Ledger
from hpo.paths import StudyPaths
from hpo.registry import promotion, versions
from hpo.study import Study
from tests import small_model

AT_ONCE, STUDIES = 6, 3
PROJECT = Path(__file__).parents[2]
WRITES: list[tuple[Any, str]] = [(versions, "register"), (versions, "tag"), (versions, "crown"), (Ledger, "append")]


def promoted_at_once(folder: Path, count: int, seed: int) -> tuple[int, list[str]]:
    """How many of them were killed, and what is wrong after them."""
    command = [sys.executable, "-m", "tests.faults.promotions", str(folder), str(count), str(seed)]
    done = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True)
    if done.returncode:
        return 0, [done.stderr[-2000:]]
    found = json.loads(done.stdout.splitlines()[-1])
    codes, chain, seen = found["codes"], found["chain"], [line for line in found["seen"] if line]
    faults = {
        f"they ended with {codes}: {done.stderr[-2000:]}": len(codes) == count and {*codes} <= {0, -signal.SIGKILL},
        f"a champion was not whole: {seen}": seen and all(line.isdigit() for line in seen),
        f"a version is champion twice: {chain}": len({*chain}) == len(chain),
        f"a champion is not in the history {chain}: {seen}": {*seen} <= {*chain},
        f"versions without their record: {found['missing']}": not found["missing"],
        f"a test split was opened again: {found['opened']}": {*found["opened"].values()} == {1},
    }
    return codes.count(-signal.SIGKILL), [said for said, holds in faults.items() if not holds]


def forked(work: Callable[[], None]) -> int:
    child = os.fork()
    if child == 0:
        try:
            work()
        except HpoError as error:
            print(error, file=sys.stderr)
            os._exit(3)
        except BaseException:
            import traceback

            traceback.print_exc()
            os._exit(4)
        os._exit(0)
    return child


def name(index: int) -> str:
    return f"study-{index % STUDIES}"


def train() -> None:
    sys.stdout = open(os.devnull, "w")
    for index in range(STUDIES):
        spec = small_model.study(name(index), 0.5 + index / 20, gates={"minimum_gain": -1.0})
        start(Study.model_validate(spec), text="", in_process=True)


def one(index: int, deadly: int | None, after: bool) -> None:
    """`deadly`: at which of its writes it is killed."""
    left = [deadly]

    def guarded(write: Callable[..., Any]) -> Callable[..., Any]:
        def wrapped(*args: Any, **kwargs: Any) -> Any:
            if left[0] is not None:
                left[0] -= 1
                if left[0] < 0 and not after:
                    os.kill(os.getpid(), signal.SIGKILL)
            found = write(*args, **kwargs)
            if left[0] is not None and left[0] < 0:
                os.kill(os.getpid(), signal.SIGKILL)
            return found

        return wrapped

    for owner, function in WRITES:
        setattr(owner, function, guarded(getattr(owner, function)))
    promotion.promote(name(index))


def watch(path: str) -> None:
    """The champion of each moment, appended; a line of a fault where its files are not as they were written."""
    with open(path, "a") as seen:
        while True:
            try:
                found = versions.champion("small")
                if found:
                    with versions.files(found):
                        assert versions.RECORD in found.tags and versions.PREVIOUS in found.tags
                    print(found.number, file=seen, flush=True)
            except Exception as error:
                print(f"fault: {error!r}", file=seen, flush=True)
            time.sleep(0.2)


def main(folder: str, count: int, seed: int) -> None:
    os.chdir(folder)
    rng = random.Random(seed)
    assert os.waitpid(forked(train), 0)[1] == 0
    watcher = forked(lambda: watch("seen.txt"))
    alive: dict[int, float] = {}  # process -> when it is ended from outside
    codes, begun = [], 0
    while begun < count or alive:
        while begun < count and len(alive) < AT_ONCE:
            fate, index = rng.random(), begun
            deadly = rng.randrange(6) if fate < 0.4 else None
            after = rng.random() < 0.5
            child = forked(partial(one, index, deadly, after))
            alive[child] = time.monotonic() + rng.uniform(0, 4) if 0.4 < fate < 0.6 else float("inf")
            begun += 1
        for child in [child for child, at in alive.items() if time.monotonic() > at]:
            os.kill(child, signal.SIGKILL)
            alive[child] = float("inf")
        for child in [*alive]:
            ended, status = os.waitpid(child, os.WNOHANG)
            if ended:
                del alive[child]
                codes.append(os.waitstatus_to_exitcode(status))
        time.sleep(0.02)
    os.kill(watcher, signal.SIGKILL)
    os.waitpid(watcher, 0)
    for index in range(STUDIES):  # what a kill left out is made up for
        promotion.promote(name(index))
    print(json.dumps({"codes": codes, "seen": open("seen.txt").read().split("\n"), **looked_up()}))


def looked_up() -> dict[str, Any]:
    """The chain of champions, and what of each is missing."""
    judged, promoted = set(), set()
    for index in range(STUDIES):
        with closing(Ledger(StudyPaths.of(name(index)).ledger)) as ledger:
            for event in ledger.events():
                if event.kind == "judged":
                    judgement = event.payload["judgement"]
                    judged.add((judgement["study"], judgement["at"]))
                if event.kind == "promoted":
                    promoted.add(event.payload["promotion"]["version"])
    chain, missing = [], []
    for version in versions.history(versions.required_champion("small")):
        record = versions.record(version)
        chain.append(version.number)
        with versions.files(version):
            pass
        if (record["study"], record["at"]) not in judged or record["version"] != version.number:
            missing.append(version.number)
    opened = {}
    for index in range(STUDIES):
        with closing(Ledger(StudyPaths.of(name(index)).ledger)) as ledger:
            opened[name(index)] = sum(event.kind == "test_opened" for event in ledger.events())
    return {"chain": chain, "missing": missing, "promoted": sorted(promoted), "opened": opened}


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
