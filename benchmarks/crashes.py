"""Random studies with a crash after every event: whether all later proposals and decisions are those without one.

    python benchmarks/crashes.py [--quick] [--studies 200] [--json FILE]

After each event a scheduler and a searcher are made anew from the events so far, as a resumed driver makes them. From
then on they are asked whatever the first ones are asked, and one different answer ends the run.
"""

import argparse
import json
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path

from hpo.domains import Value
from hpo.environment import describe
from hpo.history import History
from hpo.objective import Objective
from hpo.schedulers import SCHEDULERS
from hpo.searchers import EVOLVE, build_searcher
from hpo.searchers.searcher import Searcher
from hpo.simulator.contract import EPOCHS, SCORE, SPACE, Crashing, build_for, learning, promise
from hpo.simulator.simulation import Epoch, Simulation

TRIALS = 12
METHODS = {
    "ASHA": ("random", "asha"),
    "Hyperband": ("random", "hyperband"),
    "BOHB": ("bohb", "hyperband"),
    "TPE": ("tpe", "asha"),
    "PBT": ("random", "pbt"),
    "NSGA-II": ("nsga2", "fifo"),
    "NSGA-III": ("nsga3", "fifo"),
}
# so that a short study asks the model too
SETTINGS = {"tpe": {"random_starts": 4}, "nsga2": {"population": 4}, "nsga3": {"population": 4}}
AIMS = (SCORE, Objective(minimize="cost"))  # of those that take several


class CrashingSearcher:
    """Before each ask makes one anew, and asks all that were made before as well."""

    def __init__(self, anew: Callable[[], Searcher]) -> None:
        self.anew, self.first, self.resumed = anew, anew(), list[Searcher]()

    def propose(self, history: History) -> dict[str, Value]:
        said = self.first.propose(history)
        self.resumed.append(self.anew())
        for begun, searcher in enumerate(self.resumed):
            anew = searcher.propose(history)
            promise(anew == said, f"made anew before trial {begun}, it proposes {anew} and not {said}")
        return said


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="ten studies")
    parser.add_argument("--studies", type=int, default=200)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    studies = 10 if arguments.quick else arguments.studies
    measured = []
    print("| method | studies | crashes | proposals | CPU seconds |\n| --- | ---: | ---: | ---: | ---: |")
    for method, (searcher, scheduler) in METHODS.items():
        began = time.process_time()
        found = [crashed(searcher, scheduler, seed) for seed in range(studies)]
        events, proposals = (sum(one) for one in zip(*found, strict=True))
        seconds = time.process_time() - began
        print(f"| {method} | {studies} | {events:,} | {proposals:,} | {seconds:.0f} |", flush=True)
        measured.append(measurement(method, studies, events))
    if arguments.json:
        arguments.json.write_text(json.dumps(measured, indent=1) + "\n", encoding="utf-8")


def crashed(searcher: str, scheduler: str, seed: int) -> tuple[int, int]:
    """(events after each of which it crashed, proposals compared); Broken at the first different answer."""
    crashing = Crashing(partial(build_for, SCHEDULERS[scheduler], seed=seed, trials=TRIALS))
    given = {"space": SPACE, "objective": SCORE, "seed": seed, "rungs": crashing.rungs, **SETTINGS.get(searcher, {})}
    given |= {"objectives": AIMS} if searcher in EVOLVE else {}
    proposing = CrashingSearcher(partial(build_searcher, searcher, **given))
    simulation = Simulation(
        searcher=proposing,
        scheduler=crashing,
        objective=SCORE,
        curve=with_cost,
        max_epochs=EPOCHS,
        workers=3,
        lost=0.03,
        seed=seed,
    )
    return sum(1 for _ in simulation.run()), len(proposing.resumed)


def with_cost(params: Mapping[str, Value], epoch: int) -> Epoch:
    """A second metric, of which a better score costs more."""
    said = learning(params, epoch)
    return replace(said, metrics={**said.metrics, "cost": float(params["share"]) ** 2 + float(params["rate"])})  # type: ignore[arg-type]


def measurement(method: str, studies: int, events: int) -> dict[str, object]:
    return {
        "name": f"{method}: crashes in {studies} studies after which anything differs",
        "value": 0,
        "unit": f"of {events:,}",
        "target": 0,
        "holds": True,
        "peers": {},
        "spread": [0, 0],
        "environment": describe(),
    }


if __name__ == "__main__":
    main()
