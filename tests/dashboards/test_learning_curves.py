"""The numbers of the figure, and that it is drawn from them."""

import pandas as pd

from dashboards import learning_curves

FRAME = pd.DataFrame(
    {
        "trial": [0, 1, 0, 1, 2],
        "state": ["COMPLETE", "COMPLETE", "COMPLETE", "COMPLETE", "PRUNED"],
        "epoch": [2.0, 1.0, 1.0, 2.0, 1.0],
        "value": [0.6, 0.5, 0.4, 0.9, 0.1],
    }
)


def test_there_is_a_curve_per_trial_in_order_of_epochs() -> None:
    curves = learning_curves.data(FRAME, winner=1)
    assert [(curve.trial, curve.epochs, curve.values) for curve in curves] == [
        (0, [1.0, 2.0], [0.4, 0.6]),
        (1, [1.0, 2.0], [0.5, 0.9]),
        (2, [1.0], [0.1]),
    ]
    assert [curve.wins for curve in curves] == [False, True, False]


def test_the_winner_is_drawn_last_and_so_in_front() -> None:
    figure = learning_curves.draw(learning_curves.data(FRAME, winner=1), "f1", "study toy")
    assert [trace.name for trace in figure.data] == ["complete", "pruned", "winner"]
    assert list(figure.data[-1].y) == [0.5, 0.9] and figure.layout.yaxis.title.text == "f1"


def test_the_page_needs_no_network() -> None:
    page = learning_curves.page(learning_curves.data(FRAME, winner=None), "f1", "study toy")
    assert "<script src=" not in page and "trial 002" in page
