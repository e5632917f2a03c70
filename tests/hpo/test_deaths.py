"""Why a worker was lost: what Ray says of it, in our words, and what a trainable itself says."""

from importlib.util import find_spec
from pathlib import Path

import pytest

from hpo.executors.deaths import DEATHS, cause_of_death
from hpo.history import State
from hpo.segment import Lost
from tests.hpo.engines import new_engine, run, toy_study
from train_fn.errors import ProcessLost


@pytest.mark.parametrize("words", DEATHS)
def test_ray_still_says_the_words_that_a_death_is_told_by(words: str) -> None:
    ray = find_spec("ray")
    assert ray is not None and ray.origin is not None
    core = Path(ray.origin).parent / "core" / "src" / "ray"
    assert any(words.encode() in binary.read_bytes() for binary in core.rglob("*") if binary.is_file())


def test_a_machine_that_died_is_told_apart_from_a_process() -> None:
    of_ray = "The actor died because its node has died. Node Id: 1f2e. Node was terminated unexpectedly."
    assert cause_of_death(of_ray) == Lost(reason="its machine died", counts=False)
    assert cause_of_death("anything else") == Lost(reason="the worker process died", counts=True)


@pytest.mark.parametrize(("counts", "state"), [(False, State.COMPLETE), (True, State.FAILED)])
def test_a_process_that_a_trainable_has_lost_is_one_of_the_tries_only_if_it_says_so(
    folder: Path, monkeypatch: pytest.MonkeyPatch, counts: bool, state: State
) -> None:
    begun = []

    def losing_twice(config: object, what: str, *_: object, **__: object) -> None:
        if what == "begun":
            begun.append(config)
            if len(begun) <= 2:
                raise ProcessLost("its helper died", counts=counts)

    monkeypatch.setattr("tests.toy.note", losing_twice)
    study = toy_study(search={"trials": 1, "scheduler": "fifo"}, workers={"retries": 1})
    engine = run(new_engine(folder, study))
    [trial] = engine.history.trials
    assert trial.state is state
    assert [event.payload["reason"] for event in engine.ledger.events() if event.kind == "lost"] == [
        "its helper died",
        "its helper died",
    ]
    assert counts is False or trial.reason == "its worker was lost 2 times: its helper died"
