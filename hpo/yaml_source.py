"""Reads a YAML 1.2 file as plain data that remembers where each key stands.

PyYAML's parser gives a flat stream of events, and the data is built here: nothing is ever evaluated. Anchors, aliases,
tags and merge keys are refused, and so is what is too deep or too much, before it is built.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from hpo.errors import UsageError
from hpo.text_file import read_text, refuse_unseen
from hpo.yaml_scalars import resolve

Key = tuple[str | int, ...]
Fault = tuple[Key, str]  # the field at fault and the reason
Events = Iterator[Any]  # of PyYAML, with a mark each: line and column from 0

MAX_DEPTH = 32
MAX_NODES = 10_000
MOST_LINES = 8  # of further faults that an error names

# what libyaml says, and what a person does about it
WAYS_OUT = {
    "tab": "indent with spaces, not with tabs",
    "cannot start any token": "put it into quotes",
    "unexpected end of stream|unexpected document indicator": "close the quotes",
    "expected ',' or|expected node content": "close the bracket, or put a comma",
    "expected ':'": "write `name: value`",
    "mapping values|expected key|expected '-' indicator": "indent as its neighbours are, with a space after the colon",
    "entries are not allowed": "begin the list on a line of its own",
    "escape c": "use single quotes",
    "comment or line break": "begin the text on the next line",
    "tag handle|directive|incompatible": "quote what begins with ! or %",
    "document start": "delete what stands after the end",
}


@dataclass(frozen=True, order=True)
class Place:
    line: int
    column: int
    origin: str  # path of the file, or the option of the command line

    def __str__(self) -> str:
        return f"{self.origin}:{self.line}:{self.column}" if self.line else self.origin


class Source:
    """A parsed YAML file: `data` as plain dicts, lists and scalars, and the place of each key."""

    def __init__(self, path: Path, text: str | None = None) -> None:
        self.path = path
        self.text = read_text(path) if text is None else text
        self.places: dict[Key, Place] = {}
        self.data = Builder(self.text, str(path), self.places).document()

    def error(self, key: Key, reason: str) -> UsageError:
        return self.refusal([(key, reason)])

    def refusal(self, faults: Iterable[Fault]) -> UsageError:
        """`file:line:column: field: reason` of the first fault, and the places of the others."""
        (place, key, reason), *others = sorted((self.place(key), tuple(map(str, key)), why) for key, why in faults)
        field = ".".join(part if len(part) <= 60 else f"{part[:57]}..." for part in key)
        return UsageError(f"{place}: {field + ': ' if field else ''}{reason}{_further([one[0] for one in others])}")

    def place(self, key: Key) -> Place:
        """That of the field, or of the nearest group around it that stands in the file."""
        while key and key not in self.places:
            key = key[:-1]
        return self.places.get(key, Place(1, 1, str(self.path)))

    def override(self, setting: str) -> None:
        """`search.trials=4`: as if it stood in the file, and by the same rules."""
        name, equals, text = setting.partition("=")
        origin = f"--set {setting}"
        if not equals or not all(name.split(".")):
            raise UsageError(f"{origin}: takes key=value; for example --set search.trials=4")
        key: Key = ()
        group = self.data
        *groups, leaf = _parts(self.data, name)
        for part in groups:
            key = (*key, part)
            group = group.setdefault(part, {})
            if not isinstance(group, dict):
                field = ".".join(map(str, key))
                raise UsageError(f"{origin}: {field} is no group of settings, got {group!r}; set it as a whole")
        key = (*key, leaf)
        self.places = {old: place for old, place in self.places.items() if old[: len(key)] != key}
        places: dict[Key, Place] = {}
        group[leaf] = Builder(text, origin, places, is_file=False).document()
        self.places |= {(*key, *inner): place for inner, place in places.items()}


class Builder:
    """Data from the parser's events, which are flat, so that no depth of a file reaches Python's stack."""

    def __init__(self, text: str, origin: str, places: dict[Key, Place], is_file: bool = True) -> None:
        self.text, self.origin, self.places, self.is_file = text, origin, places, is_file
        self.nodes = 0

    def document(self) -> Any:
        """UsageError with the place of what is no YAML, or is more than a study file needs."""
        refuse_unseen(self.text, self.origin)
        events = yaml.parse(self.text, Loader=yaml.CSafeLoader)
        try:
            data = None
            for event in events:
                if isinstance(event, yaml.DocumentStartEvent) and self.nodes:
                    raise self._error(event.start_mark, "a second document begins here; keep one")
                if isinstance(event, yaml.NodeEvent):
                    data = self._node(event, events, ())
            return data
        except yaml.MarkedYAMLError as error:
            raise self._error(error.problem_mark, f"is no valid YAML: {self._in_words(error)}") from None
        except yaml.YAMLError as error:
            raise UsageError(f"{self.origin}: is no valid YAML: {error}") from None

    def _node(self, event: Any, events: Events, key: Key) -> Any:
        mark = event.start_mark
        self.places.setdefault(key, self._place(mark))
        self.nodes += 1
        if self.nodes > MAX_NODES:
            raise self._error(mark, f"a study file has at most {MAX_NODES:,} keys and values; shorten it")
        if len(key) > MAX_DEPTH:
            raise self._error(mark, f"is nested more than {MAX_DEPTH} deep; flatten it")
        if isinstance(event, yaml.AliasEvent) or event.anchor is not None or getattr(event, "tag", None) is not None:
            raise self._error(mark, "anchors, aliases and tags are refused; write the value out")
        if isinstance(event, yaml.MappingStartEvent):
            return self._mapping(events, key)
        if isinstance(event, yaml.SequenceStartEvent):
            return [self._node(item, events, (*key, index)) for index, item in enumerate(_until_end(events))]
        if event.style:  # quoted or block: a string as it stands
            return event.value
        try:
            return resolve(event.value)
        except ValueError as error:
            raise self._error(mark, f"{'.'.join(map(str, key))}: {error}" if key else str(error)) from None

    def _mapping(self, events: Events, key: Key) -> dict[str, Any]:
        mapping: dict[str, Any] = {}
        for event in _until_end(events):
            mark = event.start_mark
            if not isinstance(event, yaml.ScalarEvent) or event.anchor is not None or event.tag is not None:
                raise self._error(mark, "a key is one plain word, without anchor, alias or tag; write it out")
            name = event.value
            if name == "<<":
                raise self._error(mark, "merge keys are refused; write the values out")
            if not name.isprintable() or not name:
                raise self._error(mark, f"a key is a word of characters to be seen, got {name[:60]!r}; rename it")
            child = (*key, name)
            if name in mapping:
                line = self.places[child].line
                first = f", first in line {line}" if line else ""
                raise self._error(mark, f"{'.'.join(map(str, child))}: stands twice{first}; keep one")
            self.places[child] = self._place(mark)
            mapping[name] = self._node(next(events), events, child)
        return mapping

    def _place(self, mark: Any) -> Place:
        line, column = (mark.line + 1, mark.column + 1) if self.is_file else (0, 0)
        return Place(line, column, self.origin)

    def _error(self, mark: Any, reason: str) -> UsageError:
        return UsageError(f"{self._place(mark)}: {reason}")

    def _in_words(self, error: Any) -> str:
        said = str(error.problem)
        if error.context and error.context_mark.line != error.problem_mark.line:
            said += f" {error.context} that begins in line {error.context_mark.line + 1}"
        at = self.text.splitlines()[error.problem_mark.line :][:1]
        if at and at[0][error.problem_mark.column :].startswith("\t"):
            said = f"a tab: {said}"
        way_out = next((words for found, words in WAYS_OUT.items() if re.search(found, said)), "correct it")
        return f"{said}; {way_out}"


def parse_value(text: str) -> Any:
    """One value as it would be read from a file."""
    return Builder(text, "value", {}, is_file=False).document()


def _until_end(events: Events) -> Events:
    for event in events:
        if isinstance(event, yaml.CollectionEndEvent):
            return
        yield event


def _parts(data: Any, dotted: str) -> list[str]:
    """Of `search_space.data.seed.uniform`, the keys; a parameter `data.seed` that stands in the file is one of them."""
    if not isinstance(data, dict):
        return dotted.split(".")
    names = dotted.split(".")
    for count in range(len(names), 1, -1):
        name = ".".join(names[:count])
        if name in data:
            rest = names[count:]
            return [name, *(_parts(data[name], ".".join(rest)) if rest else [])]
    return [names[0], *(_parts(data.get(names[0]), ".".join(names[1:])) if names[1:] else [])]


def _further(places: list[Place]) -> str:
    if not places:
        return ""
    lines = list(dict.fromkeys(str(place.line) for place in places if place.line))
    shown = ", ".join(lines[:MOST_LINES]) + (" and below" if len(lines) > MOST_LINES else "")
    where = f", in line {shown}" if len(lines) == 1 else f", in lines {shown}" if lines else ""
    return f" ({len(places)} more {'fault' if len(places) == 1 else 'faults'}{where})"
