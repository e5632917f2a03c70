"""Schedulers give out epochs: which trial goes on, which ends, and what a free worker does next.

The protocol, for whoever drives one (the engine, the simulator, a replay):

1. Every event is handed to `apply`, in the order of the ledger, right after the history has taken it. What a scheduler
   knows is a fold of the events and nothing else; so after a crash a fresh one, to which the ledger is handed again,
   decides as the old one would have.
2. `judge` and `next` only look: they change nothing, draw nothing from a clock or a global random number, and give the
   same answer when asked twice. `judge` is asked once a report of a trial that is neither diverged nor without its
   objective has been applied. `next` is asked where a worker is free and no trial is WAITING.
3. What they say is carried out by events, and only these change the scheduler:

   | said                        | events                                                                            |
   | --------------------------- | --------------------------------------------------------------------------------- |
   | Decision go on              | `decided`, where it has inputs                                                    |
   | Decision stop               | `decided`, `ended` as PRUNED                                                      |
   | Decision pause              | `decided`, `paused`: the trial is PAUSED, its last checkpoint is kept             |
   | Start(bracket, params, parent) | `asked` with `bracket`, and with `parent` where there is one; then `started`   |
   | Promote(trial)              | `continued` with its reason and inputs: the trial is WAITING; then `started`      |
   | Prune(trial)                | `ended` as PRUNED; then `next` is asked again                                     |
   | WAIT                        | none; `next` is asked again after the next event                                  |
   | DONE                        | none; the study has finished as soon as nothing runs                              |

A trial counts as at a rung by its best score up to the first report at or after the rung, larger being better. A
scheduler with `needs_checkpoints` pauses and goes on, and raises a UsageError at the first report without a checkpoint.

Each stands in a file of its own; a new one is one more line here. Every one takes the fields of `GIVEN` that it has;
its other fields are its settings in the study file. `hpo.simulator.contract` checks what is said above of any of them.
"""

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from hpo.schedulers.asha import ASHA
from hpo.schedulers.async_hyperband import AsyncHyperband
from hpo.schedulers.fidelity import FidelityCheck
from hpo.schedulers.fifo import FIFO
from hpo.schedulers.hyperband import Hyperband
from hpo.schedulers.median import MedianRule
from hpo.schedulers.pasha import PASHA
from hpo.schedulers.pbt import PBT
from hpo.schedulers.promoting_asha import PromotingASHA
from hpo.schedulers.scheduler import Scheduler

SCHEDULERS: dict[str, type] = {
    "asha": ASHA,
    "promoting_asha": PromotingASHA,
    "hyperband": Hyperband,
    "async_hyperband": AsyncHyperband,
    "pasha": PASHA,
    "median": MedianRule,
    "pbt": PBT,
    "fifo": FIFO,
}

# given by hpo to those that take them, no settings of a person's. `max_epochs` is the full budget of a trial, `trials`
# how many configurations the study may try; None for no end
GIVEN = ("objective", "max_epochs", "trials", "seed", "space")


def build_scheduler(
    name: str, settings: Mapping[str, Any] | None = None, control_share: float = 0.0, **given: Any
) -> Scheduler:
    """`given` holds those of GIVEN; ValueError where a setting is out of its bounds."""
    takes = {field.name for field in fields(SCHEDULERS[name]) if field.init}
    scheduler: Scheduler = SCHEDULERS[name](**{k: v for k, v in given.items() if k in takes}, **(settings or {}))
    if not control_share:
        return scheduler
    return FidelityCheck(
        scheduler=scheduler, objective=given["objective"], seed=given.get("seed", 0), share=control_share
    )
