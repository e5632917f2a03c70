"""Several objectives: what a study file may say of them, what their front is, and what is told of it."""

import re
from itertools import product
from pathlib import Path
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hpo.engine import Engine
from hpo.errors import UsageError
from hpo.event import Event
from hpo.front import progress, share
from hpo.history import REGULAR, History, State, fold
from hpo.objective import Objective
from hpo.pareto import Point, dominates, hypervolume, nondominated
from hpo.registry.promotion import promotable
from hpo.replay import replayed
from hpo.results import Results
from hpo.retraining import as_study
from hpo.study import Study
from hpo.study_file import load_study
from hpo.why import explain
from tests.hpo.engines import new_engine, run

AIMS = (Objective(maximize="score"), Objective(minimize="cost"))
FILE = """\
study: two
trainable: tests.hpo.two_aims:epochs
objectives: [{maximize: score}, {minimize: cost}]
config: {max_epochs: 2}
search_space:
  x: {uniform: [0.0, 1.0]}
  y: {uniform: [0.0, 1.0]}
search: {searcher: nsga2, scheduler: fifo, trials: 12, seed: 1}
"""
few = st.integers(0, 3).map(float)
points = st.integers(1, 4).flatmap(lambda size: st.lists(st.tuples(*[few] * size), min_size=1, max_size=8))


def two(**changes: object) -> Study:
    spec: dict[str, object] = {
        "study": "two",
        "trainable": "tests.hpo.two_aims:epochs",
        "objectives": [{"maximize": "score"}, {"minimize": "cost"}],
        "config": {"max_epochs": 2},
        "search_space": {"x": {"uniform": [0.0, 1.0]}, "y": {"uniform": [0.0, 1.0]}},
        "search": {"searcher": {"nsga2": {"population": 4}}, "scheduler": "fifo", "trials": 14},
    }
    return Study.model_validate({**spec, **changes})


@given(points)
@settings(deadline=None)
def test_the_front_is_what_nothing_dominates(found: list[Point]) -> None:
    by_definition = [one for one, point in enumerate(found) if not any(dominates(other, point) for other in found)]
    assert sorted(nondominated(found)) == by_definition


@given(points)
@settings(deadline=None, max_examples=60)
def test_a_hypervolume_is_the_number_of_unit_boxes_below_the_points(found: list[Point]) -> None:
    """All points have whole coordinates, so every unit box lies below a point or outside of all."""
    boxes = product(range(4), repeat=len(found[0]))
    below = sum(any(all(box < end for box, end in zip(one, point, strict=True)) for point in found) for one in boxes)
    assert hypervolume(found, (0.0,) * len(found[0])) == below


@given(points)
@settings(deadline=None, max_examples=60)
def test_a_share_lies_between_nothing_and_all_and_only_the_front_counts(found: list[Point]) -> None:
    front = [found[index] for index in nondominated(found)]
    assert 0 < share(front, found) <= 1 + 1e-9
    assert share(front, found) == pytest.approx(share(found, found))


def test_a_share_is_of_the_box_a_tenth_longer_at_its_bad_end() -> None:
    """Two ends of a box of 10 by 2: each reaches a tenth in one, all in the other."""
    ends = [(10.0, 0.0), (0.0, 2.0)]
    assert share(ends, ends) == pytest.approx((2 * 0.1 * 1.1 - 0.1 * 0.1) / 1.1**2)


def test_a_trials_values_are_those_of_its_best_report_by_the_first_objective(folder: Path) -> None:
    trial = run(
        new_engine(folder, two(search={"searcher": "random", "scheduler": "fifo", "trials": 1}))
    ).history.trials[0]
    assert trial.values(AIMS) == tuple(trial.evaluations[-1].metrics[name] for name in ("score", "cost"))
    assert trial.worth(AIMS) == (trial.evaluations[-1].metrics["score"], -trial.evaluations[-1].metrics["cost"])
    assert trial.values([Objective(minimize="score"), AIMS[1]])[0] == trial.evaluations[0].metrics["score"]  # type: ignore[index]


def test_the_front_that_is_kept_as_trials_end_is_that_of_all_trials(folder: Path) -> None:
    events = run(new_engine(folder, two())).ledger.events()
    history = History()
    for event in events:
        history.apply(event)
        if event.kind == "ended":
            regular = [trial for trial in history.trials if trial.state in REGULAR]
            worths = [trial.worth(AIMS) or () for trial in regular]
            assert history.front(AIMS) == [regular[index] for index in nondominated(worths)]
    steps = progress(history, AIMS)
    assert [one.hypervolume for one in steps] == sorted(one.hypervolume for one in steps)
    assert steps[-1].trials == len(history.front(AIMS))


BAD = [
    (
        "objectives: [{maximize: score}, {minimize: cost}]",
        "objectives: [{maximize: score}]",
        "takes 2 to 4, got 1; of one",
    ),
    ("objectives: [{maximize: score}, {minimize: cost}]", "objectives: []", "takes 2 to 4, got 0"),
    ("{minimize: cost}", "{minimize: score}", "objectives: names score twice; keep one"),
    ("{minimize: cost}", "{minimize: kost}", "objectives.1.minimize: kost is no metric of .*; did you mean cost"),
    ("{minimize: cost}", "{maximize: cost}", "cost is the better the smaller; minimize it"),
    ("{minimize: cost}", "cost", "objectives.1: must be a group of settings"),
    ("config:", "objective: {maximize: score}\nconfig:", "objective: stands beside `objectives`"),
    (
        "searcher: nsga2, ",
        "",
        "searcher: tpe searches for the best by one objective; of several take nsga2, nsga3, random",
    ),
    ("nsga2", "cma_es", "cma_es searches for the best by one objective"),
    (", scheduler: fifo", "", "scheduler: asha compares trials by one objective; of several take fifo"),
    ("fifo", "pbt", "pbt compares trials by one objective"),
    (
        "seed: 1",
        "seed: 1, warm_start: [old]",
        "warm_start: earlier studies are learned from by one objective; leave it",
    ),
    ("config:", "confirm: {finalists: 2}\nconfig:", "confirm: finalists are the best by one objective; leave it out"),
    ("config:", "budget: {target: 1.0}\nconfig:", "budget.target: a target is of one objective; leave it out"),
    ("config:", "budget: {noise_repeats: 3}\nconfig:", "noise_repeats: the gain that is left is told by one objective"),
    (
        "objectives: [{maximize: score}, {minimize: cost}]",
        "objective: {maximize: score}",
        "nsga2 is for several: write",
    ),
    ("nsga2", "{nsga2: {population: 3}}", "`population` must be at least 4, got 3"),
]


@pytest.mark.parametrize(("old", "new", "said"), BAD, ids=[new or old for old, new, _ in BAD])
def test_what_several_objectives_cannot_have_is_refused_in_one_line(
    folder: Path, old: str, new: str, said: str
) -> None:
    file = folder / "two.yaml"
    file.write_text(FILE.replace(old, new))
    with pytest.raises(UsageError, match=said) as refused:
        load_study(file)
    assert "\n" not in str(refused.value)


def test_a_study_of_several_is_read_and_comes_back_from_its_record(folder: Path) -> None:
    file = folder / "two.yaml"
    file.write_text(FILE)
    study = load_study(file)
    assert study.aims == AIMS and study.objective == AIMS[0]
    assert Study.model_validate(study.model_dump(exclude_none=True, exclude_unset=True)) == study


def test_a_person_is_told_that_an_objective_is_missing() -> None:
    with pytest.raises(ValueError, match="objective\n  Field required"):
        Study.model_validate({"study": "two", "trainable": "tests.hpo.two_aims:epochs", "search": {"trials": 1}})


@pytest.mark.parametrize("searcher", ["nsga2", "nsga3"])
def test_a_study_that_is_killed_at_any_event_goes_on_as_if_it_had_not_been(folder: Path, searcher: str) -> None:
    """Also when it is replayed: the same proposals, with the same parents."""
    study = two(search={"searcher": {searcher: {"population": 4}}, "scheduler": "fifo", "trials": 14})
    whole = run(new_engine(folder / "whole", study))
    events = whole.ledger.events()
    found = replayed(events, study.build_searcher(), study.build_scheduler())
    assert found.differences == [] and found.proposals == 14
    assert any(trial.source.startswith("trials ") for trial in whole.history.trials)
    for cut in Random(searcher).sample(range(1, len(events)), 6):
        engine = new_engine(folder / str(cut), study)
        for event in events[1:cut]:
            copied(engine, event)
        engine.ledger.close()
        resumed = run(new_engine(folder / str(cut), study))
        assert [one.params for one in resumed.history.trials] == [one.params for one in whole.history.trials]


def copied(engine: Engine, event: Event) -> None:
    engine.ledger.append(event.kind, trial=event.trial, attempt=event.attempt, step=event.step, **event.payload)


def test_what_lacks_one_of_the_objectives_fails_with_its_name(folder: Path) -> None:
    study = two(config={"lacks": "cost"}, search={"searcher": "random", "scheduler": "fifo", "trials": 1})
    engine = run(new_engine(folder, study))
    assert engine.history.trials[0].state is State.FAILED
    assert engine.history.trials[0].reason == "reported no cost, an objective; its metrics are score, size"


def test_every_trial_of_the_front_keeps_its_checkpoint_and_no_other_does(folder: Path) -> None:
    engine = run(new_engine(folder, two()))
    front = {trial.number for trial in engine.history.front(AIMS)}
    kept = {int(path.parent.name.rpartition("-")[2]) for path in engine.paths.trials.glob("*/checkpoint-*")}
    assert 1 < len(front) < 14 and kept == front


def test_the_front_is_shown_and_a_trial_told_where_it_stands(folder: Path) -> None:
    engine = run(new_engine(folder, two()))
    events = engine.ledger.events()
    found = Results(engine.study, "finished", fold(events), events)
    shown = found.as_json()
    assert shown["objectives"] == [{"maximize": "score"}, {"minimize": "cost"}] and shown["best"] is None
    assert [one["trial"] for one in shown["front"]] == [one.number for one in engine.history.front(AIMS)]
    assert shown["front"][0]["values"].keys() == {"score", "cost"} and 0 < shown["hypervolume"] < 1
    beaten = next(one for one in found.history.trials if one not in found.front)
    assert found.standing(found.front[0].number).startswith(f"on the Pareto front, with {len(found.front) - 1} others")
    said = explain(events, "two", beaten.number, standing=found.standing(beaten.number))[-1].words
    better = next(one for one in found.front if dominates(one.worth(AIMS) or (), beaten.worth(AIMS) or ()))
    assert f"not on the Pareto front: score {beaten.values(AIMS)[0]:.4g}" in said  # type: ignore[index]
    assert f"trial {better.number:03d} has score" in said


def test_a_person_chooses_who_is_promoted_from_the_front(folder: Path) -> None:
    study = two(registry={"model": "two"})
    engine = run(new_engine(folder, study))
    found = Results(study, "finished", engine.history, engine.ledger.events())
    front = [trial.number for trial in found.front]
    off = next(trial.number for trial in found.history.trials if trial.number not in front)
    known = ", ".join(map(str, front))
    with pytest.raises(UsageError, match=f"has several objectives: choose a trial of its front by --trial: {known}"):
        promotable(found)
    with pytest.raises(UsageError, match=f"trial {off} of two is not on the Pareto front; .* by --trial: {known}"):
        promotable(found, off)
    assert promotable(found, front[-1]).number == front[-1]
    with pytest.raises(UsageError, match=f"choose a trial by --trial, as of {known}"):
        as_study(found, None)
    assert '"objectives"' in as_study(found, front[0])


def test_a_study_of_several_runs_to_its_end_and_is_told_everywhere(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The driver's lines, `hpo show`, the report and MLflow have the front of the ledger."""
    import mlflow

    from hpo import checking, reporting, tables
    from hpo.comparing import compared, lines
    from hpo.driver import start
    from hpo.results import read
    from hpo.tracking.board import board_after
    from hpo.tracking.lines import line
    from hpo.tracking.mlflow import tracking_uri

    study = two(registry={"model": "two"})
    start(study, text="study: two", in_process=True)
    found = read("two")
    front = [str(trial.number) for trial in found.front]
    board = board_after(found.events, study)
    assert board.best_so_far() == f"{len(front)} trials on the front, hypervolume {found.hypervolume:.3f}"
    reported = next(event for event in found.events if event.kind == "reported")
    assert re.search(r"trial 000 epoch [12]: score -?[0-9.]+, cost [0-9.]+, ", line(reported, found.history, AIMS))
    assert [str(column.header) for column in board.table(100, 5).columns][2:5] == ["score", "cost", "best"]
    capsys.readouterr()
    tables.print_trials(found)
    tables.print_status([found], {})
    out = capsys.readouterr().out
    assert f"{len(front)} trials on the Pareto front (maximize score, minimize cost); hypervolume" in out
    assert f"`hpo promote two --trial {front[0]}`" in out and f"a front of {len(front)}" in out
    assert checking.size(study)["objectives"] == [{"maximize": "score"}, {"minimize": "cost"}]
    assert f"{len(front)} of 14 trials on the Pareto front" in next(iter(lines(compared(found, found))))
    page = reporting.html(found, "ko")  # in English the driver has written it
    assert 'id="front"' in page and f"hpo promote two --trial {front[0]}" in page
    runs = mlflow.MlflowClient(tracking_uri=tracking_uri()).search_runs(
        [mlflow.MlflowClient(tracking_uri=tracking_uri()).get_experiment_by_name("two").experiment_id]
    )
    [parent] = [run for run in runs if "hpo.trial" not in run.data.tags]
    assert parent.data.tags["hpo.front"] == ", ".join(front)
    assert parent.data.metrics["front/hypervolume"] == pytest.approx(found.hypervolume)
    assert parent.data.metrics["front/trials"] == len(front)
    told = {run.data.tags["hpo.trial"] for run in runs if run.data.tags.get("hpo.front") == "true"}
    assert told == set(front)
    first = next(run for run in runs if run.data.tags.get("hpo.trial") == front[0])
    values = found.front[0].values(AIMS)
    assert values and (first.data.metrics["best/score"], first.data.metrics["best/cost"]) == pytest.approx(values)


@pytest.mark.hard
def test_a_trial_of_the_front_is_promoted_with_its_model(folder: Path) -> None:
    """Its model is logged when it is chosen; the sealed test is opened for it, and for no other after that."""
    from hpo.driver import start
    from hpo.registry import promotion
    from hpo.results import read
    from tests.hpo.test_promoted_table import STUDY, write_rows

    write_rows()
    several = {name: value for name, value in STUDY.items() if name != "objective"}
    aims = [{"maximize": "f1_macro"}, {"minimize": "ece"}]
    search = {"searcher": "nsga2", "scheduler": "fifo", "trials": 6}
    start(Study.model_validate({**several, "objectives": aims, "search": search}), text="", in_process=True)
    front = [trial.number for trial in read("weather").front]
    done = promotion.promote("weather", trial=front[-1])
    assert done.trial == front[-1] and done.metric == "f1_macro" and done.version == "1"
    assert promotion.promote("weather", trial=front[-1]).version == "1"  # it is champion already
    if len(front) > 1:
        with pytest.raises(UsageError, match=f"was opened for trial {front[-1]}, and is not for trial {front[0]}"):
            promotion.promote("weather", trial=front[0])
