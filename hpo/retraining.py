"""A study of one trial: the configuration of a trial that was found, trained once more."""

import json
from typing import Any

from hpo.errors import UsageError
from hpo.results import Results
from hpo.trainable import resolved


def as_study(found: Results, number: int | None) -> str:
    """The text of a study file that trains this trial alone, or the winner, with the same settings and no scheduler."""
    trial = found.winner
    if number is not None:
        trial = next((one for one in found.history.trials if one.number == number), None)
    if trial is None and found.study.objectives and number is None:
        front = ", ".join(str(one.number) for one in found.front) or "none yet"
        raise UsageError(f"study {found.study.study} has several objectives: choose a trial by --trial, as of {front}")
    if trial is None:
        which = "winner" if number is None else f"trial {number}"
        raise UsageError(f"study {found.study.study} has no {which}; `hpo show {found.study.study}` lists its trials")
    spec: dict[str, Any] = found.study.model_dump(exclude_none=True, exclude_unset=True)
    spec.pop("search_space", None)  # a study that was retrained has none
    spec["config"] = resolved(found.study.config, trial.params)
    spec["config"].pop("fuse_trials", None)  # there are no others
    spec.pop("confirm", None)  # of one trial there is nothing to choose
    spec["search"] = {"searcher": "random", "scheduler": "fifo", "trials": 1}
    return json.dumps(spec, indent=1, ensure_ascii=False) + "\n"  # JSON is YAML
