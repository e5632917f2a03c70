"""Reads a YAML 1.2 file as plain data that remembers the line of every key.

PyYAML resolves scalars by YAML 1.1, where `1e-5` is a string, `on` is true and `12:30` is 750. So its parser builds the
node tree, and the scalars are resolved here by the YAML 1.2 core schema. Nothing is ever evaluated; tags are refused.
"""

import re
from pathlib import Path
from typing import Any

import yaml

from hpo.errors import UsageError

Key = tuple[str | int, ...]

MAX_BYTES = 1_000_000
MAX_DEPTH = 32

# YAML 1.2.2, section 10.3.2 (core schema), without octal, hexadecimal, .inf and .nan
INTEGER = re.compile(r"[-+]?[0-9]+")
FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
CONSTANTS = {"": None, "~": None, "null": None, "Null": None, "NULL": None,
             "true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False}  # fmt: skip


class Source:
    """A parsed YAML file: `data` as plain dicts, lists and scalars, and the place of each key."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.places: dict[Key, tuple[int, int]] = {}
        self.data = self._build(_compose(path), ())

    def error(self, key: Key, reason: str) -> UsageError:
        """`file:line:column: field: reason`, at the nearest enclosing key that stands in the file."""
        nearest = key
        while nearest and nearest not in self.places:
            nearest = nearest[:-1]
        line, column = self.places.get(nearest, (1, 1))
        field = ".".join(str(part) for part in key)
        return UsageError(f"{self.path}:{line}:{column}: {field + ': ' if field else ''}{reason}")

    def _build(self, node: yaml.Node | None, key: Key) -> Any:
        if node is None:
            return None
        self.places.setdefault(key, (node.start_mark.line + 1, node.start_mark.column + 1))
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, key)
        if isinstance(node, yaml.SequenceNode):
            return [self._build(item, (*key, index)) for index, item in enumerate(node.value)]
        assert isinstance(node, yaml.ScalarNode), node
        return self._scalar(node, key)

    def _mapping(self, node: yaml.MappingNode, key: Key) -> dict[str, Any]:
        mapping: dict[str, Any] = {}
        for name_node, value_node in node.value:
            name = str(name_node.value)
            child = (*key, name)
            first_line = self.places[child][0] if name in mapping else 0
            self.places[child] = (name_node.start_mark.line + 1, name_node.start_mark.column + 1)
            if first_line:
                raise self.error(child, f"stands twice, first in line {first_line}; keep one")
            mapping[name] = self._build(value_node, child)
        return mapping

    def _scalar(self, node: yaml.ScalarNode, key: Key) -> Any:
        if node.style not in (None, ""):  # quoted or block: a string as it stands
            return node.value
        if node.value in CONSTANTS:
            return CONSTANTS[node.value]
        if INTEGER.fullmatch(node.value):
            return int(node.value)
        if FLOAT.fullmatch(node.value):
            number = float(node.value)
            if number in (float("inf"), float("-inf")):
                raise self.error(key, f"must be a finite number, got {node.value}")
            return number
        if node.value.lower().lstrip("+-") in (".inf", ".nan"):
            raise self.error(key, f"must be a finite number, got {node.value}")
        return node.value


def parse_scalar(text: str) -> Any:
    """One value as it would be read from a file: `--set search.trials=4` gives the integer 4."""
    try:
        node = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.YAMLError:
        return text
    source = Source.__new__(Source)
    source.path, source.places = Path("--set"), {}
    return source._build(node, ())


def _compose(path: Path) -> yaml.Node | None:
    try:
        raw = path.read_bytes()
    except FileNotFoundError:
        raise UsageError(f"{path}: no such study file; `ls search_spaces` shows those that come with hpo") from None
    except OSError as error:
        raise UsageError(f"{path}: cannot be read: {error.strerror}") from None
    if len(raw) > MAX_BYTES:
        raise UsageError(f"{path}: a study file has at most {MAX_BYTES:,} bytes, got {len(raw):,}")
    try:
        text = raw.decode("utf-8-sig")
        for token in yaml.scan(text, Loader=yaml.CSafeLoader):  # flat: no recursion before the depth is known
            if isinstance(token, (yaml.AnchorToken, yaml.AliasToken, yaml.TagToken)):
                place = f"{path}:{token.start_mark.line + 1}:{token.start_mark.column + 1}"
                raise UsageError(f"{place}: anchors, aliases and tags are refused; write the value out")
        _refuse_depth(path, text)
        return yaml.compose(text, Loader=yaml.CSafeLoader)
    except UnicodeDecodeError as error:
        raise UsageError(
            f"{path}: must be UTF-8 text, got byte {raw[error.start]:#04x} at offset {error.start}"
        ) from None
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        place = f":{mark.line + 1}:{mark.column + 1}" if mark else ""
        raise UsageError(f"{path}{place}: is no valid YAML: {error.problem}") from None
    except yaml.YAMLError as error:
        raise UsageError(f"{path}: is no valid YAML: {' '.join(str(error).split())}") from None


def _refuse_depth(path: Path, text: str) -> None:
    """By the parser's flat stream of events: composing 5,000 levels would exhaust the stack."""
    depth = 0
    for event in yaml.parse(text, Loader=yaml.CSafeLoader):
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > MAX_DEPTH:
            raise UsageError(f"{path}: is nested more than {MAX_DEPTH} deep; flatten it")
