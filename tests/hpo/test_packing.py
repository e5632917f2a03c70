"""How many trials share a device, and what each gets: by arithmetic, in the engine, and measured."""

import math
from functools import cache
from itertools import combinations
from pathlib import Path

import pytest
from hypothesis import given as drawn
from hypothesis import settings
from hypothesis import strategies as st

from hpo import preflight as measuring
from hpo.history import fold
from hpo.packing import (
    GIB,
    Device,
    Need,
    Pace,
    Packing,
    at_once,
    best,
    doublings,
    from_event,
    given,
    most_at_once,
    needed,
    spread,
    wants_measuring,
)
from hpo.preflight import Taken, device_of, preflight
from hpo.study import Resources, Study
from hpo.tracking.lines import line
from tests.hpo.engines import new_engine, report, segment_of, toy_study

GPU = Device(count=1, cores=16, memory=64 * GIB, gpu_memory=100 * GIB)
SMALL = Need(params={"batch_size": 8}, memory=GIB, gpu_memory=10 * GIB)
LARGE = Need(params={"batch_size": 64}, memory=2 * GIB, gpu_memory=40 * GIB)


@drawn(
    st.integers(1, 4),
    st.integers(1, 64),
    st.lists(st.integers(1, 120), min_size=1, max_size=5),
    st.integers(1, 16),
    st.lists(st.integers(0, 4), max_size=30),
)
def test_no_device_is_ever_promised_more_than_it_has(
    count: int, cores: int, gigabytes: list[int], at_once: int, asked: list[int]
) -> None:
    device = Device(count=count, cores=cores, memory=500 * GIB, gpu_memory=100 * GIB)
    needs = tuple(Need(params={"batch_size": 2**size}, memory=size * GIB, gpu_memory=size * GIB) for size in gigabytes)
    packing = Packing(device=device, at_once=min(at_once, cores), needs=needs)
    running: list[dict[str, int]] = []
    for index in asked:
        params = {"batch_size": 2 ** gigabytes[index % len(gigabytes)]}
        if packing.fits(params, running):
            running.append(params)
    parts = [packing.part(params) for params in running]
    shares = [packing.share(params) for params in running]
    assert sum(parts) <= count + 1e-6
    assert sum(share.cpu for share in shares) <= count * cores, "Ray would let one wait"
    assert sum(share.gpu for share in shares) <= count
    assert len(running) <= packing.most
    taken = sum(min(needed(needs, params).gpu_memory, 100 * GIB) for params in running)  # type: ignore[union-attr]
    assert taken <= count * 100 * GIB


def test_a_trial_that_needs_more_gets_more() -> None:
    packing = Packing(device=GPU, at_once=8, needs=(SMALL, LARGE))
    small, large = packing.share({"batch_size": 8}), packing.share({"batch_size": 64})
    assert (small.cpu, small.gpu) == (2, 0.125)
    assert (large.cpu, large.gpu) == (7, 0.44), "40 GiB and a tenth more, of 100"
    assert packing.share({"batch_size": 32}) == large, "what was not measured takes as much as the next larger"
    assert packing.share({"batch_size": 4}) == small
    assert packing.fits({"batch_size": 64}, [{"batch_size": 64}])
    assert not packing.fits({"batch_size": 8}, [{"batch_size": 64}] * 2), "an eighth of it is not left"


def test_memory_may_rise_as_a_parameter_falls() -> None:
    few = Need(params={"patch_size": 4, "model": "vit"}, memory=8 * GIB)
    many = Need(params={"patch_size": 16, "model": "vit"}, memory=GIB)
    assert needed((few, many), {"patch_size": 16, "model": "vit"}) == many
    assert needed((few, many), {"patch_size": 10, "model": "vit"}) == few
    assert needed((few, many), {"patch_size": 16, "model": "another"}) == few, "of the unknown the largest is assumed"


def test_a_trial_larger_than_a_device_gets_one_to_itself() -> None:
    packing = Packing(device=GPU, at_once=4, needs=(Need(params={}, memory=GIB, gpu_memory=200 * GIB),))
    assert packing.share({}).gpu == 1.0
    assert most_at_once(GPU, packing.needs[0], None, 100) == 1


def test_memory_cores_and_trials_each_limit_how_many_run_at_once() -> None:
    assert most_at_once(GPU, SMALL, None, 100) == math.floor(100 / 11)
    assert most_at_once(GPU, SMALL, 4, 100) == 4
    assert most_at_once(GPU, SMALL, None, 3) == 3


@pytest.mark.parametrize(("most", "measured"), [(1, [1]), (2, [1, 2]), (6, [1, 2, 4, 6]), (8, [1, 2, 4, 8])])
def test_ever_more_side_by_side_are_measured(most: int, measured: list[int]) -> None:
    assert doublings(most) == measured


def test_more_run_at_once_only_as_long_as_all_together_are_quicker() -> None:
    paces = [Pace(at_once=1, seconds=0.1), Pace(at_once=2, seconds=0.12), Pace(at_once=4, seconds=0.235)]
    assert best(paces).at_once == 2, "17 steps a second are not a tenth more than 16.7"
    assert best(paces[:1]).at_once == 1


@pytest.mark.parametrize(
    ("resources", "gpus", "measured"),
    [({}, 0, False), ({}, 1, True), ({"cpu": "auto"}, 0, True), ({"cpu": "auto", "gpu": 0}, 1, True)]
    + [({"gpu": 0.5}, 1, False), ({"cpu": "auto", "gpu": 0.5}, 1, False), ({"gpu": 0}, 1, False)],
)
def test_only_what_auto_leaves_open_is_measured(resources: dict[str, object], gpus: int, measured: bool) -> None:
    assert wants_measuring(Resources.model_validate(resources), gpus) is measured


def test_cores_follow_from_a_given_share_of_a_gpu() -> None:
    packing = given(Resources(cpu="auto", gpu=0.5), cores=16, gpus=2)
    assert packing.most == 4
    assert (packing.share({}).cpu, packing.share({}).gpu) == (4, 0.5)


@pytest.mark.parametrize(("cpu", "most"), [(1, 2), (2, 1), (0.5, 4), (0.25, 8), (0.1, 20), (1 / 3, 6), (4, 0)])
def test_trials_may_share_a_core(cpu: float, most: int) -> None:
    assert at_once(Resources(cpu=cpu, gpu=0), 2, 0) == most


def test_a_trial_with_a_share_of_a_core_has_one_thread_and_its_share_set_aside(tmp_path: Path) -> None:
    segment = segment_of(new_engine(tmp_path, toy_study(resources={"cpu": 0.25, "gpu": 0})))
    assert (segment.threads, segment.cpus) == (1, 0.25)


def test_the_oldest_trial_waits_for_room_and_none_overtakes_it(folder: Path) -> None:
    points = [{"x": x, "y": 0.0} for x in (4.0, 4.5, -4.0)]
    search = {"searcher": "random", "scheduler": "fifo", "trials": 3, "points": points}
    engine = new_engine(folder, toy_study(search=search))
    low, high = Need(params={"x": 1.0}, memory=GIB), Need(params={"x": 5.0}, memory=5 * GIB)
    engine.packing = Packing(device=Device(count=1, cores=4, memory=8 * GIB), at_once=4, needs=(low, high))
    first = segment_of(engine)
    assert first.threads == 2, "5.5 of 8 GiB, and so as many of the cores"
    assert engine.next_segment() is None, "the second does not fit, and the third waits behind it"
    engine.reported(first, report(1))
    engine.completed(first)
    assert [(one.trial, one.threads) for one in (segment_of(engine), segment_of(engine))] == [(1, 2), (2, 1)]


def test_what_was_measured_is_an_event_that_is_read_back(folder: Path) -> None:
    engine = new_engine(folder, toy_study())
    packing = Packing(device=GPU, at_once=8, needs=(SMALL, LARGE), paces=(Pace(at_once=1, seconds=0.01),))
    engine.measured(packing)
    history = fold(engine.ledger.events())
    assert from_event(history.measured, GPU) == packing
    assert from_event(history.measured, Device(count=2, cores=8, memory=GIB, gpu_memory=GIB)) is None
    [event] = [one for one in engine.ledger.events() if one.kind == "measured"]
    assert line(event, history, engine.study.objective) == (
        "packing: 8 trials per GPU: a trial takes 10.0 to 40.0 of 100.0 GiB free; a step of the smallest 0.01 s alone"
    )
    engine.reported(segment_of(engine), report(1))


def hungry(**changes: object) -> Study:
    spec: dict[str, object] = {
        "study": "hungry",
        "trainable": "tests.hungry:epochs",
        "objective": {"maximize": "score"},
        "search_space": {
            "width": {"choice": [1, 3]},
            "rows": {"integer": [2, 30]},
            "rate": {"uniform": [0.0, 1.0]},
        },
        "search": {"searcher": "random", "scheduler": "fifo", "trials": 4},
        "resources": {"cpu": "auto", "gpu": 0},
    }
    return Study.model_validate({**spec, **changes})


def test_memory_is_measured_at_the_extremes_and_the_idle_parameter_is_told_apart() -> None:
    study = hungry(search_space={"rows": {"integer": [2, 60]}, "rate": {"uniform": [0.0, 1.0]}})
    packing = preflight(study, device_of(study.resources, cores=1, gpus=0), {})
    sizes = {need.params["rows"]: need.memory for need in packing.needs}
    assert list(packing.needs[0].params) == ["rows"], "memory does not depend on the rate"
    assert 50 * 2**20 < sizes[60] - sizes[2] < 75 * 2**20
    assert packing.at_once == 1, "there is one core"


def test_two_parameters_that_weigh_only_together_are_found() -> None:
    """A width of 3 adds 4 MB to the smallest trial and 60 MB to the largest."""
    sizes = {"width": 0, "rows": 0}

    def alone(params: dict[str, int]) -> Taken:
        sizes.update({name: params[name] for name in sizes})
        return Taken(memory=(40 + sizes["width"] * sizes["rows"]) * 2**20, seconds=0.1)

    points = list(measuring.measured_points(hungry(), alone))  # type: ignore[arg-type]
    assert set(measuring.weighing(points)) == {"width", "rows"}
    needs = measuring.needs_at(points)
    assert max(need.memory for need in needs) == 130 * 2**20
    found = needed(needs, {"width": 1, "rows": 30, "rate": 0.3})
    assert found is not None and found.memory == 70 * 2**20


def test_side_by_side_are_measured_until_one_fails() -> None:
    seconds = {2: [0.11, 0.12], 4: [0.13, None, 0.13, 0.13]}

    def side_by_side(at_once: int) -> list[Taken]:
        return [Taken(seconds=one) for one in seconds[at_once]]

    paces = measuring.paces_up_to(8, Taken(seconds=0.1), side_by_side)
    assert [(pace.at_once, pace.seconds) for pace in paces] == [(1, 0.1), (2, 0.12)]


def test_a_trainable_that_fails_at_once_leaves_a_device_to_each_trial() -> None:
    packing = preflight(hungry(config={"fails": True}), Device(count=1, cores=2, memory=GIB), {})
    assert (packing.at_once, packing.failed) == (1, "RuntimeError: no such device")
    assert packing.share({}).cpu == 2


def test_a_study_that_is_told_to_stop_leaves_no_measuring_process() -> None:
    with pytest.raises(KeyboardInterrupt):
        preflight(hungry(), Device(count=1, cores=2, memory=GIB), {}, stopped=lambda: True)


def test_a_gpu_is_measured_by_what_is_gone_from_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """The driver's answers are made up: there is no GPU in this test."""
    free = iter([(100 * GIB, 100 * GIB), (90 * GIB, 100 * GIB), (84 * GIB, 100 * GIB)])
    monkeypatch.setattr(measuring.machine, "gpu_memory", lambda number: next(free))
    device = device_of(Resources(), cores=4, gpus=1)
    assert device.gpu_memory == 95 * GIB, "a part is kept free"
    order = {"trainable": "tests.hungry:epochs", "config": {}, "threads": 1, "working_folder": str(Path.cwd())}
    [taken] = measuring.measured([order], measuring.visible(device), lambda: False)
    assert taken.gpu_memory == 6 * GIB


def test_a_gpu_whose_driver_does_not_answer_is_left_to_one_trial(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(measuring.machine, "_driver", lambda: None)
    device = device_of(Resources(), cores=4, gpus=1)
    need = Need(params={}, memory=GIB, gpu_memory=GIB)
    assert most_at_once(device, need, None, trials=10) == 1
    assert Packing(device=device, at_once=1, needs=(need,)).share({}).gpu == 1.0


@cache
def at_once_by_trying(rooms: tuple[int, ...], nodes: int) -> int:
    """Every way to choose the machines of the next trial."""
    ways = [
        tuple(room - (number in chosen) for number, room in enumerate(rooms))
        for chosen in combinations(range(len(rooms)), nodes)
    ]
    return max((1 + at_once_by_trying(left, nodes) for left in set(ways) if min(left) >= 0), default=0)


@drawn(rooms=st.lists(st.integers(0, 4), max_size=4), nodes=st.integers(1, 4))
@settings(max_examples=200, deadline=None)
def test_as_many_trials_run_at_once_as_have_machines_of_their_own_each(rooms: list[int], nodes: int) -> None:
    assert spread(rooms, nodes) == at_once_by_trying(tuple(sorted(rooms)), nodes)


def test_a_trial_on_two_machines_occupies_both(tmp_path: Path) -> None:
    engine = new_engine(tmp_path, toy_study(resources={"cpu": 3, "gpu": 0, "nodes": 2}))
    segment = segment_of(engine)
    assert (segment.nodes, segment.threads) == (2, 3)
    [started] = [event for event in engine.ledger.events() if event.kind == "started"]
    assert started.payload["cpus"] == 6
