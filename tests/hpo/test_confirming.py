"""The stage after the search, over a toy whose score has a noise of its seed: what is repeated, recorded and chosen."""

import shutil
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from hpo.confirmation import Confirmation
from hpo.confirming import fresh_seeds
from hpo.engine import Engine
from hpo.event import Event
from hpo.executors.in_process import execute
from hpo.history import REGULAR, State, Trial, fold
from hpo.replay import replayed
from hpo.results import Results
from hpo.segment import Reported
from hpo.study import Study
from hpo.study_checks import of_repeats
from hpo.why import explain
from tests.faults.study_kills import command, shown
from tests.hpo.engines import failure, new_engine, report, run, segment_of, toy_study
from tests.toy import noted

SEARCH = {"searcher": "random", "scheduler": "asha", "trials": 12}


def noisy(**changes: object) -> Study:
    config = {"max_epochs": 9, "noise": 4.0}
    return toy_study(**{"config": config, "search": SEARCH, "confirm": {"finalists": 3, "seeds": 3}, **changes})


def confirmed(engine: Engine) -> Confirmation:
    found = Results(engine.study, "finished", engine.history).confirmation
    assert found is not None
    return found


def outcome(engine: Engine) -> dict[str, Any]:
    """All that a study says in the end, but for the seconds that its runs took."""
    said = confirmed(engine).as_json()
    for finalist in said["finalists"]:
        del finalist["seconds"]
    return said


def facts(run: Trial) -> tuple[object, ...]:
    values = [evaluation.metrics for evaluation in run.evaluations]
    return run.params, run.confirms, run.seed, run.state, run.reason, values


def test_each_finalist_is_trained_to_its_full_end_with_the_same_fresh_seeds(folder: Path) -> None:
    engine = run(new_engine(folder, noisy()))
    history, found = engine.history, confirmed(engine)
    best = sorted(
        (t for t in history.trials if t.state in REGULAR), key=lambda t: -(t.value(engine.study.objective) or 0)
    )
    assert history.finalists == [trial.number for trial in best[:3]]
    assert Counter(run.confirms for run in history.repeats) == dict.fromkeys(history.finalists, 3)
    assert {(run.confirms, run.seed) for run in history.repeats} == {
        (t, s) for t in history.finalists for s in found.seeds
    }
    assert {run.state for run in history.repeats} == {State.COMPLETE}
    assert {run.evaluations[-1].epoch for run in history.repeats} == {9.0}
    assert found.pending == 0 and found.chosen in history.finalists and 0 not in found.seeds


def test_the_search_is_the_same_with_and_without(folder: Path) -> None:
    without = run(new_engine(folder / "without", noisy(confirm=None)))
    with_it = run(new_engine(folder / "with", noisy()))
    assert [facts(trial) for trial in with_it.history.trials] == [facts(trial) for trial in without.history.trials]
    assert with_it.history.finished == without.history.finished == "all 12 trials ended"
    assert not any(event.kind in ("searched", "enough") for event in without.ledger.events())
    assert with_it.account.epochs == without.account.epochs


def test_scores_on_fresh_seeds_are_those_that_the_trainable_gives(folder: Path) -> None:
    engine = run(new_engine(folder, noisy()))
    for run_ in engine.history.repeats:
        from tests.toy import ToyConfig, epochs

        config = ToyConfig(**{**engine.study.config, **run_.settings})
        assert [one.metrics["score"] for one in run_.evaluations] == [r.metrics["score"] for r in epochs(config)]


def test_replay_and_why_know_the_confirmation(folder: Path) -> None:
    engine = run(new_engine(folder, noisy()))
    events = engine.ledger.events()
    again = replayed(events, engine.study.build_searcher(), engine.study.build_scheduler())
    assert again.differences == [] and again.proposals == 12
    assert fold(events) == engine.history
    words = [step.words for step in explain(events, "toy", engine.history.finalists[0])]
    assert any(word.startswith("finalist 1 of 3") for word in words)
    assert sum(word.startswith("repeated with seed") for word in words) == 3


def test_finalists_that_were_changed_afterwards_show_in_the_replay(folder: Path) -> None:
    engine = run(new_engine(folder, noisy()))
    events = engine.ledger.events()
    place = next(number for number, event in enumerate(events) if event.kind == "searched")
    events[place].payload["finalists"].reverse()
    again = replayed(events, engine.study.build_searcher(), engine.study.build_scheduler())
    assert [one.what for one in again.differences] == ["finalists"]


@pytest.mark.parametrize("part", range(4))
def test_a_ledger_cut_after_any_event_of_the_confirmation_leads_to_the_same_study(folder: Path, part: int) -> None:
    whole = run(new_engine(folder / "whole", noisy()))
    events = whole.ledger.events()
    began = next(number for number, event in enumerate(events) if event.kind == "searched")
    for cut in range(began + part, len(events), 12):
        engine = new_engine(folder / f"cut-{cut}", noisy())
        for event in events[1:cut]:
            engine.ledger.append(event.kind, event.trial, event.attempt, event.step, **event.payload)
        engine = run(new_engine(folder / f"cut-{cut}", noisy()))
        assert [facts(one) for one in engine.history.runs] == [facts(one) for one in whole.history.runs], cut
        assert outcome(engine) == outcome(whole)


def test_only_the_chosen_trials_checkpoint_is_left_and_none_of_a_repeat(folder: Path) -> None:
    engine = run(new_engine(folder, noisy()))
    chosen = confirmed(engine).chosen
    assert chosen is not None
    best = engine.history.trials[chosen].best(engine.study.objective)
    assert best is not None and best.checkpoint is not None
    left = [path.parent for path in (folder / "studies").rglob("manifest.json")]
    assert left == [engine.paths.trial(chosen) / best.checkpoint]


def test_while_it_confirms_each_finalist_keeps_its_checkpoint(folder: Path) -> None:
    engine = new_engine(folder, noisy())
    seen: list[set[str]] = []

    def look(event: Event) -> None:
        if event.kind == "started" and event.of_repeat:
            seen.append({path.parent.parent.name for path in (folder / "studies").rglob("manifest.json")})

    engine.tell = look
    run(engine)
    assert len(seen) == 9
    assert all({f"{number:04d}" for number in engine.history.finalists} == there for there in seen)


def test_a_finalist_that_diverges_on_a_fresh_seed_is_not_confirmed(folder: Path) -> None:
    config = {"max_epochs": 9, "noise": 4.0, "diverges_with_seeds": True}
    engine = run(new_engine(folder, noisy(config=config)))
    found = confirmed(engine)
    assert found.chosen is None and found.pending == 0
    assert {run.state for run in engine.history.repeats} == {State.DIVERGED}
    assert all(one.confirmed is None and "score is nan" in one.reason for one in found.finalists)
    assert engine.history.finished == "all 12 trials ended"
    assert Results(engine.study, "finished", engine.history).winner is engine.history.winner(engine.study.objective)


def confirming_engine(folder: Path) -> Engine:
    """One whose search is over, with nothing repeated yet."""
    engine = new_engine(folder, noisy(search={**SEARCH, "trials": 3, "scheduler": "fifo"}, confirm={"seeds": 2}))
    for _ in range(3):
        segment = segment_of(engine)
        engine.reported(segment, report(1, score=-float(segment.trial)))
        engine.completed(segment)
    return engine


def test_a_lost_worker_goes_on_from_its_checkpoint_under_a_new_attempt(folder: Path) -> None:
    engine = confirming_engine(folder)
    segment = segment_of(engine)
    assert engine.history.searched and segment.config["seed"] == engine.history.seeds[0]
    engine.lost(segment, "the worker process died")
    again = segment_of(engine)
    assert (again.trial, again.attempt, again.config) == (segment.trial, 2, segment.config)
    assert engine.reported(segment, report(1)) is False and engine.reported(again, report(1)) is True


def test_a_repeat_that_raises_twice_alike_fails_and_leaves_its_finalist_unconfirmed(folder: Path) -> None:
    engine = confirming_engine(folder)
    first = segment_of(engine)
    engine.failed(first, failure())
    engine.failed(segment_of(engine), failure())
    while segment := engine.next_segment():
        engine.reported(segment, report(1, score=float(segment.trial)))
        engine.completed(segment)
    engine.finish()
    found, broken = confirmed(engine), engine.history.run(first.trial)
    assert broken.state is State.FAILED and broken.confirms == 0
    assert [one.trial for one in found.finalists if one.confirmed is None] == [0]
    assert found.chosen in (1, 2) and engine.history.finished and not engine.history.failures


def test_a_spent_budget_ends_the_search_and_not_the_confirmation(folder: Path) -> None:
    engine = run(new_engine(folder, noisy(budget={"epochs": 30})))
    assert engine.history.searched == engine.history.finished == "the budget of 30 epochs is spent"
    assert len(engine.history.repeats) == 9 and confirmed(engine).chosen is not None


def test_a_study_without_a_regular_trial_has_nothing_to_confirm(folder: Path) -> None:
    engine = run(new_engine(folder, noisy(config={"diverges_at": 1}, search={**SEARCH, "trials": 3})))
    assert engine.history.finished == "all 3 trials ended" and engine.history.repeats == []


def test_seeds_of_the_search_are_never_drawn(folder: Path) -> None:
    engine = new_engine(folder, noisy())
    drawn = fresh_seeds(engine.study, engine.history, 5)
    assert len(set(drawn)) == 5
    engine.history.trials.append(Trial(number=0, params={"seed": drawn[0]}, asked=0.0))
    fixed = noisy(config={"seed": drawn[1]})
    assert fresh_seeds(fixed, engine.history, 3) == drawn[2:]


def test_a_trainable_without_a_seed_is_told_so_and_a_mutating_scheduler_too() -> None:
    seedless = toy_study(trainable="tests.leaky:epochs", confirm={}, search_space={}, search={"trials": 1}, config={})
    assert [(key, "has no setting `seed`" in said) for key, said in of_repeats(seedless)] == [(("confirm",), True)]
    population = noisy(search={**SEARCH, "scheduler": "pbt"}, budget={"noise_repeats": 2})
    assert [key for key, _ in of_repeats(population)] == [("confirm",), ("budget", "noise_repeats")]
    assert list(of_repeats(noisy())) == []


def test_one_configuration_is_repeated_early_for_the_noise_of_its_seeds(folder: Path) -> None:
    engine = new_engine(folder, noisy(confirm=None, budget={"noise_repeats": 3}))
    told: list[Event] = []
    engine.tell = told.append
    run(engine)
    first = next(trial for trial in engine.history.ended if trial.state is State.COMPLETE)
    assert [run.confirms for run in engine.history.repeats] == [first.number] * 3
    asked = [event.of_repeat for event in told if event.kind == "asked"]
    assert asked[first.number + 1 : first.number + 4] == [True] * 3
    assert Results(engine.study, "finished", engine.history).as_json()["seed_noise"] > 0


@pytest.mark.parametrize("scheduler", ["fifo", "asha", "promoting_asha", "hyperband"])
def test_a_search_below_its_noise_stops_says_why_and_replays_equal(folder: Path, scheduler: str) -> None:
    """The same y and nearly the same x in all trials: what is left between them is noise."""
    space = {"x": {"uniform": [3.0, 3.001]}}
    search = {"searcher": "random", "scheduler": scheduler, "trials": 60}
    study = noisy(
        search_space=space, search=search, config={"max_epochs": 9, "noise": 5.0}, budget={"noise_repeats": 3}
    )
    engine = run(new_engine(folder, study))
    history = engine.history
    assert 10 <= len(history.trials) < 60
    assert (
        "trials that are left are expected to gain" in history.finished
        and "less than the seed noise" in history.finished
    )
    assert len(history.ended) == len(history.trials) and confirmed(engine).chosen is not None
    again = replayed(engine.ledger.events(), study.build_searcher(), study.build_scheduler())
    assert again.differences == []


def test_a_search_that_still_gains_is_not_stopped(folder: Path) -> None:
    study = noisy(budget={"noise_repeats": 3}, config={"max_epochs": 9, "noise": 1e-6})
    assert len(run(new_engine(folder, study)).history.trials) == 12


def test_a_stop_in_the_middle_of_confirming_is_no_end(folder: Path) -> None:
    engine = confirming_engine(folder)
    segment = segment_of(engine)
    said = Reported(step=1, epoch=1.0, metrics={"score": 1.0}, seconds=1.0, checkpoint=None, diverged=None)
    engine.reported(segment, said)
    engine.completed(segment)
    engine.stop.asked = 15
    execute(engine)
    assert not engine.history.finished
    assert run(new_engine(folder, engine.study)).history.finished


KILLED = """\
study: toy
trainable: toy:epochs
objective: {maximize: score}
config: {max_epochs: 9, noise: 4.0, seconds: 0.02, witness: witness.jsonl}
search_space: {x: {uniform: [-5.0, 5.0]}}
search: {searcher: random, scheduler: asha, trials: 6}
confirm: {finalists: 2, seeds: 3}
"""


@pytest.mark.hard
def test_a_driver_killed_while_it_confirms_goes_on_to_the_same_study(folder: Path) -> None:
    def laid_out(name: str) -> Path:
        place = folder / name
        place.mkdir()
        shutil.copy(Path(__file__).parents[1] / "toy.py", place / "toy.py")
        (place / "study.yaml").write_text(KILLED)
        return place

    def results(place: Path) -> dict[str, Any]:
        said: dict[str, Any] = shown(place)
        del said["cost"]
        for one in [said["best"], *said["trials"], *said["confirmation"]["finalists"]]:
            for name in ("seconds", "attempts"):
                one.pop(name, None)
        return said

    whole, broken = laid_out("whole"), laid_out("broken")
    command(whole, "run", "study.yaml").join()
    trained = len(noted(whole / "witness.jsonl"))
    words = ["run", "study.yaml"]
    for share in (0.5, 0.8):  # of the epochs; the last 54 confirm
        driver = command(broken, *words)
        while driver.is_alive() and len(noted(broken / "witness.jsonl")) < share * trained:
            time.sleep(0.01)
        assert driver.is_alive(), "it ended before it was killed"
        driver.kill()
        driver.join()
        words = ["resume", "toy"]
    last = command(broken, *words)
    last.join()
    assert last.exitcode == 0
    assert results(broken) == results(whole) and len(results(broken)["confirmation"]["finalists"]) == 2
    assert len(noted(broken / "witness.jsonl")) <= trained + 2  # an epoch that was not acknowledged, at each kill


def test_the_same_numbers_stand_in_json_the_report_the_screen_and_mlflow(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    import mlflow

    from hpo import reporting, results, tables
    from hpo.driver import start
    from hpo.frames import study_data
    from hpo.tracking.mlflow import tracking_uri

    start(noisy(search={**SEARCH, "trials": 4}, confirm={"finalists": 2, "seeds": 2}), text="", in_process=True)
    found = results.read("toy")
    said = found.as_json()["confirmation"]
    assert said["chosen"] == found.as_json()["best"]["trial"]
    frame = study_data(found).finalists
    row = frame[frame["chosen"]].iloc[0]
    confirmed, gap = said["confirmed"], said["optimism"]
    assert [row[name] for name in ("mean", "low", "high", "optimism")] == [
        confirmed["mean"],
        confirmed["low"],
        confirmed["high"],
        gap,
    ]
    client = mlflow.MlflowClient(tracking_uri())
    experiment = client.get_experiment_by_name("toy")
    assert experiment is not None
    runs = client.search_runs([experiment.experiment_id], max_results=50)
    [parent] = [run for run in runs if "hpo.trial" not in run.data.tags]
    told = [parent.data.tags[f"hpo.{name}"] for name in ("confirmed", "confirmed_low", "confirmed_high", "optimism")]
    assert [float(one) for one in told] == [confirmed["mean"], confirmed["low"], confirmed["high"], gap]
    repeats = [run for run in runs if "hpo.confirms" in run.data.tags]
    assert len(repeats) == 4 and len(runs) == 1 + 4 + 4
    assert {run.data.params["seed"] for run in repeats} == {str(seed) for seed in said["seeds"]}
    capsys.readouterr()
    tables.print_winner(found)
    screen, page = capsys.readouterr().out, reporting.html(found)
    for number in (f"{confirmed['mean']:.4f}", f"{confirmed['low']:.4f}", f"{gap:+.4f}"):
        assert number in screen and number in page
