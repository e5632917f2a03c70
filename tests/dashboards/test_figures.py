"""The numbers of each figure, and that it is drawn from them."""

from dataclasses import replace
from math import nan

import numpy as np
import pandas as pd
import pytest

from dashboards import (
    best_so_far,
    calibration,
    classes,
    confirmation,
    costs,
    importance,
    interactions,
    learning_curves,
    parallel_coordinates,
    pareto,
    repeats,
    rungs,
    slices,
    study_report,
)
from dashboards.english import WORDS
from dashboards.korean import WORDS as KOREAN
from dashboards.study import DRAWN, DRAWN_BEST, FINALISTS, PROGRESS, REPEATED, Aim, Parameter, StudyData, records
from dashboards.theme import spec
from tests.dashboards.made import DROPOUT, LEARNING_RATE, OPTIMIZER, searched, study

CURVES = [[0.4, 0.6], [0.5, 0.9, 0.8], [0.1]]
STATES = ["COMPLETE", "COMPLETE", "PRUNED"]
SHARES = {LEARNING_RATE: [0.0, 0.5, 1.0], OPTIMIZER: [0.1, 0.5, nan]}


def drawn_rows(figure: dict[str, object]) -> list[dict[str, object]]:
    """All data that a figure is drawn from."""
    datasets = figure["datasets"]
    assert isinstance(datasets, dict)
    return [row for rows in datasets.values() for row in rows]


def test_there_is_a_curve_per_trial_in_order_of_epochs_with_its_end_marked() -> None:
    frame = learning_curves.data(study(SHARES, CURVES, STATES))
    assert frame[["trial", "epoch", "value", "last"]].values.tolist() == [
        [0, 1.0, 0.4, False],
        [0, 2.0, 0.6, True],
        [1, 1.0, 0.5, False],
        [1, 2.0, 0.9, False],
        [1, 3.0, 0.8, True],
        [2, 1.0, 0.1, True],
    ]
    assert frame.drop_duplicates("trial")["state"].tolist() == ["complete", "winner", "pruned"]


def test_a_report_without_the_metric_breaks_no_curve() -> None:
    frame = learning_curves.data(study(SHARES, [[0.4, nan, 0.6], [nan], [0.1]], STATES))
    assert frame["value"].tolist() == [0.4, 0.6, 0.1]


def test_the_curves_are_drawn_from_these_numbers_with_the_words_of_the_page() -> None:
    frame = learning_curves.data(study(SHARES, CURVES, STATES))
    figure = spec(learning_curves.draw(frame, "f1", {**WORDS, "epoch": "Epoche"}), validate=True)
    assert [row["value"] for row in drawn_rows(figure)] == frame["value"].tolist()
    assert "Epoche" in str(figure) and figure["width"] == "container"


def test_the_best_so_far_costs_what_all_workers_spent_until_then() -> None:
    """Reports come in by time: 0.4, 0.6 of trial 0, then 0.5, 0.9, 0.8 of trial 1, then 0.1; each took 60 seconds."""
    frame = best_so_far.data(study(SHARES, CURVES, STATES))
    assert frame.values.tolist() == [[0, 60, 0.4], [0, 120, 0.6], [1, 240, 0.9], [2, 360, 0.9]]


def test_the_best_so_far_of_what_is_minimized_falls() -> None:
    frame = best_so_far.data(study(SHARES, CURVES, STATES, higher_is_better=False))
    assert frame["best"].tolist() == [0.4, 0.1]


def test_a_diverged_trial_is_never_the_best_so_far() -> None:
    frame = best_so_far.data(study(SHARES, [[0.4], [0.9, nan], [0.1]], ["COMPLETE", "DIVERGED", "PRUNED"]))
    assert frame["best"].tolist() == [0.4, 0.4]


def test_a_parameter_that_did_not_apply_leaves_a_gap_in_its_line() -> None:
    frame = parallel_coordinates.data(study(SHARES, CURVES, STATES))
    assert frame[frame["trial"] == 2]["axis"].tolist() == ["learning_rate", "f1"]
    assert frame[frame["trial"] == 1][["axis", "share", "said"]].values.tolist() == [
        ["learning_rate", 0.5, "0.0003162"],
        ["optimizer", 0.5, "sgd"],
        ["f1", 1.0, "0.9"],
    ]


def test_the_colours_are_fifths_of_the_ranking_and_a_diverged_trial_is_in_the_worst() -> None:
    made = study({DROPOUT: [0.5] * 6}, [[0.1], [0.2], [0.3], [0.4], [0.5], [nan]], [*["COMPLETE"] * 5, "DIVERGED"])
    frame = parallel_coordinates.data(made).drop_duplicates("trial")
    assert frame["fifth"].tolist() == [2, 3, 4, 5, 5, 1]


def test_a_slice_has_the_values_of_a_parameter_on_its_own_scale() -> None:
    made = study(SHARES, CURVES, STATES)
    frame = slices.data(made, LEARNING_RATE)
    assert frame["x"].tolist() == pytest.approx([1e-5, 10**-3.5, 1e-2]) and frame["value"].tolist() == [0.6, 0.9, 0.1]
    figure = spec(slices.draw(frame, LEARNING_RATE, "f1", WORDS))
    scale = figure["layer"][0]["encoding"]["x"]["scale"]
    assert scale["type"] == "log" and scale["domain"] == [1e-5, 1e-2]
    assert slices.data(made, OPTIMIZER)["x"].tolist() == ["adamw", "sgd"]


def test_interactions_are_of_the_most_important_parameters() -> None:
    made = searched(20)
    found = interactions.pairs(made, ["dropout", "learning_rate", "optimizer"])
    names = [(one.name, two.name) for one, two in found]
    assert names == [("dropout", "learning_rate"), ("dropout", "optimizer"), ("learning_rate", "optimizer")]
    frame = interactions.data(made, found[0])
    assert len(frame) == 20 and set(frame["fifth"]) == {1, 2, 3, 4, 5}
    assert frame["x"].tolist() == made.params["dropout"].tolist()


def of_two_aims() -> StudyData:
    """Four trials, of which 1 and 2 are on the front of f1 (larger) and price (smaller); 3 has no value."""
    values = pd.DataFrame({"f1": [0.6, 0.9, 0.4, nan], "price": [5.0, 4.0, 1.0, nan]})
    return study(
        {DROPOUT: [0.1, 0.2, 0.3, 0.4]},
        [[0.6], [0.9], [0.4], []],
        ["COMPLETE", "COMPLETE", "COMPLETE", "FAILED"],
        aims=(Aim(metric="f1", higher_is_better=True), Aim(metric="price", higher_is_better=False)),
        values=values,
        front=(1, 2),
        progress=pd.DataFrame([(0, 1, 0.1, 1), (1, 2, 0.4, 1), (2, 3, 0.7, 2)], columns=PROGRESS),
        winner=None,
    )


def test_the_front_is_told_among_all_trials_that_have_all_values() -> None:
    frame = pareto.data(of_two_aims())
    assert frame.values.tolist() == [[2, True, 0.4, 1.0], [0, False, 0.6, 5.0], [1, True, 0.9, 4.0]]


def test_the_front_is_drawn_from_these_numbers_with_what_it_reaches() -> None:
    made = of_two_aims()
    one, other = made.aims
    figure = spec(pareto.draw(pareto.data(made), one, other, True, WORDS), validate=True)
    assert [row["first"] for row in drawn_rows(figure)] == [0.4, 0.6, 0.9]
    assert figure["layer"][0]["mark"]["interpolate"] == "step-before"  # type: ignore[index]
    assert "price (minimize)" in str(figure) and "f1 (maximize)" in str(figure)
    turned = spec(pareto.draw(pareto.data(made), other, one, True, WORDS), validate=True)
    assert turned["layer"][0]["mark"]["interpolate"] == "step-after"  # type: ignore[index]
    grown = spec(pareto.draw_progress(pareto.progress(made), WORDS), validate=True)
    volumes = [(row["ended"], row["hypervolume"]) for row in drawn_rows(grown)]
    assert volumes == [(1, 0.1), (2, 0.4), (3, 0.7), (4, 0.7)]  # the failed trial at the end gained nothing


def test_of_three_aims_there_is_a_figure_for_each_pair() -> None:
    made = of_two_aims()
    third = replace(made, aims=(*made.aims, Aim(metric="size", higher_is_better=False)))
    third = replace(third, values=made.values.assign(size=[1.0, 2.0, 3.0, nan]))
    section = pareto.section(third, WORDS)
    assert len(section.figures) == 4 and len(section.tables[0].rows) == 2
    assert len(pareto.section(made, WORDS).figures) == 2


def test_a_rung_tells_how_many_it_stopped_and_whether_it_foretold_the_end() -> None:
    """Ten trials are judged, the four worst stopped; among the six that end, the rung's order is the reverse."""
    curves = [[0.5 + 0.01 * trial, 0.9 - 0.01 * trial] for trial in range(6)] + [[0.1]] * 4
    states = ["COMPLETE"] * 6 + ["PRUNED"] * 4
    judged = pd.DataFrame([(trial, 1) for trial in range(10)], columns=["trial", "rung"])
    made = study({DROPOUT: [0.5] * 10}, curves, states, rungs=judged)
    [row] = records(rungs.data(made))
    assert (row["judged"], row["stopped"], row["went_on"], row["finished"]) == (10, 4, 6, 6)
    assert row["correlation"] == pytest.approx(-1)
    few = replace(made, rungs=judged[judged["trial"] >= 3])
    assert np.isnan(rungs.data(few)["correlation"].iloc[0])


def test_a_trial_is_stopped_at_the_highest_rung_that_it_came_to_and_may_wait_at_one() -> None:
    judged = pd.DataFrame([(0, 1), (1, 1), (2, 1), (0, 3), (1, 3)], columns=["trial", "rung"])
    made = study({DROPOUT: [0.5] * 3}, [[0.1] * 4, [0.1] * 3, [0.1]], ["COMPLETE", "PRUNED", "PAUSED"], rungs=judged)
    counts = rungs.data(made)[["rung", "judged", "stopped", "paused", "went_on"]]
    assert counts.values.tolist() == [[1, 3, 0, 1, 2], [3, 2, 1, 0, 1]]


def test_the_money_is_told_by_state_and_what_stopping_saved() -> None:
    """The stopped trial took 60 s for 1 of 3 epochs: two more were saved, at its own pace."""
    spent = costs.data(study(SHARES, CURVES, STATES))
    assert spent.by_state.values.tolist() == [["winner", 1, 180], ["complete", 1, 120], ["pruned", 1, 60]]
    assert (spent.total, spent.stopped, spent.saved, spent.budget) == (360, 60, 120, 3)


def test_what_stopping_saved_is_unknown_where_no_trial_ran_to_its_end() -> None:
    assert costs.data(study({DROPOUT: [0.1]}, [[0.1]], ["PRUNED"])).saved is None


EVALUATION = {
    "classes": {
        "cat": {"precision": 0.8, "recall": 0.5, "f1": 0.6, "rows": 10},
        "dog": {"precision": 0.9, "recall": 1.0, "f1": 0.95, "rows": 20},
    },
    "confusion": [[5, 5], [0, 20]],
}
FOLDS = [{"rows": 15, "confusion": [[0, 0, 5], [1, 1, 10]]}, {"rows": 15, "confusion": [[0, 1, 5], [1, 1, 10]]}]


def test_the_worst_class_comes_first_and_the_most_frequent_mistake() -> None:
    made = study(SHARES, CURVES, STATES, evaluation=EVALUATION, data={"classes": {"train": {"cat": 70, "dog": 90}}})
    assert classes.data(made)[["label", "f1", "rows", "trained_on"]].values.tolist() == [
        ["cat", 0.6, 10, 70],
        ["dog", 0.95, 20, 90],
    ]
    assert classes.confusion(made)[["truth", "said", "rows", "share"]].values.tolist() == [
        ["cat", "dog", 5, 0.5],
        ["dog", "dog", 20, 1.0],
        ["cat", "cat", 5, 0.5],
    ]


def test_of_many_classes_those_with_the_most_mistakes_are_drawn() -> None:
    labels = [f"class {number:02d}" for number in range(40)]
    matrix = np.diag(np.full(40, 10))
    matrix[38, 39] = 7
    scores = {label: {"precision": 1.0, "recall": 1.0, "f1": 1.0, "rows": 10} for label in labels}
    made = study(SHARES, CURVES, STATES, evaluation={"classes": scores, "confusion": matrix.tolist()})
    rows = drawn_rows(spec(classes.draw(classes.confusion(made), WORDS)))
    assert len({row["truth"] for row in rows}) == classes.MOST_CELLS
    assert {"class 38", "class 39"} <= {row["truth"] for row in rows}


def test_calibration_is_drawn_of_the_bins_that_have_rows() -> None:
    bins = [{"rows": 0, "confidence": 0.0, "accuracy": 0.0}, {"rows": 8, "confidence": 0.9, "accuracy": 0.75}]
    frame = calibration.data(study(SHARES, CURVES, STATES, evaluation={"calibration": bins}))
    assert frame.values.tolist() == [[8, 0.9, 0.75]]
    assert {"rows": 8, "confidence": 0.9, "accuracy": 0.75} in drawn_rows(spec(calibration.draw(frame, WORDS)))


def test_the_calibration_error_is_that_of_the_answers_that_are_drawn() -> None:
    """Over all folds together, not the mean of theirs, which few rows make larger."""
    bins = [{"rows": 30, "confidence": 0.9, "accuracy": 0.8}, {"rows": 10, "confidence": 0.6, "accuracy": 0.8}]
    made = study(SHARES, CURVES, STATES, evaluation={"calibration": bins, "metrics": {"ece": 0.3}, "folds": FOLDS})
    assert calibration.section(made, WORDS).text[0] == WORDS["text_ece"].format(ece=0.125)
    kept = study(SHARES, CURVES, STATES, evaluation={"metrics": {"ece": 0.3}})
    assert calibration.section(kept, WORDS).text[0] == WORDS["text_ece"].format(ece=0.3)


def test_folds_are_told_with_their_answers_and_have_no_rows_in_train() -> None:
    made = study(
        SHARES, CURVES, STATES, evaluation=EVALUATION | {"folds": FOLDS}, data={"classes": {"train": {"cat": 30}}}
    )
    section = classes.section(made, WORDS)
    assert WORDS["of_folds"].format(folds=2) in section.text
    assert classes.data(made)["trained_on"].isna().all() and WORDS["trained_on"] not in section.tables[0].headings
    alone = study(SHARES, CURVES, STATES, evaluation=EVALUATION, data={"classes": {"train": {"cat": 30}}})
    assert WORDS["of_folds"].format(folds=2) not in classes.section(alone, WORDS).text
    assert WORDS["trained_on"] in classes.section(alone, WORDS).tables[0].headings


def test_of_several_labels_a_mistake_is_a_label_that_a_row_has_or_has_not() -> None:
    wrong = [
        {"row": 3, "label": "cat", "truth": "not cat", "said": "cat", "confidence": 0.9, "text": "a dog"},
        {"row": 5, "label": "not", "truth": "not", "said": "not not", "confidence": 0.8, "text": "a knot"},
    ]
    scores = {name: EVALUATION["classes"][name] for name in ("cat", "dog")}
    made = study(SHARES, CURVES, STATES, evaluation={"classes": scores, "wrong": wrong}, data={"task": "multi_label"})
    shown = [[cell.text for cell in row] for row in classes.wrong_rows(made, KOREAN).rows]
    assert shown == [["a dog", "cat 아님", "cat", "90%"], ["a knot", "not", "not 아님", "80%"]]
    assert [cell.text for cell in classes.wrong_rows(made, WORDS).rows[0]] == ["a dog", "not cat", "cat", "90%"]
    assert classes.section(made, WORDS).text[0] == WORDS["text_labels"].format(rows=30)


def test_seed_noise_is_pooled_over_configurations_that_ran_more_than_once() -> None:
    seed = Parameter(name="data.seed", scale="linear", low=0, high=9)
    shares = {DROPOUT: [0.1, 0.1, 0.5, 0.5, 0.9], seed: [0.0, 0.1, 0.0, 0.1, 0.0]}
    made = study(shares, [[0.5], [0.6], [0.7], [0.9], [0.2]])
    found = repeats.data(made)
    assert found["trials"].tolist() == [[0, 1], [2, 3]] and found["of_winner"].tolist() == [False, True]
    assert repeats.seed_noise(made) == pytest.approx(np.sqrt((0.005 + 0.02) / 2))
    assert repeats.seed_noise(study({DROPOUT: [0.1, 0.2]}, [[0.5], [0.6]])) is None


def test_of_thousands_of_trials_the_best_are_drawn_and_an_even_choice_of_the_rest() -> None:
    made = searched(2000)
    drawn = made.drawn()
    assert len(drawn) <= DRAWN and {*made.scored["trial"][:DRAWN_BEST]} <= drawn
    places = [place for place, trial in enumerate(made.scored["trial"]) if trial in drawn and place >= DRAWN_BEST]
    assert len({*np.diff(places)}) == 1
    assert made.drawn() == drawn


def test_ranks_are_moved_by_no_absurd_value() -> None:
    calm = study({DROPOUT: [0.1] * 4}, [[0.1], [0.2], [0.3], [0.4]])
    absurd = study({DROPOUT: [0.1] * 4}, [[-1e30], [0.2], [0.3], [0.4]])
    assert calm.ranks().tolist() == absurd.ranks().tolist() == [0, 1 / 3, 2 / 3, 1]


def test_every_figure_is_vega_lite() -> None:
    made = replace(
        searched(30), evaluation=EVALUATION | {"calibration": [{"rows": 8, "confidence": 0.9, "accuracy": 0.75}]}
    )
    found = study_report.findings(made)
    assert found.importance is not None
    by_importance = [*found.importance.frame["parameter"]]
    sections = [
        learning_curves.section(made, WORDS),
        best_so_far.section(made, WORDS),
        parallel_coordinates.section(made, WORDS),
        importance.section(made, found.importance, WORDS),
        slices.section(made, WORDS),
        interactions.section(made, by_importance, WORDS),
        rungs.section(made, WORDS),
        classes.section(made, WORDS),
        calibration.section(made, WORDS),
        costs.section(made, WORDS),
    ]
    for section in sections:
        assert section.figures and all(spec(figure.chart, validate=True) for figure in section.figures), section.name


def test_a_few_hopeless_trials_do_not_squeeze_the_others() -> None:
    """Losses of 1 to 2, and some of a thousand: the axis ends where a tenth of the reports is worse."""
    losses = [[1 + trial / 50] for trial in range(48)] + [[1000.0], [2000.0]]
    made = study({DROPOUT: [0.5] * 50}, losses, higher_is_better=False)
    limit = made.limit()
    assert limit == pytest.approx(np.quantile([loss for [loss] in losses], 0.9)) and limit < 2
    figure = spec(learning_curves.draw(learning_curves.data(made), "loss", WORDS, limit), validate=True)
    assert figure["layer"][0]["encoding"]["y"]["scale"]["domain"] == [1.0, limit]
    assert f"Reports worse than {limit:.4g} lie outside" in " ".join(learning_curves.section(made, WORDS).text)
    assert study({DROPOUT: [0.5] * 48}, losses[:48], higher_is_better=False).limit() is None


def test_times_are_told_in_a_unit_that_fits() -> None:
    assert [costs.unit(seconds)[1] for seconds in (0.02, 90, 600, 100_000)] == [
        "seconds",
        "seconds",
        "minutes",
        "hours",
    ]
    assert "360.0" not in " ".join(costs.section(study(SHARES, CURVES, STATES), WORDS).text)
    assert "6.0 minutes of training" in costs.section(study(SHARES, CURVES, STATES), WORDS).text[0]


FINALIST_ROWS = [
    (0, 0.82, 0.79, 0.77, 0.81, 0.03, nan, nan, nan, 30.0, False, False, ""),
    (1, 0.90, 0.78, 0.75, 0.81, 0.12, 0.01, -0.02, 0.04, 10.0, True, True, ""),
    (2, 0.80, nan, nan, nan, nan, nan, nan, nan, nan, False, False, "diverged with seed 7: loss is nan"),
]
RUNS = [(0, 7, "COMPLETE", 0.80), (0, 8, "COMPLETE", 0.78), (1, 7, "COMPLETE", 0.77), (1, 8, "COMPLETE", 0.79)]


def confirmed_study():  # type: ignore[no-untyped-def]
    return study(
        SHARES,
        CURVES,
        STATES,
        finalists=pd.DataFrame(FINALIST_ROWS, columns=FINALISTS),
        repeats=pd.DataFrame([*RUNS, (2, 7, "DIVERGED", nan)], columns=REPEATED),
    )


def test_the_confirmation_is_drawn_from_the_finalists_and_their_runs() -> None:
    found = confirmed_study()
    frame = confirmation.data(found)
    drawn = drawn_rows(spec(confirmation.draw(frame[:2], confirmation.runs(found), "score", WORDS)))
    assert {(row["trial"], row["value"]) for row in drawn if "value" in row} == {(t, v) for t, _, _, v in RUNS}
    bars = [row for row in drawn if "mean" in row]
    assert {(row["low"], row["mean"], row["high"], row["search"]) for row in bars} == {
        (0.77, 0.79, 0.81, 0.82),
        (0.75, 0.78, 0.81, 0.90),
    }


def test_the_confirmation_says_what_was_chosen_and_why_one_is_not_confirmed() -> None:
    found = confirmation.section(confirmed_study(), WORDS)
    assert "cannot tell trial 000, which has the best mean, from 001. Trial 001 is chosen" in found.text[1]
    [table] = found.tables
    assert [row[0].trial for row in table.rows] == [0, 1, 2]
    assert table.rows[2][-1].text == "diverged with seed 7: loss is nan" and table.rows[1][3].text == "+0.1200"


def test_a_study_that_confirms_nothing_says_how_it_would() -> None:
    found = confirmation.section(study(SHARES, CURVES, STATES), WORDS)
    assert "`confirm: {finalists: 3, seeds: 3}`" in found.text[0] and not found.figures


def test_the_headline_of_a_confirmed_study_is_the_confirmed_score() -> None:
    found = study_report.findings(confirmed_study())
    assert found.answer is not None and found.answer.confirmed is not None and found.answer.seeds == 2
    said = study_report.first_screen.headline(found.study, found.answer, WORDS)
    assert "0.7800 (0.7500 to 0.8100 with 95 % certainty, 2 fresh seeds); the search had promised 0.9000" in said
    assert {"finalists_alike"} <= {doubt.code for doubt in found.doubts}
    assert "one_seed" not in {doubt.code for doubt in found.doubts}
