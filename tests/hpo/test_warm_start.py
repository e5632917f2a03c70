"""Earlier studies: what is taken over, how far it is believed, and whether it helped."""

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from hpo import results, tables
from hpo.controls import Verdict, verdict
from hpo.domains import Uniform
from hpo.engine import Engine
from hpo.errors import UsageError
from hpo.history import History, State
from hpo.ledger import Ledger
from hpo.replay import replayed
from hpo.searchers import CONTROL_EVERY, build_searcher
from hpo.searchers.contract import CHECKS, SPACE, Build
from hpo.searchers.guided import Guided
from hpo.searchers.searcher import CONTROL
from hpo.space import Parameter, Params, Space, sample
from hpo.study_file import load_study
from hpo.warm_start import MOST, lies_in, ranked, thinned
from hpo.why import explain
from tests.hpo.engines import new_engine, report, run, segment_of, toy_study
from tests.hpo.test_searchers import HILL, SCORE, hill, trial

EARLIER = {"searcher": "random", "scheduler": "fifo", "trials": 30}
WARM = {"searcher": "tpe", "scheduler": "asha", "trials": 24, "warm_start": ["old"]}
HERE, SCORED = "x: {uniform: [-5, 5]}", "maximize: score"


@pytest.fixture
def old(folder: Path) -> Engine:
    engine = run(new_engine(folder, toy_study(study="old", search=EARLIER)))
    engine.ledger.close()
    return engine


def file_of(
    folder: Path, search: str, space: str = "x: {uniform: [-5, 5]}", objective: str = "maximize: score"
) -> Path:
    path = folder / "new.yaml"
    path.write_text(
        f"study: new\ntrainable: tests.toy:epochs\nobjective: {{{objective}}}\n"
        f"search_space:\n  {space}\nsearch: {{trials: 5, {search}}}\n"
    )
    return path


def test_the_best_of_the_earlier_study_is_tried_first_and_said_so(folder: Path, old: Engine) -> None:
    engine = run(new_engine(folder, toy_study(study="new", search=WARM)))
    best = old.history.winner(old.study.objective)
    assert best is not None and engine.history.trials[0].params == pytest.approx(best.params)
    assert engine.history.trials[0].source == "study old"
    assert explain(engine.ledger.events(), "new", 0)[0].words.startswith(
        "trial 000: proposed by tpe, from study old: x="
    )


def test_one_trial_in_ten_is_a_control(folder: Path, old: Engine) -> None:
    engine = run(new_engine(folder, toy_study(study="new", search=WARM)))
    controls = [one.number for one in engine.history.trials if one.source == CONTROL]
    assert controls == [CONTROL_EVERY - 1, 2 * CONTROL_EVERY - 1]
    words = explain(engine.ledger.events(), "new", controls[0])[0].words
    assert words.startswith("trial 009: drawn at random as a control: x=")


def test_a_study_resumed_without_its_earlier_one_goes_on_as_if_it_were_there(folder: Path, old: Engine) -> None:
    study = toy_study(study="new", search=WARM)
    whole = run(new_engine(folder, study))
    rows = whole.ledger.events()
    shutil.rmtree(whole.paths.root)
    begun = new_engine(folder, study)
    shutil.rmtree(folder / "studies" / "old")
    for _ in range(12):
        segment = segment_of(begun)
        x, y = segment.config["x"], segment.config["y"]
        for step in range(1, 10):
            if not begun.reported(segment, report(step, -((x - 3) ** 2) - y**2 - 1 / step)):
                break
        else:
            begun.completed(segment)
    begun.ledger.close()
    resumed = run(new_engine(folder, study))
    proposals = [(one.params, one.source) for one in resumed.history.trials]
    assert proposals == [(one.params, one.source) for one in whole.history.trials]
    again = replayed(rows, study.build_searcher(whole.history.past), study.build_scheduler())
    assert again.differences == [] and again.proposals == len(whole.history.trials)
    blind = replayed(rows, study.build_searcher(), study.build_scheduler())
    assert any(one.what == "source" for one in blind.differences)


def test_what_is_taken_over_is_ranked_and_lies_in_the_new_space(folder: Path, old: Engine) -> None:
    space = Space({"x": Parameter(Uniform(0.0, 5.0)), "rate": Parameter(Uniform(0.0, 1.0))})
    taken = ranked(old.history, space, SCORE)
    assert all(one.params.keys() == {"x"} and one.params["x"] >= 0 for one in taken)  # type: ignore[operator]
    values = [one.value(SCORE) for one in taken]
    assert values == sorted(values, reverse=True) and len(values) == sum(
        one.params["x"] >= 0  # type: ignore[operator]
        for one in old.history.trials
    )
    assert not lies_in(space, {"y": 1.0})


def test_of_a_long_study_the_best_are_all_there() -> None:
    trials = [trial(number, {}) for number in range(2000)]
    kept = [one.number for one in thinned(trials)]
    assert len(kept) == len(set(kept)) == MOST and kept[: MOST // 2] == list(range(MOST // 2))
    assert kept[-1] > 1990 and thinned(trials[:MOST]) == trials[:MOST]


@pytest.mark.parametrize(
    "search, space, objective, said",
    [
        ("warm_start: [gone]", HERE, SCORED, "study gone cannot be read: there is no study"),
        ("warm_start: [../old]", HERE, SCORED, "a study's name must match"),
        ("warm_start: [old]", HERE, "minimize: cost", "has another objective, maximize score instead"),
        ("warm_start: [old]", "kind: {choice: [a, b]}", SCORED, "searched x, y, none of it is searched here"),
        ("warm_start: [old]", "x: {uniform: [9, 10]}", SCORED, "has 0 finished trials in this search_space"),
        ("warm_start: [old, old]", HERE, SCORED, "old is named twice"),
        ("warm_start: [old], searcher: random", HERE, SCORED, "random learns nothing"),
    ],
)  # fmt: skip
def test_an_earlier_study_that_cannot_be_used_is_refused_in_one_line(
    folder: Path, old: Engine, search: str, space: str, objective: str, said: str
) -> None:
    with pytest.raises(UsageError) as caught:
        load_study(file_of(folder, search, space, objective))
    assert said in str(caught.value) and "\n" not in str(caught.value) and "new.yaml:6:" in str(caught.value)


def test_a_study_that_has_begun_is_read_without_its_earlier_one(folder: Path) -> None:
    assert load_study(file_of(folder, "warm_start: [gone]"), begun=True).search.warm_start == ["gone"]


def believed(best_first: list[Params]) -> float:
    """The share that an earlier study has after twenty random trials on the hill."""
    history = History()
    for number in range(20):
        params = sample(HILL, np.random.default_rng([7, number]))
        history.trials.append(trial(number, params, hill(params)))  # type: ignore[arg-type]
    searcher = build_searcher("tpe", space=HILL, objective=SCORE, seed=0, past={"old": best_first})
    assert isinstance(searcher, Guided)
    searcher.propose(history)
    return searcher.shares()[0]


def test_an_earlier_study_is_believed_as_far_as_it_ranks_the_trials_of_this_one() -> None:
    drawn = [sample(HILL, np.random.default_rng([8, number])) for number in range(60)]
    alike = sorted(drawn, key=hill, reverse=True)  # type: ignore[arg-type]
    assert believed(alike) > 0.2  # type: ignore[arg-type]
    assert believed(alike[::-1]) == 0  # type: ignore[arg-type]
    assert np.mean([believed([drawn[i] for i in np.random.default_rng(s).permutation(60)]) for s in range(10)]) < 0.05


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
@pytest.mark.parametrize("name", ["tpe", "bohb", "prior_band"])
def test_a_searcher_with_a_past_keeps_the_contract(name: str, check: Callable[[Build], None]) -> None:
    past = [{"rate": 1e-2, "share": 0.3}, {"kind": "line"}, {"rate": 1e-4, "kind": "tree", "depth": 2}, {"share": 0.5}]
    check(
        lambda space, **given: build_searcher(name, space=space, past={"old": past} if space is SPACE else {}, **given)
    )


def compared(sources: dict[int, str], trials: int = 14) -> Verdict:
    """Trial 0 is the best, trial 1 the next, and so on; those that are not named are the searcher's own."""
    history = History(record={"warm_start": [{"study": "old", "trials": []}]})
    for number in range(trials):
        one = trial(number, {"rate": 1e-3, "share": 0.5, "kind": "good"}, -float(number), state=State.COMPLETE)
        one.source = sources.get(number, "")
        history.trials.append(one)
    found = verdict(history, HILL, SCORE)
    assert found is not None
    return found


def test_the_verdict_compares_what_earlier_studies_proposed_with_the_controls() -> None:
    """Five of the one kind above four of the other come by chance once in 126 orders, and twice in both directions."""
    past, controls = dict.fromkeys(range(5), "study old"), dict.fromkeys(range(8, 12), CONTROL)
    helped = compared({**past, **controls})
    assert (helped.outcome, helped.better, helped.controls, helped.studies) == ("helped", 1.0, 4, {"old": 5})
    assert helped.p == pytest.approx(2 / 126)
    assert helped.words.endswith("the former are better in 100% of the pairs (p = 0.016): it helped")
    hurt = compared({**dict.fromkeys(range(4), CONTROL), **dict.fromkeys(range(6, 11), "study old")})
    assert (hurt.outcome, hurt.better) == ("hurt", 0.0) and hurt.words.endswith("it did harm")
    assert compared({0: "study old", 9: CONTROL}).outcome == "open"
    assert (
        compared(past).words
        == "warm start: 5 from old; 0 drawn at random as controls: too few to tell whether it helps"
    )


def test_the_verdict_is_shown_and_told(folder: Path, old: Engine, capsys: pytest.CaptureFixture[str]) -> None:
    engine = run(new_engine(folder, toy_study(study="new", search=WARM)))
    found = results.read("new")
    said = found.as_json()["warm_start"]
    assert said["controls"] == 2 and said["studies"]["old"] >= 1 and said["outcome"] in ("helped", "open")
    tables.print_trials(found)
    assert found.warm_start is not None and found.warm_start.words in capsys.readouterr().out
    assert explain(engine.ledger.events(), "new", 0, found.warm_start)[1].words == found.warm_start.words
    assert results.read("old").as_json()["warm_start"] is None


def test_what_was_taken_over_stands_in_the_first_row(folder: Path, old: Engine) -> None:
    engine = new_engine(folder, toy_study(study="new", search=WARM))
    [taken] = Ledger(engine.paths.ledger).events()[0].payload["warm_start"]
    assert taken["study"] == "old" and len(taken["trials"]) == taken["finished"] == 30
    assert taken["trials"][0]["value"] == max(one["value"] for one in taken["trials"])
