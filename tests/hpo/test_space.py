"""Domains, conditions and constraints: what lies in a space, and that what is read by a grammar is never run."""

import math
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hpo.constraints import COMPARISONS, Constraint, numbers, parse
from hpo.domains import (
    Choice,
    Constant,
    Domain,
    Integer,
    LogInteger,
    LogUniform,
    Normal,
    OrderedChoice,
    Uniform,
    Value,
    all_values,
    contains,
)
from hpo.space import Parameter, Space, at, configurations, corners, sample

SHARES = st.floats(0, 1)
SIZES = st.floats(1e-6, 1e6)
PLAIN: Any = st.one_of(
    st.builds(lambda low, width: Uniform(low, low + width), st.floats(-1e6, 1e6), SIZES),
    st.builds(lambda low, cells, step: Uniform(low, low + cells * step, step), st.floats(-10, 10), st.integers(1, 50),
              st.sampled_from([0.1, 0.25, 0.01, 3.0])),
    st.builds(lambda low, times: LogUniform(low, low * times), SIZES, st.floats(1.01, 1e6)),
    st.builds(lambda low, width: Integer(low, low + width), st.integers(-1000, 1000), st.integers(1, 1000)),
    st.builds(lambda low, width, step: Integer(low, low + width + step, step), st.integers(-9, 9), st.integers(0, 99),
              st.integers(1, 9)),
    st.builds(lambda low, width: LogInteger(low, low + width), st.integers(1, 1000), st.integers(1, 1000)),
    st.builds(Normal, st.floats(-10, 10), st.floats(0.01, 10)),
    st.builds(lambda mean, sd: Normal(mean, sd, mean - sd, mean + 2 * sd), st.floats(-10, 10), st.floats(0.01, 10)),
    st.just(Choice(("a", "b", None, 1, 1.5, True))),
    st.just(OrderedChoice((16, 32, 64))),
    st.just(Constant("as it is")),
)  # fmt: skip


@given(PLAIN, SHARES)
def test_every_share_is_a_plain_value_of_the_domain(domain: Domain, share: float) -> None:
    value = domain.at(share)
    assert contains(domain, value), f"{domain} gives {value!r}"
    assert type(value) in (int, float, str, bool, type(None))


@given(PLAIN, SHARES)
def test_the_share_of_a_value_leads_back_to_it(domain: Domain, share: float) -> None:
    value = domain.at(share)
    back = domain.at(domain.share(value))
    assert back == value or math.isclose(float(back), float(value), rel_tol=1e-6, abs_tol=1e-9)  # type: ignore[arg-type]
    assert 0 <= domain.share(value) <= 1


@given(PLAIN)
def test_both_ends_can_be_proposed_and_nothing_lies_beyond(domain: Domain) -> None:
    for end in domain.ends():
        assert contains(domain, end)
    if domain.ordered and not isinstance(domain, Choice):
        low, high = domain.ends()
        assert not contains(domain, float(high) + 1) and not contains(domain, float(low) - 1)  # type: ignore[arg-type]


@given(PLAIN, st.integers(0, 2**16))
def test_the_values_of_a_domain_with_few_are_all_reached_alike(domain: Domain, seed: int) -> None:
    if domain.cells is None or domain.cells > 20 or isinstance(domain, LogInteger):
        return
    random, counts = Random(seed), dict.fromkeys(map(repr, all_values(domain)), 0)
    for _ in range(200 * domain.cells):
        counts[repr(domain.at(random.random()))] += 1
    assert all(100 < count < 320 for count in counts.values()), counts


def test_steps_are_round_numbers() -> None:
    assert all_values(Uniform(0.0, 0.5, step=0.1)) == [0.0, 0.1, 0.2, 0.3, 0.4, 0.5]
    assert all_values(Uniform(0.0, 0.55, step=0.2)) == [0.0, 0.2, 0.4]  # 0.6 lies beyond
    assert all_values(Integer(8, 30, step=8)) == [8, 16, 24]


def test_a_bell_is_denser_near_its_mean() -> None:
    random, bell = Random(0), Normal(5.0, 1.0, low=4.0)
    drawn = [bell.at(random.random()) for _ in range(2000)]
    assert sum(abs(value - 5) < 0.5 for value in drawn) > 1.5 * sum(0.5 <= value - 5 < 1.5 for value in drawn)
    assert min(drawn) >= 4


def test_what_does_not_apply_is_left_out_with_all_that_hangs_on_it() -> None:
    space = Space(
        {
            "leaf": Parameter(Uniform(0.0, 1.0), when=(("branch", (1,)),)),
            "branch": Parameter(Integer(1, 2), when=(("root", ("yes",)),)),
            "root": Parameter(Choice(("yes", "no"))),
        }
    )
    assert space.order == ("root", "branch", "leaf")
    found = {tuple(at(space, {"root": r, "branch": b, "leaf": 0.5})) for r in (0, 0.9) for b in (0, 0.9)}
    assert found == {("root",), ("root", "branch"), ("root", "branch", "leaf")}


def test_conditions_in_a_circle_are_refused() -> None:
    one, other = (Parameter(Integer(1, 2), when=((name, (1,)),)) for name in ("b", "a"))
    with pytest.raises(ValueError, match="circle: a, b"):
        Space({"a": one, "b": other})


def test_all_configurations_are_listed_once() -> None:
    space = Space(
        {
            "kind": Parameter(Choice(("tree", "line"))),
            "depth": Parameter(Integer(1, 3), when=(("kind", ("tree",)),)),
            "rows": Parameter(LogInteger(1, 2)),
        },
        (parse("depth * rows < 6"),),
    )
    found = [tuple(sorted(params.items())) for params in configurations(space)]
    assert len(found) == len(set(found)) == 2 + 5  # lines; trees but for the one of depth 3 on 2 rows


def test_draws_and_corners_meet_all_constraints() -> None:
    space = Space(
        {
            "rows": Parameter(Integer(1, 512)),
            "length": Parameter(Integer(16, 512)),
            "deep": Parameter(Choice((True, False))),
            "depth": Parameter(Integer(1, 9), when=(("deep", (True,)),)),
        },
        (parse("rows * length <= 8192"), parse("depth < rows / 10"), parse("rows > 2")),
    )
    random = Random(0)
    for params in [*(sample(space, random) for _ in range(200)), *corners(space)]:
        assert params["rows"] * params["length"] <= 8192 and params["rows"] > 2  # type: ignore[operator]
        assert "depth" not in params or params["depth"] < params["rows"] / 10  # type: ignore[operator]
    reached = {params["length"] for params in corners(space)}
    assert {16, 512} <= reached, "the end of a range is tried with other values that go with it"


def test_a_space_without_any_allowed_configuration_says_so() -> None:
    space = Space({"a": Parameter(Uniform(0.0, 1.0))}, (parse("a > 2"),))
    with pytest.raises(ValueError, match="none of 10,000 random configurations .* not `a > 2`"):
        sample(space, Random(0))
    assert corners(space) == []


TREES = st.recursive(
    st.one_of(st.sampled_from(["a", "b", "data.rows"]), st.integers(0, 99), st.floats(0.125, 1e9)),
    lambda inner: st.tuples(st.sampled_from("+-*/"), inner, inner),
    max_leaves=12,
)
PARAMS: dict[str, Value] = {"a": 3, "b": -0.5, "data.rows": 100}


def text_of(tree: Any) -> str:
    return f"({text_of(tree[1])} {tree[0]} {text_of(tree[2])})" if isinstance(tree, tuple) else str(tree)


def value_of(tree: Any) -> float:
    if not isinstance(tree, tuple):
        return float(PARAMS[tree]) if isinstance(tree, str) else float(tree)  # type: ignore[arg-type]
    left, right = value_of(tree[1]), value_of(tree[2])
    return {"+": left + right, "-": left - right, "*": left * right, "/": left / right if right else math.nan}[tree[0]]


@given(TREES, TREES, st.sampled_from(sorted(COMPARISONS)))
def test_a_constraint_means_what_it_says(left: Any, right: Any, sign: str) -> None:
    text = f"{text_of(left)} {sign} {text_of(right)}"
    if len(text) > 400:
        return
    values = value_of(left), value_of(right)
    divides_by_zero = any(math.isnan(value) for value in values)
    assert parse(text).holds(PARAMS) == (not divides_by_zero and COMPARISONS[sign](*values))


@pytest.mark.parametrize(
    ("text", "holds"),
    [
        ("a + 2 * b <= 2", True), ("a - 1 - 1 == 1", True), ("12 / a / 2 == 2", True), ("-a < -2", True),
        ("a*b<0", True), ("data.rows >= 1e2", True), (".5 + b == 0", True), ("a / (b + .5) > 0", False),
        ("-(a - 5) * 2 == 4", True), ("a != 3", False), ("unknown < 0", True),
    ],
)  # fmt: skip
def test_signs_bind_as_in_arithmetic(text: str, holds: bool) -> None:
    assert parse(text).holds(PARAMS) is holds


def test_fixed_numbers_of_the_config_may_be_named() -> None:
    fixed = numbers({"batch_size": 32, "data": {"rows": 8, "name": "x"}, "flag": True})
    assert fixed == {"batch_size": 32, "data.rows": 8}
    constraint = parse("micro <= batch_size / data.rows", fixed)
    assert constraint.names == ("micro",)
    assert constraint.holds({"micro": 4}) and not constraint.holds({"micro": 5})


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a", "needs one of"), ("a + b", "needs one of"), ("", "due"), ("a <", "due"), ("< b", "due"),
        ("a < b < c", "as two constraints"), ("a = b", "may hold names"), ("(a < b", "needs one of|never closed"),
        ("a ** b < 1", "due"), ("a < __import__('os').getcwd()", "may hold names"), ("a < b; c", "may hold names"),
        ("a < b()", "due|before"), ("a < b[0]", "may hold names"), ("a < 'x'", "may hold names"), ("1.2.3 < a", "."),
        ("(" * 60 + "a" + ")" * 60 + " < 1", "nested"), ("a < " + "1 + " * 200 + "1", "longer than 400"),
        ("a if b else c", "needs one of"), ("lambda: a", "may hold names"), ("a < b % c", "may hold names"),
    ],
)  # fmt: skip
def test_what_is_no_constraint_is_refused_in_one_line(text: str, said: str) -> None:
    with pytest.raises(ValueError, match=said) as caught:
        parse(text)
    assert str(caught.value).isprintable()


@given(st.text(max_size=60))
def test_any_other_text_is_read_or_refused(text: str) -> None:
    try:
        assert isinstance(parse(text), Constraint)
    except ValueError as error:
        assert str(error)
