"""SIGKILL at random moments: a writer of the ledger is ended again and again, and each time what it left is judged."""

import os
import random
import shutil
import time
from dataclasses import dataclass, field
from multiprocessing import get_context
from pathlib import Path

from tests.faults.session import judge, session

STUDIES_OF = 40  # kills that one study takes before a new one is begun; its ledger is read after each
MOST_COMMITS, MOST_SECONDS = 4, 0.03  # seen of a writer before its end, and the time after the last of them


@dataclass
class Kills:
    """What a run of kills showed."""

    kills: int = 0
    commits: int = 0  # acknowledged
    wrong: list[str] = field(default_factory=list)


def random_kills(folder: Path, kills: int, seed: int) -> Kills:
    """`kills` writers in turn; the seed decides after how many commits each is ended, and how long after that."""
    rng = random.Random(seed)
    # a child of a server that has imported everything begins at once
    context = get_context("forkserver")
    context.set_forkserver_preload(["tests.faults.session"])
    done = Kills()
    while done.kills < kills:
        place = folder / f"{done.kills:06d}"
        place.mkdir(parents=True)
        for _ in range(min(STUDIES_OF, kills - done.kills)):
            writer = context.Process(target=session, args=(place, 10**6, False))
            writer.start()
            wait_for_commits(place / "witness", rng.randint(0, MOST_COMMITS), writer)
            time.sleep(rng.uniform(0, MOST_SECONDS))
            writer.kill()
            writer.join()
            done.kills += 1
            if writer.exitcode != -9:
                done.wrong.append(f"kill {done.kills}: the writer ended by itself with {writer.exitcode}")
            done.wrong += [f"kill {done.kills}: {wrong}" for wrong in judge(place)]
            writer.close()
        done.commits += (place / "witness").read_text().count("\n")
        shutil.rmtree(place)
    return done


def wait_for_commits(path: Path, commits: int, writer: object) -> None:
    size = path.stat().st_size if path.exists() else 0
    while commits and writer.is_alive():  # type: ignore[attr-defined]
        now = path.stat().st_size if path.exists() else 0
        if now > size:
            size, commits = now, commits - 1
        time.sleep(0.0005)


if __name__ == "__main__":
    import sys
    import tempfile

    with tempfile.TemporaryDirectory(dir=os.environ.get("TMPDIR")) as scratch:
        started = time.monotonic()
        found = random_kills(Path(scratch), int(sys.argv[1]), int(sys.argv[2]))
        print(found, f"{found.kills / (time.monotonic() - started):.1f} kills/s")
