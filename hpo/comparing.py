"""`hpo compare`: two studies side by side: whether they may be compared, what is best, its price, what differs."""

from collections.abc import Iterator
from typing import Any

from hpo.account import Account
from hpo.results import Results
from hpo.wording import count, duration

ASIDE = {"study", "registry", "meant"}  # keys that change no score


def compared(one: Results, other: Results) -> dict[str, Any]:
    """The public shape of `hpo compare --json`."""
    data = [study.history.record["data"].get("fingerprint") for study in (one, other)]
    return {
        "same_data": None if None in data else data[0] == data[1],
        "same_objective": one.study.aims == other.study.aims,
        "studies": [_study(one), _study(other)],
        "space": _differing(_space(one), _space(other)),
        "settings": _differing(_settings(one), _settings(other)),
        "best_params": _differing(_best_params(one), _best_params(other)),
    }


def lines(found: dict[str, Any]) -> Iterator[str]:
    """For a terminal."""
    one, other = found["studies"]
    yield from (_headline(study) for study in (one, other))
    if not found["same_objective"]:
        yield "their objectives differ: the two values say nothing of each other"
    if found["same_data"] is None:
        yield "whether they have the same data is not known: a trainable tells the fingerprint of its data by `prepare`"
    elif not found["same_data"]:
        yield f"their data differ ({one['data']} and {other['data']}): a difference may be of the rows"
    for title, group in (("searched", "space"), ("settings", "settings"), ("best", "best_params")):
        for name, (here, there) in found[group].items():
            yield f"{title}: {name}: {_word(here)} | {_word(there)}"


def _study(results: Results) -> dict[str, Any]:
    winner, objective = results.winner, results.objective
    account = Account()
    for event in results.events:
        account.apply(event)
    return {
        "study": results.study.study,
        "state": results.state,
        "data": results.history.record["data"].get("fingerprint"),
        "metric": objective.metric,
        "best": winner.value(objective) if winner else None,
        "interval": _interval(results),
        "trial": winner.number if winner else None,
        **({"front": len(results.front), "hypervolume": results.hypervolume} if results.study.objectives else {}),
        "trials": len(results.history.trials),
        "epochs": account.epochs,
        "hours": account.seconds / 3600,
        "gpu_hours": account.gpu_seconds / 3600,
    }


def _interval(results: Results) -> list[float] | None:
    """Of the best value, had validation had other rows; None where no confusion matrix was kept."""
    from dashboards import interval
    from hpo.frames import study_data

    if results.winner is None:
        return None
    found = interval.bootstrap(interval.cells_of(study_data(results).evaluation), results.objective.metric)
    return [found.low, found.high] if found else None


def _space(results: Results) -> dict[str, Any]:
    spec = results.study.model_dump(exclude_none=True, exclude_unset=True)
    return {**spec.get("search_space", {}), **{text: True for text in spec.get("constraints", ())}}


def _settings(results: Results) -> dict[str, Any]:
    spec = results.study.model_dump(exclude_none=True, exclude_unset=True)
    return dict(
        _flat({key: value for key, value in spec.items() if key not in {*ASIDE, "search_space", "constraints"}})
    )


def _best_params(results: Results) -> dict[str, Any]:
    winner = results.winner
    return dict(winner.params) if winner else {}


def _flat(group: dict[str, Any], before: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in group.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{before}{key}.")
        else:
            yield f"{before}{key}", value


def _differing(one: dict[str, Any], other: dict[str, Any]) -> dict[str, list[Any]]:
    """What is not there is None."""
    names = dict.fromkeys([*one, *other])
    return {name: [one.get(name), other.get(name)] for name in names if one.get(name) != other.get(name)}


def _headline(study: dict[str, Any]) -> str:
    if study.get("front"):
        front = f"{study['front']} of {count(study['trials'], 'trial')} on the Pareto front"
        volume = f"hypervolume {study['hypervolume']:.3f} of its own box"
        return f"{study['study']}: {front}, {volume}; {count(study['epochs'], 'epoch')} in {_time(study['hours'])}"
    if study["best"] is None:
        return f"{study['study']}: no trial came to a regular end ({count(study['trials'], 'trial')})"
    sure = "[{:.4f}, {:.4f}] ".format(*study["interval"]) if study["interval"] else ""
    gpu = f", {study['gpu_hours']:.2f} GPU hours" if study["gpu_hours"] else ""
    return (
        f"{study['study']}: {study['metric']} {study['best']:.4f} {sure}in trial {study['trial']:03d} of "
        f"{study['trials']}; {count(study['epochs'], 'epoch')} in {_time(study['hours'])}{gpu}"
    )


def _time(hours: float) -> str:
    return duration(3600 * hours)


def _word(value: Any) -> str:
    return "none" if value is None else str(value)
