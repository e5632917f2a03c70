"""TensorBoard reads what the ledger holds, once, however often the driver was killed."""

from pathlib import Path
from typing import Any

import pytest

from hpo import evaluations
from hpo.history import State
from hpo.ledger import Ledger
from hpo.paths import StudyPaths
from hpo.results import read
from hpo.tracking.tensorboard import Writer
from tests.hpo.test_engine import new_engine, run, toy_study
from tests.hpo.test_front import two

accumulator = pytest.importorskip(
    "tensorboard.backend.event_processing.event_accumulator", reason="pip install tensorboard"
)


def runs(paths: StudyPaths) -> dict[str, Any]:
    """Each run as TensorBoard's own reader has it."""
    found = {}
    for folder in sorted(path for path in (paths.root / "tensorboard").iterdir() if path.is_dir()):
        found[folder.name] = accumulator.EventAccumulator(str(folder), size_guidance={"scalars": 0})
        found[folder.name].Reload()
    return found


def scalars(paths: StudyPaths) -> dict[tuple[str, int], list[float]]:
    """(run, step) -> the values of the objective that stand there."""
    found: dict[tuple[str, int], list[float]] = {}
    for name, seen in runs(paths).items():
        for one in seen.Scalars("score") if "score" in seen.Tags()["scalars"] else ():
            found.setdefault((name, one.step), []).append(one.value)
    return found


def reported(paths: StudyPaths) -> dict[tuple[str, int], list[float]]:
    return {
        (f"trial {event.trial:03d}", event.step): [pytest.approx(event.payload["metrics"]["score"])]
        for event in Ledger(paths.ledger).events()
        if event.kind == "reported" and event.trial is not None and event.step is not None
    }


def project(paths: StudyPaths) -> None:
    writer = Writer(paths)
    writer.catch_up()
    writer.pause()
    writer.ledger.close()


def test_every_report_stands_in_its_trial_s_run_and_hparams_hold_what_was_searched(folder: Path) -> None:
    engine = new_engine(folder, toy_study())
    run(engine)
    paths = StudyPaths.of("toy")
    project(paths)
    assert scalars(paths) == reported(paths)
    results = read("toy")
    for name, seen in runs(paths).items():
        trial = results.history.trials[int(name.split()[1])]
        plugins = {tag: seen.SummaryMetadata(tag).plugin_data.plugin_name for tag in seen.summary_metadata}
        assert plugins["_hparams_/session_start_info"] == "hparams"
        if trial.state in (State.COMPLETE, State.PRUNED):
            [best] = seen.Scalars("best/score")
            assert best.value == pytest.approx(trial.value(results.objective))


def test_a_view_that_was_cut_off_anywhere_goes_on_without_gaps_or_doubles(folder: Path) -> None:
    """Also where what followed the note had been written in part."""
    engine = new_engine(folder, toy_study())
    paths = StudyPaths.of("toy")
    writer, told = Writer(paths), 0

    def tell(event: Any) -> None:
        nonlocal told, writer
        told += 1
        if told % 7 == 0:
            writer.catch_up()
        if told % 31 == 0:  # killed after it has written, before it could note it
            note = (paths.root / "tensorboard" / "cursor.json").read_bytes()
            writer.catch_up()
            (paths.root / "tensorboard" / "cursor.json").write_bytes(note)
            writer.pause()
            writer = Writer(paths)

    engine.tell = tell
    run(engine)
    writer.catch_up()
    writer.pause()
    assert told > 62 and scalars(paths) == reported(paths)


def test_a_note_of_another_ledger_counts_for_nothing(folder: Path) -> None:
    run(new_engine(folder, toy_study()))
    paths = StudyPaths.of("toy")
    project(paths)
    (paths.root / "tensorboard" / "cursor.json").write_text('{"row": 5, "time": 1.0}')
    project(paths)
    assert scalars(paths) == reported(paths)


def test_the_winner_s_mistakes_are_shown_with_their_images(folder: Path) -> None:
    from PIL import Image

    run(new_engine(folder, toy_study()))
    paths, results = StudyPaths.of("toy"), read("toy")
    winner = results.winner
    best = winner.best(results.objective) if winner else None
    assert winner and best
    Image.new("RGB", (4, 4), "red").save(folder / "cat.png")
    wrong = [{"row": 3, "text": str(folder / "cat.png"), "truth": "cat", "said": "a|b", "confidence": 0.9}]
    evaluations.write(paths.trial(winner.number), best.step, {"wrong": wrong})
    project(paths)
    tags = runs(paths)["winner"].Tags()
    assert tags["images"] == ["wrong/00 cat, predicted a|b"] or len(tags["images"]) == 1
    assert "wrong/text_summary" in tags["tensors"]


def test_of_several_objectives_no_trial_is_shown_as_the_winner(folder: Path) -> None:
    run(new_engine(folder, two()))
    paths = StudyPaths.of("two")
    for trial in read("two").history.trials:
        for report in trial.evaluations:
            wrong = [{"row": 0, "text": "a", "truth": "b", "said": "c", "confidence": 0.9}]
            evaluations.write(paths.trial(trial.number), report.step, {"wrong": wrong})
    project(paths)
    assert runs(paths) and "winner" not in runs(paths)
