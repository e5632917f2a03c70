"""What does a study cost its driver as it grows, and what does it cost to come back to it?

    python benchmarks/growth.py [--quick] [--folder FOLDER] [--json FILE]

The engine on its ledger on the disk, told what workers would say: nothing is trained, so that every millisecond is the
driver's. MLflow has a benchmark of its own (tracking.py), and so have proposals (proposing.py) and decisions
(deciding.py).

- trials: ASHA over random proposals; the processor time of one trial and the memory of the driver as the study grows.
- coming back: of studies of each size, the seconds until `hpo resume` goes on, and those of the whole report.
- reports: one trial with so many of them.
- at once: so many trials side by side, and how many reports a second the driver takes in.

A slope is that of the logarithms of cost and size, with the interval of 95 % that resampling its points gives: 0 is a
constant, 1 a scan over all that is there.
"""

import argparse
import json
import tempfile
import time
from collections import deque
from collections.abc import Iterator
from contextlib import chdir, closing
from dataclasses import asdict, dataclass
from pathlib import Path
from random import Random

import numpy as np
import psutil

from hpo import reporting
from hpo.engine import Engine
from hpo.environment import describe
from hpo.ledger import Ledger
from hpo.paths import StudyPaths
from hpo.results import read
from hpo.segment import Reported, Segment
from tests.hpo.engines import new_engine, toy_study

TRIALS, REPORTS, AT_ONCE = 10_000, 100_000, 200
SMALLEST, STEP = 10, 10**0.5  # sizes are taken at every half power of ten


@dataclass(frozen=True)
class Point:
    """Where a study has `size` trials or reports: what the last tenth of them cost, each."""

    size: int
    cpu_ms: float
    wall_ms: float
    megabytes: float


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="a tenth of each size")
    parser.add_argument("--folder", type=Path, help="on the disk to be measured; if left out, that of temporary files")
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    share = 10 if arguments.quick else 1
    found: dict[str, list[Point]] = {}
    with tempfile.TemporaryDirectory(dir=arguments.folder) as folder, chdir(folder):
        found["trials"] = print_points("trials", list(of_trials(TRIALS // share)))
        found["reports"] = print_points("reports of one trial", list(of_reports(REPORTS // share)))
        found["at once"] = print_points("trials at once", [side_by_side(number) for number in sizes(AT_ONCE, 1)])
        print("\ncoming back to a study of so many trials: seconds until it goes on, and of the report")
        back = {size: coming_back(size) for size in sizes(TRIALS // share)}
    if arguments.json:
        points = {name: [asdict(point) for point in of] for name, of in found.items()}
        arguments.json.write_text(
            json.dumps({"environment": describe(), "coming back": back, **points}, indent=1) + "\n"
        )


def sizes(largest: int, smallest: int = SMALLEST) -> list[int]:
    count = int(np.log(largest / smallest) / np.log(STEP) + 1e-9)
    return sorted({*(round(smallest * STEP**power) for power in range(count + 1)), largest})


def of_trials(most: int) -> Iterator[Point]:
    engine = asha("trials", most)
    with closing(engine.ledger):
        yield from measured(trained(engine), sizes(most))
        engine.finish()


def of_reports(most: int) -> Iterator[Point]:
    engine = new_engine(Path(), toy_study(study="reports", search={"scheduler": "fifo", "trials": 1}))
    with closing(engine.ledger):
        yield from measured(reports_of(engine, most), sizes(most))


def side_by_side(number: int, reports: int = 400) -> Point:
    """Each report in turn is another trial's."""
    study = toy_study(study=f"side-{number}", search={"searcher": "random", "scheduler": "fifo", "trials": number})
    engine = new_engine(Path(), study)
    with closing(engine.ledger):
        running = deque(segment for _ in range(number) if (segment := engine.next_segment()))

        def turns() -> Iterator[None]:
            for turn in range(reports):
                engine.reported(running[0], report(1 + turn // number, 0.5))
                running.rotate(-1)
                yield

        (point,) = measured(turns(), [reports])
    return Point(number, point.cpu_ms, point.wall_ms, point.megabytes)


def coming_back(size: int) -> tuple[float, float]:
    name = f"back-{size}"
    engine = asha(name, size)
    for _ in trained(engine):
        pass
    engine.ledger.close()
    began = time.perf_counter()
    paths = StudyPaths.of(name)
    with closing(Ledger(paths.ledger)) as ledger:
        Engine(engine.study, paths, ledger, tell=lambda event: None)
    resumed = time.perf_counter() - began
    began = time.perf_counter()
    length = len(reporting.html(read(name)))
    told = time.perf_counter() - began
    print(f"{size:>8,}{resumed:10.2f}{told:10.2f}   {length / 1e6:.1f} MB")
    return resumed, told


def asha(name: str, trials: int) -> Engine:
    return new_engine(
        Path(), toy_study(study=name, search={"searcher": "random", "scheduler": "asha", "trials": trials})
    )


def trained(engine: Engine) -> Iterator[None]:
    """Once for each trial that has had its turn."""
    random = Random(5)
    while segment := engine.next_segment():
        run(engine, segment, random)
        yield


def run(engine: Engine, segment: Segment, random: Random) -> None:
    for step in range(segment.from_step + 1, 10):
        if not engine.reported(segment, report(step, random.random())):
            return
    engine.completed(segment)


def reports_of(engine: Engine, most: int) -> Iterator[None]:
    segment = engine.next_segment()
    assert segment is not None
    for step in range(1, most + 1):
        engine.reported(segment, report(step, 0.5))
        yield


def report(step: int, score: float) -> Reported:
    metrics = {"score": score, "loss": 1 - score, "accuracy": score}
    return Reported(step=step, epoch=float(step), metrics=metrics, seconds=1.0, checkpoint=None, diverged=None)


def measured(turns: Iterator[None], at: list[int]) -> Iterator[Point]:
    """The cost of a turn over the last tenth before each size; at least three turns."""
    begins = {size - max(3, size // 10): size for size in at}
    me, marks = psutil.Process(), {}
    for done, _ in enumerate(turns, start=1):
        if done in begins:
            marks[begins[done]] = (time.process_time(), time.perf_counter(), done)
        if done in marks:
            cpu, wall, since = marks[done]
            each = 1e3 / (done - since)
            cpu, wall = (time.process_time() - cpu) * each, (time.perf_counter() - wall) * each
            yield Point(done, cpu, wall, me.memory_info().rss / 1e6)


def print_points(name: str, points: list[Point]) -> list[Point]:
    low, slope, high = slope_of([point.size for point in points], [point.cpu_ms for point in points])
    print(f"\n{name:>22}{'CPU ms each':>14}{'wall ms each':>14}{'MB':>8}", end="   ")
    print(f"slope of CPU {slope:.2f} [{low:.2f}, {high:.2f}]")
    for point in points:
        print(f"{point.size:>22,}{point.cpu_ms:14.2f}{point.wall_ms:14.2f}{point.megabytes:8.0f}")
    return points


def slope_of(sizes: list[int], costs: list[float], resamplings: int = 1_000) -> tuple[float, float, float]:
    """Least squares on logarithms: the 2.5 % quantile of resampled points, the estimate, the 97.5 % quantile."""
    x, y, random = np.log(sizes), np.log(costs), np.random.default_rng(5)
    slopes = []
    while len(slopes) < resamplings:
        chosen = random.integers(len(x), size=len(x))
        if len(set(chosen)) > 1:
            slopes.append(np.polyfit(x[chosen], y[chosen], 1)[0])
    low, high = np.quantile(slopes, [0.025, 0.975])
    return float(low), float(np.polyfit(x, y, 1)[0]), float(high)


if __name__ == "__main__":
    main()
