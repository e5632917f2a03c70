"""Who becomes champion, who does not and why, and what is left behind: real studies, a real registry, tiny models."""

import json
from pathlib import Path
from typing import Any

import pytest

from hpo.driver import start
from hpo.errors import HpoError, Refused, UsageError
from hpo.ledger import Ledger
from hpo.paths import StudyPaths
from hpo.registry import versions
from hpo.registry.promotion import Promotion, promote
from hpo.registry.rollback import roll_back
from hpo.study import Study
from tests import small_model
from tests.faults.promotions import promoted_at_once


def trained(name: str, threshold: float, **changes: Any) -> str:
    start(Study.model_validate(small_model.study(name, threshold, **changes)), text="", in_process=True)
    return name


def kinds(name: str) -> list[str]:
    return [event.kind for event in events(name)]


def events(name: str) -> list[Any]:
    ledger = Ledger(StudyPaths.of(name).ledger)
    try:
        return [
            event for event in ledger.events() if event.kind in ("test_opened", "champion_tested", "judged", "promoted")
        ]
    finally:
        ledger.close()


def champion() -> str:
    found = versions.champion("small")
    assert found is not None
    with versions.files(found):
        return found.number


def model_folder() -> Path:
    [found] = Path("mlartifacts").glob("*/models/*/artifacts")
    return found


def test_the_better_one_becomes_champion_the_worse_one_does_not_and_both_are_on_record(folder: Path) -> None:
    first = promote(trained("first", 0.65))
    assert (first.version, first.previous, first.measured["difference"]) == ("1", None, None)
    assert promote("first") == first and kinds("first") == ["test_opened", "judged", "promoted"]

    better = promote(trained("better", 0.5, gates={"worst_class_drop": 0.05, "size_mb": 1, "calibration_error": 0.5}))
    found = better.measured["difference"]
    assert (better.version, better.previous, better.rows) == ("2", "1", small_model.TEST_ROWS)
    assert found["low"] > 0 and found["candidate"] - found["champion"] == pytest.approx(found["gain"])
    assert found["candidate"] == better.test["accuracy"]
    assert [one["label"] for one in better.measured["classes"]] == ["high", "low"]
    record = versions.record(versions.required_champion("small"))
    assert Promotion(**record) == better and "@" in better.by and better.at.endswith("+00:00")
    assert versions.required_champion("small").tags["hpo.gain.low"].startswith("+0.")
    assert kinds("better") == ["test_opened", "champion_tested", "judged", "promoted"]

    with pytest.raises(
        Refused, match=r"worse is not promoted: minimum_gain: accuracy 0\.\d+ against the champion's 0\.\d+"
    ):
        promote(trained("worse", 0.6))
    with pytest.raises(Refused):
        promote("worse")
    assert champion() == "2"
    assert kinds("worse") == ["test_opened", "champion_tested", "judged", "judged"], "rows are opened once"

    forced = promote("worse", force="the better one is too slow")
    assert (forced.version, forced.forced, champion()) == ("3", "the better one is too slow", "3")
    assert (
        forced.refused_by[0].startswith("minimum_gain") and events("worse")[-1].payload["promotion"]["version"] == "3"
    )

    assert roll_back("small", "it was not so slow").to == "2" and champion() == "2"
    assert json.loads(versions.version("small", "3").tags["hpo.rolled_back"])["why"] == "it was not so slow"
    again = promote("worse", force="it is, after all")
    assert (again.version, again.previous) == ("4", "2"), "each promotion has a record of its own"
    for to in ("2", "1"):
        assert roll_back("small", "").to == to
    with pytest.raises(UsageError, match="version 1 of small is the first champion"):
        roll_back("small", "")


def test_each_gate_says_what_was_measured(folder: Path) -> None:
    gates = {"size_mb": 0.001, "latency_ms": 1e-6, "calibration_error": 1e-6}
    with pytest.raises(Refused) as refused:
        promote(trained("first", 0.5, gates=gates))
    for said in ("MB; must be 0.001", "latency_ms: ", "calibration_error: 0.1"):
        assert said in str(refused.value)
    assert versions.champion("small") is None and refused.value.exit_code == 1


def test_what_cannot_be_compared_or_trusted_is_refused_each_with_its_own_line(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    promote(trained("first", 0.5))
    trained("other", 0.5, config={"seed_of_data": 1})
    with pytest.raises(Refused, match=r"have other data \(fingerprint data-1 here, data-0 there\)"):
        promote("other")
    assert promote("other", force="the old data is gone").version == "2"

    monkeypatch.setattr(small_model, "LEAKED", 200)
    trained("seen", 0.5)
    with pytest.raises(UsageError, match="has seen its test: 200 of 400 sealed rows stand in train"):
        promote("seen")
    with pytest.raises(UsageError, match="has seen its test"):
        promote("seen", force="never mind")


@pytest.mark.parametrize(
    ("harm", "said"),
    [
        (
            lambda f: (f / "data" / "model.skops").write_bytes(b"x" * 99),
            "is not what was written: .* another data/model",
        ),
        (lambda f: (f / "manifest.json").unlink(), "has no manifest.json"),
        (
            lambda f: (f / "manifest.json").write_text('{"files": {}}'),
            "its manifest.json is not the one that was written",
        ),
        (lambda f: (f / "MLmodel").unlink(), "is not what was written: .* got no MLmodel"),
        (lambda f: (f / "pytorch_model.bin").write_bytes(b"\x80\x04."), "has a file that is not in its manifest"),
    ],
)
def test_files_that_are_not_as_they_were_written_are_refused(folder: Path, harm: Any, said: str) -> None:
    trained("first", 0.5)
    harm(model_folder())
    for _ in range(2):
        with pytest.raises(HpoError, match=said):
            promote("first")
        with pytest.raises(HpoError, match=said):
            promote("first", force="now")
    assert versions.champion("small") is None


def test_a_checkpoint_that_was_changed_is_not_tested(folder: Path) -> None:
    trained("first", 0.5)
    [file] = Path("studies/first/trials").rglob("model.skops")
    file.write_bytes(b"x" * file.stat().st_size)
    with pytest.raises(UsageError, match="a checkpoint must be unchanged"):
        promote("first")
    assert kinds("first") == []


def test_a_champion_that_was_changed_since_answers_nobody(folder: Path) -> None:
    from hpo.registry.answering import loaded_champion

    promote(trained("first", 0.5))
    (model_folder() / "data" / "model.skops").write_bytes(b"x")
    with pytest.raises(UsageError, match="version 1 of small is not what was written"), loaded_champion("small"):
        pass


def test_force_without_a_reason_is_none(folder: Path) -> None:
    with pytest.raises(UsageError, match="--force takes the reason"):
        promote("first", force=" ")


@pytest.mark.hard
@pytest.mark.timeout(900)
def test_of_promotions_at_once_with_kills_the_alias_always_names_a_whole_version_and_the_history_is_whole(
    tmp_path: Path,
) -> None:
    """`make chaos` takes 50 of them."""
    killed, wrong = promoted_at_once(tmp_path, count=12, seed=0)
    assert wrong == [] and killed >= 3
