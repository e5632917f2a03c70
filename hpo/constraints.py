"""What must hold between parameters: `batch_size * max_length <= 8192`, read by a small grammar, never run as code.

    constraint = sum ("<=" | "<" | ">=" | ">" | "==" | "!=") sum
    sum        = product {("+" | "-") product}
    product    = factor {("*" | "/") factor}
    factor     = number | name | "(" sum ")" | "-" factor

Names are those of the search space, dotted ones too, and fixed numbers of `config`. A constraint that names a parameter
which does not apply, by its `when`, does not apply either.
"""

import operator
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

TOKEN = re.compile(r"\s*(?:(?P<number>\d+(\.\d*)?([eE][-+]?\d+)?|\.\d+([eE][-+]?\d+)?)|(?P<name>[A-Za-z_][\w.]*)"
                   r"|(?P<sign><=|>=|==|!=|[-+*/()<>]))")  # fmt: skip
COMPARISONS: dict[str, Callable[[float, float], bool]] = {
    "<=": operator.le,
    "<": operator.lt,
    ">=": operator.ge,
    ">": operator.gt,
    "==": operator.eq,
    "!=": operator.ne,
}
ARITHMETIC: dict[str, Callable[[float, float], float]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": operator.truediv,
}
DEEPEST = 50  # brackets and signs within each other
LONGEST = 400  # characters

Tree = float | str | tuple[str, "Tree", "Tree"]  # a number, a name, or (sign, left, right)


@dataclass(frozen=True)
class Constraint:
    text: str
    comparison: str
    left: Tree
    right: Tree

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys([*_names(self.left), *_names(self.right)]))

    def holds(self, params: Mapping[str, Any]) -> bool:
        if any(name not in params for name in self.names):
            return True
        try:
            return COMPARISONS[self.comparison](_value(self.left, params), _value(self.right, params))
        except ZeroDivisionError:
            return False


def parse(text: str, fixed: Mapping[str, Any] | None = None) -> Constraint:
    """Names in `fixed` stand for their numbers. ValueError of one line where the text is no constraint."""
    if len(text) > LONGEST:
        raise ValueError(f"is longer than {LONGEST} characters; write it as several constraints")
    tokens = _tokens(text)
    left, rest = _sum(tokens, 0)
    if not rest or rest[0] not in COMPARISONS:
        found = repr(rest[0]) if rest else "its end"
        raise ValueError(f"`{text}` needs one of {' '.join(COMPARISONS)}, got {found}; for example a * b <= 512")
    right, beyond = _sum(rest[1:], 0)
    if beyond:
        raise ValueError(f"`{text}` ends before {beyond[0]!r}; write `a < b` and `b < c` as two constraints")
    return Constraint(text, rest[0], _filled(left, fixed or {}), _filled(right, fixed or {}))


def numbers(config: Mapping[str, Any], group: str = "") -> dict[str, float]:
    """The fixed settings that a constraint may name, those of groups by their dotted names."""
    found: dict[str, float] = {}
    for name, value in config.items():
        if isinstance(value, Mapping):
            found |= numbers(value, f"{group}{name}.")
        elif isinstance(value, (int, float)) and not isinstance(value, bool):
            found[f"{group}{name}"] = value
    return found


def _tokens(text: str) -> list[str]:
    tokens, place = [], 0
    while text[place:].strip():
        match = TOKEN.match(text, place)
        if match is None:
            raise ValueError(f"`{text}` may hold names, numbers, + - * / ( ) and one comparison, got {text[place:]!r}")
        tokens.append(match.group().strip())
        place = match.end()
    return tokens


def _sum(tokens: list[str], depth: int) -> tuple[Tree, list[str]]:
    return _chain(tokens, depth, "+-", _product)


def _product(tokens: list[str], depth: int) -> tuple[Tree, list[str]]:
    return _chain(tokens, depth, "*/", _factor)


def _chain(
    tokens: list[str], depth: int, signs: str, part: Callable[[list[str], int], tuple[Tree, list[str]]]
) -> tuple[Tree, list[str]]:
    """Parts joined by signs of one rank, from left to right."""
    tree, rest = part(tokens, depth)
    while rest and rest[0] in signs:
        right, after = part(rest[1:], depth)
        tree, rest = (rest[0], tree, right), after
    return tree, rest


def _factor(tokens: list[str], depth: int) -> tuple[Tree, list[str]]:
    if depth > DEEPEST:
        raise ValueError(f"is nested more than {DEEPEST} deep; write it flatter")
    if not tokens:
        raise ValueError("ends where a name or a number is due; for example a * b <= 512")
    first, rest = tokens[0], tokens[1:]
    if first == "-":
        tree, rest = _factor(rest, depth + 1)
        return ("-", 0.0, tree), rest
    if first == "(":
        tree, rest = _sum(rest, depth + 1)
        if not rest or rest[0] != ")":
            raise ValueError("has a bracket that is never closed; add `)`")
        return tree, rest[1:]
    if first[0].isdigit() or first[0] == ".":
        return float(first), rest
    if first[0].isalpha() or first[0] == "_":
        return first, rest
    raise ValueError(f"has {first!r} where a name or a number is due; for example a * b <= 512")


def _filled(tree: Tree, fixed: Mapping[str, Any]) -> Tree:
    if isinstance(tree, tuple):
        return tree[0], _filled(tree[1], fixed), _filled(tree[2], fixed)
    return float(fixed[tree]) if isinstance(tree, str) and tree in fixed else tree


def _names(tree: Tree) -> list[str]:
    if isinstance(tree, tuple):
        return [*_names(tree[1]), *_names(tree[2])]
    return [tree] if isinstance(tree, str) else []


def _value(tree: Tree, params: Mapping[str, Any]) -> float:
    if isinstance(tree, tuple):
        return ARITHMETIC[tree[0]](_value(tree[1], params), _value(tree[2], params))
    return params[tree] if isinstance(tree, str) else tree
