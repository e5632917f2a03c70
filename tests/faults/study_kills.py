"""`hpo run` and `hpo resume` without Ray, killed at random moments until the study is over; the oracle judges.

Each command is a child of a server that has imported everything, so that a cycle costs a tenth of a second. The child
goes through `main` of the command line, with a driver, a ledger, a lock and checkpoints as in any study.
"""

import io
import json
import os
import random
import shutil
import sys
import time
from collections.abc import Iterator
from contextlib import redirect_stdout
from dataclasses import dataclass, field
from multiprocessing import get_context
from multiprocessing.process import BaseProcess
from pathlib import Path

from tests.oracle import Evidence, decisions, n9_a_second_resume_changes_nothing, violations

STUDY = """\
study: toy
trainable: toy:epochs
objective: {{maximize: score}}
config: {{max_epochs: 9, seconds: 0.01, witness: witness.jsonl}}
search_space:
  x: {{uniform: [-5.0, 5.0]}}
search: {{searcher: {searcher}, scheduler: {scheduler}, trials: {trials}, seed: 0}}
"""
# A driver is ended after so many new lines of the witness, which the load of the machine does not change, and a moment;
# one in five is ended on its way there, after a time alone
MOST_LINES, MOST_SECONDS, EARLY = 20, 0.03, 0.2


@dataclass
class Kills:
    """What a run of kills showed."""

    kills: int = 0
    wrong: list[str] = field(default_factory=list)


def uninterrupted(folder: Path, searcher: str, scheduler: str, trials: int) -> Evidence:
    """The same study without a kill: what is decided in it is what must be decided in the others."""
    lay_out(folder, searcher, scheduler, trials)
    command(folder, "run", "study.yaml").join()
    return Evidence(folder=folder, study="toy", trials=trials, crashes=0, tracked=False)


def killed(folder: Path, searcher: str, scheduler: str, trials: int, seed: int, whole: Evidence) -> Kills:
    """One study, its driver ended with SIGKILL at moments that the seed gives, until it is over."""
    rng, done = random.Random(seed), Kills()
    lay_out(folder, searcher, scheduler, trials)
    words = ["run", "study.yaml"]
    while True:
        driver = command(folder, *words)
        if rng.random() < EARLY:
            driver.join(rng.uniform(0, 0.5))
        else:
            wait_for_lines(folder / "witness.jsonl", rng.randint(1, MOST_LINES), driver)
            driver.join(rng.uniform(0, MOST_SECONDS))
        if driver.exitcode is not None:
            break
        driver.kill()
        driver.join()
        done.kills += 1
        if (folder / "studies" / "toy").exists():
            words = ["resume", "toy"]
    if driver.exitcode != 0:
        done.wrong.append(f"the driver ended in {driver.exitcode}: {(folder / 'out.txt').read_text()[-500:]}")
        return done
    evidence = Evidence(folder=folder, study="toy", trials=trials, crashes=done.kills)
    done.wrong += violations(evidence, shown(folder))
    if decisions(evidence) != decisions(whole):
        done.wrong.append("N2: the configurations or decisions are not those of the uninterrupted study")
    ledger = evidence.root / "ledger.db"
    before = ledger.read_bytes()
    again = command(folder, "resume", "toy")
    again.join()
    done.wrong += n9_a_second_resume_changes_nothing(before, ledger.read_bytes(), again.exitcode or 0)
    return done


def kills_until(scratch: Path, kills: int, seed: int) -> Iterator[tuple[str, Kills]]:
    """Studies of different searchers and schedulers in turn, until so many drivers have been killed."""
    kinds = [("tpe", "asha"), ("random", "promoting_asha"), ("tpe", "fifo"), ("bohb", "hyperband")]
    wholes: dict[tuple[str, str], Evidence] = {}
    count, number = 0, 0
    while count < kills:
        kind = kinds[number % len(kinds)]
        if kind not in wholes:
            wholes[kind] = uninterrupted(scratch / f"whole-{'-'.join(kind)}", *kind, trials=20)
        folder = scratch / f"killed-{number:04d}"
        found = killed(folder, *kind, trials=20, seed=seed + number, whole=wholes[kind])
        yield f"{'-'.join(kind)}, seed {seed + number}", found
        shutil.rmtree(folder)
        count, number = count + found.kills, number + 1


def two_at_once(scratch: Path, times: int, seed: int) -> Iterator[tuple[str, Kills]]:
    """Two drivers begin with one study together, so often: one goes on, the other names it and ends in 75."""
    rng, count, number = random.Random(seed), 0, 0
    while count < times:
        folder, done = scratch / f"contended-{number:03d}", Kills()
        lay_out(folder, "random", "fifo", trials=100)
        words = ["run", "study.yaml"]
        while done.kills < times - count:
            pair = []
            for _ in range(2):
                pair.append(command(folder, *words))
                time.sleep(rng.uniform(0, MOST_SECONDS))
            while all(driver.is_alive() for driver in pair):
                time.sleep(0.01)
            refused, owner = sorted(pair, key=lambda driver: driver.is_alive())
            wait_for_lines(folder / "witness.jsonl", 1, owner)
            over = owner.exitcode == 0
            owner.kill()
            owner.join()
            refused.join()
            if over or refused.exitcode == 0:  # the study came to its end before both had begun
                break
            said = (folder / "out.txt").read_text().splitlines()[-40:]
            named = [f"is being run by pid {owner.pid} on ", "exists in "]  # of two first ones, one finds the other's
            told = any(line.startswith("error: ") and any(name in line for name in named) for line in said)
            if refused.exitcode not in ((75,) if words[0] == "resume" else (75, 2)) or not told:
                done.wrong.append(f"pair {done.kills}: {refused.exitcode}, {said[-1:]}")
            done.kills += 1
            words = ["resume", "toy"]
        command(folder, *words).join()
        evidence = Evidence(folder=folder, study="toy", trials=100, crashes=done.kills + 1)
        done.wrong += violations(evidence, shown(folder))
        yield f"study {number}", done
        shutil.rmtree(folder)
        count, number = count + done.kills, number + 1


def lay_out(folder: Path, searcher: str, scheduler: str, trials: int) -> None:
    folder.mkdir(parents=True)
    shutil.copy(Path(__file__).parents[1] / "toy.py", folder / "toy.py")
    (folder / "study.yaml").write_text(STUDY.format(searcher=searcher, scheduler=scheduler, trials=trials))


def command(folder: Path, *words: str) -> BaseProcess:
    context = get_context("forkserver")
    context.set_forkserver_preload(["tests.faults.loaded"])
    process = context.Process(target=typed, args=(str(folder), [*words, "--in-process"]))
    process.start()
    return process


def typed(folder: str, words: list[str]) -> None:
    os.chdir(folder)
    os.environ.pop("MLFLOW_TRACKING_URI", None)
    out = os.open("out.txt", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    os.dup2(out, 1)
    os.dup2(out, 2)
    sys.argv = ["hpo", *words]
    from hpo.__main__ import main

    main()


def wait_for_lines(witness: Path, lines: int, driver: BaseProcess) -> None:
    """Until so many more lines are there, or the driver has ended."""

    def there() -> int:
        return witness.read_bytes().count(b"\n") if witness.exists() else 0

    wanted = there() + lines
    while driver.is_alive() and there() < wanted:
        time.sleep(0.002)


def shown(folder: Path) -> dict[str, object]:
    """What `hpo show` prints."""
    from hpo.results import read

    here = Path.cwd()
    os.chdir(folder)
    try:
        with redirect_stdout(io.StringIO()):
            return json.loads(json.dumps(read("toy").as_json()))
    finally:
        os.chdir(here)
