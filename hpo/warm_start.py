"""What a study takes over from earlier ones: their finished trials, as far as they lie in its own space.

It is read once, when the study begins, and stands in the ledger's `study` row from then on: what a study decides
depends on no other study's folder.
"""

from dataclasses import replace
from typing import Any

from hpo import results
from hpo.domains import contains
from hpo.errors import HpoError, UsageError
from hpo.history import History, Trial
from hpo.objective import Objective
from hpo.space import Params, Space
from hpo.study import Study

LEAST = 4  # trials, below which a study says nothing
MOST = 500  # of one study: the better half of these are its best, the others are spread over the rest


def take_over(study: Study) -> list[dict[str, Any]]:
    """For the record of the new study; UsageError where an earlier one cannot be used."""
    return [taken_over(name, study) for name in study.search.warm_start]


def taken_over(name: str, study: Study) -> dict[str, Any]:
    """UsageError with what is wrong with the earlier study, to stand behind its name."""
    try:
        earlier = results.read(name)
    except HpoError as error:
        raise UsageError(f"cannot be read: {error}") from None
    if earlier.study.aims != study.aims:
        theirs, ours = (" and ".join(map(str, one.aims)) for one in (earlier.study, study))
        raise UsageError(f"has another objective, {theirs} instead of {ours}; leave it out")
    shared = [one for one in study.space.varied if one in earlier.study.space]
    if not shared:
        raise UsageError(
            f"searched {', '.join(earlier.study.space) or 'nothing'}, none of it is searched here; leave it out"
        )
    trials = ranked(earlier.history, study.space, study.objective)
    if len(trials) < LEAST:
        raise UsageError(f"has {len(trials)} finished trials in this search_space, and at least {LEAST} are needed")
    return {
        "study": name,
        "study_id": earlier.history.record.get("study_id"),
        "finished": len(earlier.history.ended),
        "trials": [
            {"trial": trial.number, "params": trial.params, "value": trial.value(study.objective)}
            for trial in thinned(trials)
        ],
    }


def ranked(history: History, space: Space, objective: Objective) -> list[Trial]:
    """Those that ended and lie in this space, with what they share with it.

    Best first: full ones by score, then the others by how far they came, at the same length by score; broken ones last.
    """
    from hpo.searchers.observations import Observations  # numpy, which other studies need not wait for

    usable = [trial for trial in history.trials if trial.state.ended and lies_in(space, trial.params)]
    renumbered = [replace(trial, number=number) for number, trial in enumerate(usable)]
    seen = Observations(space, objective)
    seen.update(History(trials=renumbered))
    best_first = [usable[number] for number in seen.ranked().tolist()]
    return [
        replace(trial, params={name: trial.params[name] for name in space.varied if name in trial.params})
        for trial in best_first
    ]


def lies_in(space: Space, params: Params) -> bool:
    """Some of the searched parameters are there, and all that are there have values that are searched."""
    shared = [name for name in space.varied if name in params]
    return bool(shared) and all(contains(space[name].domain, params[name]) for name in shared)


def thinned(trials: list[Trial]) -> list[Trial]:
    if len(trials) <= MOST:
        return trials
    best, others = trials[: MOST // 2], trials[MOST // 2 :]
    return best + [others[index * len(others) // (MOST - MOST // 2)] for index in range(MOST - MOST // 2)]
