"""The study that follows from one, as a file that `hpo check` passes: its ranges are moved by the verdicts on them."""

import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from dashboards.study import Words
from dashboards.verdicts import Verdict
from hpo.domains import Domain, contains
from hpo.errors import UsageError
from hpo.ranges import Range
from hpo.results import Results
from hpo.study import Study
from hpo.study_file import load_study
from hpo.trainable import resolved
from hpo.yaml_source import parse_value

WIDENED = ("widen_low", "widen_high")
NUMERIC = ("uniform", "log_uniform", "integer", "log_integer")
LONGEST = 100  # characters of a line
MOST_FOLLOWED = 20  # of `digits-2`, `digits-3` ...; `clinc-150` is the name of a first study
DIGITS = 2  # significant ones of a new end: more would be believed
FILE = Path("next.yaml")  # the name under which faults would be told
BARE = re.compile(r"[A-Za-z_./][\w./:-]*[\w./-]")  # characters that mean nothing in YAML where they stand


class NoNextStudy(Exception):
    """Why there is none, in one line."""


@dataclass(frozen=True, kw_only=True)
class Next:
    study: str
    text: str
    unchecked: str = ""  # why it could not be checked here; empty: it passed


def follow(results: Results, verdicts: Sequence[Verdict], words: Words) -> Next:
    """NoNextStudy where there is nothing to go on from.

    An end that the trainable refuses to be moved is left where it was.
    """
    winner = results.winner
    if results.study.objectives:
        raise NoNextStudy(words["why_no_next_of_several"])
    if winner is None:
        raise NoNextStudy(words["why_no_winner"])
    if not results.study.search_space:
        raise NoNextStudy(words["why_no_parameters"])
    text = as_text(results, verdicts, words)
    refused = check(text)
    for place, verdict in enumerate(verdicts):
        if not refused:
            break
        if verdict.kind in WIDENED:
            back = replace(verdict, kind="refused", low=max(verdict.low, 0.0), high=min(verdict.high, 1.0))
            trial = [*verdicts[:place], back, *verdicts[place + 1 :]]
            still = check(as_text(results, trial, words))
            if still != refused:
                verdicts, refused, text = trial, still, as_text(results, trial, words)
    unchanged = as_text(results, [Verdict(parameter=verdict.parameter) for verdict in verdicts], words)
    if refused and not check(unchanged):
        text, refused = unchanged, ""
    return Next(study=next_name(results.study.study), text=text, unchecked=refused)


def check(text: str) -> str:
    """What `hpo check` says against it, or nothing."""
    try:
        load_study(FILE, text=text, begun=True)  # its earlier studies are looked at when it is run
    except UsageError as error:
        return re.sub(rf"^{FILE}(:\d+:\d+)?: ", "", str(error))
    return ""


def next_name(name: str) -> str:
    """`digits`, `digits-2`, `digits-3` ..."""
    stem, _, count = name.rpartition("-")
    if not stem or not count.isdigit() or not 2 <= int(count) <= MOST_FOLLOWED:
        stem, count = name, "1"
    return f"{stem[:60]}-{int(count) + 1}"


def as_text(results: Results, verdicts: Sequence[Verdict], words: Words) -> str:
    study = results.study
    winner = results.winner
    assert winner is not None
    spec: dict[str, Any] = study.model_dump(exclude_none=True, exclude_unset=True)
    space, frozen, reasons = new_space(study, verdicts, winner.params, words)
    search = {**spec["search"], "seed": study.search.seed + 1}
    if not space:  # nothing is left to choose
        search["trials"] = 1
    spec |= {"study": next_name(study.study), "config": resolved(spec.get("config", {}), frozen), "search": search}
    spec["search_space"] = space
    known = {*space, *frozen}
    spec["constraints"] = [
        constraint.text
        for constraint in study.space.constraints
        if all(name in known or name not in study.search_space for name in constraint.names)
    ]
    return in_yaml({name: value for name, value in spec.items() if value not in ({}, [])}, reasons)


def new_space(
    study: Study, verdicts: Sequence[Verdict], best: Mapping[str, Any], words: Words
) -> tuple[dict[str, Any], dict[str, Any], dict[str, str]]:
    """The new search space, what is fixed from now on, and why, by parameter."""
    space: dict[str, Any] = {}
    frozen: dict[str, Any] = {}
    reasons: dict[str, str] = {}
    for verdict in verdicts:
        name = verdict.parameter.name
        entry = study.search_space[name].model_dump(exclude_none=True, exclude_unset=True)
        value = best.get(name)
        if verdict.kind == "freeze":
            frozen[name], reasons[name] = value, words["verdict_freeze"]
        elif verdict.dropped:
            kind = "choice" if "choice" in entry else "ordered_choice"
            entry[kind] = [one for one in entry[kind] if str(one) not in verdict.dropped]
            reasons[name] = words["verdict_dropped"].format(values=", ".join(verdict.dropped))
            if len(entry[kind]) > 1:
                space[name] = without_lost_prior(entry)
            else:
                [frozen[name]] = entry[kind]
        else:
            moved = with_ends(entry, verdict)
            if moved != entry or verdict.kind == "refused":
                reasons[name] = words[f"verdict_{verdict.kind}"].format(value=short(value))
            space[name] = moved
    return conditioned(space, frozen), frozen, reasons


def with_ends(entry: dict[str, Any], verdict: Verdict) -> dict[str, Any]:
    """The range between the two shares of the old one, rounded outwards to ends that can be remembered."""
    kind = next((kind for kind in NUMERIC if kind in entry), None)
    if kind is None or (verdict.low, verdict.high) == (0.0, 1.0):
        return entry
    low, high = entry[kind]
    whole, logarithmic = kind.endswith("integer"), kind.startswith("log")
    ends = [at(share, low, high, logarithmic) for share in (verdict.low, verdict.high)]
    step = entry.get("step")
    if step:  # the old values stay among the new
        new_low = low + math.floor((ends[0] - low) / step + 1e-9) * step
        new_high = low + math.ceil((ends[1] - low) / step - 1e-9) * step
    else:
        new_low, new_high = outwards(ends[0], down=True), outwards(ends[1], down=False)
    new_low = low if verdict.low == 0 else new_low if verdict.low < 0 else max(new_low, low)
    new_high = high if verdict.high == 1 else new_high if verdict.high > 1 else min(new_high, high)
    # what was always positive stays so
    new_low = max(new_low, int(whole)) if low > 0 else new_low
    if whole:
        new_low, new_high = math.floor(new_low), math.ceil(new_high)
    else:
        new_low, new_high = float(f"{new_low:.12g}"), float(f"{new_high:.12g}")
    if new_low >= new_high:
        return entry
    moved = {**entry, kind: [new_low, new_high]}
    return without_lost_prior(moved)


def without_lost_prior(entry: dict[str, Any]) -> dict[str, Any]:
    """A range that no longer holds what was thought of it is searched without."""
    plain = {key: value for key, value in entry.items() if key != "prior"}
    prior = entry.get("prior")
    thought = prior["at"] if isinstance(prior, dict) else prior
    return entry if "prior" in entry and contains(domain_of(plain), thought) else plain


def domain_of(entry: Mapping[str, Any]) -> Domain:
    return Range.model_validate(entry).parameter().domain


def at(share: float, low: float, high: float, logarithmic: bool) -> float:
    """Also for shares beyond 0 and 1."""
    if logarithmic:
        return math.exp(math.log(low) + share * math.log(high / low))
    return low + share * (high - low)


def outwards(value: float, down: bool) -> float:
    if value == 0:
        return 0.0
    unit = 10.0 ** (math.floor(math.log10(abs(value))) - DIGITS + 1)
    return (math.floor(value / unit + 1e-9) if down else math.ceil(value / unit - 1e-9)) * unit


def conditioned(space: dict[str, Any], frozen: Mapping[str, Any]) -> dict[str, Any]:
    """What can no longer apply goes, and what hangs on it; what always applies now loses its condition."""
    kept = {}
    for name, entry in space.items():
        when = {parent: possible(parent, values, space, frozen) for parent, values in entry.get("when", {}).items()}
        if all(when.values()):
            left = {parent: values for parent, values in when.items() if parent in space}
            kept[name] = {key: value for key, value in entry.items() if key != "when"} | (
                {"when": left} if left else {}
            )
    return kept if len(kept) == len(space) else conditioned(kept, frozen)


def possible(parent: str, values: list[Any], space: Mapping[str, Any], frozen: Mapping[str, Any]) -> list[Any]:
    """Of the values of a condition, those that its parent may still have."""
    if parent in frozen:
        return [value for value in values if value == frozen[parent]]
    return [value for value in values if parent in space and contains(domain_of(space[parent]), value)]


def in_yaml(spec: Mapping[str, Any], reasons: Mapping[str, str]) -> str:
    """Block style as far as a person would write it, flow style below; a comment says why a parameter was moved."""
    lines = []
    for name, value in spec.items():
        if name in ("config", "search_space"):
            lines.append(f"{name}:")
            for key, entry in value.items():
                why = f"  # {reasons[key]}" if key in reasons else ""
                lines += [f"{line}{why}" for line in setting(key, entry)]
        elif name == "constraints":
            lines += [f"{name}:", *(f"  - {json.dumps(one, ensure_ascii=False)}" for one in value)]
        else:
            lines.append(f"{name}: {flow(value)}")
    return "\n".join(lines) + "\n"


def setting(key: str, value: Any) -> list[str]:
    """On one line, or a group on several where one would be too long."""
    line = f"  {flow(key)}: {flow(value)}"
    if len(line) <= LONGEST or not isinstance(value, dict):
        return [line]
    return [f"  {flow(key)}:", *(f"    {flow(name)}: {flow(one)}" for name, one in value.items())]


def flow(value: Any) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{flow(str(key))}: {flow(entry)}" for key, entry in value.items()) + "}"
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(map(flow, value)) + "]"
    if isinstance(value, str) and BARE.fullmatch(value) and parse_value(value) == value:
        return value
    return json.dumps(value, ensure_ascii=False)


def short(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
