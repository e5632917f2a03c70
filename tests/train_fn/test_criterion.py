import itertools

import numpy
import pytest
import torch
from torch.nn import functional

from train_fn.class_weights import class_weights
from train_fn.config import TrainingConfig
from train_fn.criterion import criterion
from train_fn.tokens import Tokens

CLASS_IDS = torch.tensor([0, 0, 0, 0, 1, 1, 2])
LENGTHS = numpy.array([3, 9, 4, 4, 7, 2, 5])
LOGITS = torch.randn(7, 3, generator=torch.Generator().manual_seed(0))
ROWS = torch.arange(7)


def rows_of(targets, groups=None):
    ends = torch.from_numpy(LENGTHS.cumsum())
    return Tokens(
        ids=torch.zeros(int(LENGTHS.sum()), dtype=torch.int32),
        types=None,
        starts=ends - torch.from_numpy(LENGTHS),
        ends=ends,
        lengths=LENGTHS,
        targets=targets,
        groups=groups,
        pad_id=0,
    )


def mean_loss(rows=ROWS, task="classification", targets=CLASS_IDS, groups=None, outputs=LOGITS, **settings):
    """Of a batch: the weighted sum over its rows, divided by their number."""
    found = criterion(TrainingConfig(**settings), task, rows_of(targets, groups), 3)
    queries = torch.zeros(7, dtype=torch.long) if groups is None else torch.from_numpy(groups)
    return found.loss(outputs[rows], targets[rows], rows, queries[rows]) / found.count(rows)


@pytest.mark.parametrize("weights", ["balanced", "effective_number"])
def test_class_weights_over_all_rows_weigh_as_torch_weighs(weights):
    counts = numpy.bincount(CLASS_IDS)
    expected = functional.cross_entropy(
        LOGITS, CLASS_IDS, weight=torch.from_numpy(class_weights(weights, counts, 0.999)).float()
    )
    torch.testing.assert_close(mean_loss(class_weights=weights), expected, atol=1e-6, rtol=0)


@pytest.mark.parametrize("batch_size", [1, 2, 7])
def test_a_rare_class_weighs_as_much_however_few_rows_a_batch_has(batch_size):
    """Of plain rows' losses, by hand: torch's mean over a batch of one row would not be weighted at all."""
    losses = functional.cross_entropy(LOGITS, CLASS_IDS, reduction="none")
    expected = losses * torch.tensor([7 / (3 * count) for count in (4, 2, 1)])[CLASS_IDS]  # as scikit-learn's
    for batch in ROWS.split(batch_size):
        found = mean_loss(batch, class_weights="balanced")
        torch.testing.assert_close(found, expected[batch].mean(), atol=1e-6, rtol=0)


def test_long_rows_weigh_more_also_among_themselves():
    losses = functional.cross_entropy(LOGITS, CLASS_IDS, reduction="none")
    longest = torch.tensor([1, 4])  # batches are of rows of like length
    expected = (losses * torch.from_numpy(LENGTHS / LENGTHS.mean()))[longest].mean()
    torch.testing.assert_close(mean_loss(longest, loss_weighting="tokens"), expected.float(), atol=1e-6, rtol=0)


def test_a_row_may_count_once_for_each_of_its_tokens():
    losses = functional.cross_entropy(LOGITS, CLASS_IDS, reduction="none")
    expected = (losses * torch.from_numpy(LENGTHS)).sum() / LENGTHS.sum()
    torch.testing.assert_close(mean_loss(loss_weighting="tokens"), expected.float(), atol=1e-6, rtol=0)


GRADES, QUERIES = torch.tensor([2.0, 0.0, 1.0, 0.0, 1.0, 0.0, 0.0]), numpy.array([0, 0, 0, 1, 1, 2, 2])
SETTINGS = [
    {"loss": "focal", "label_smoothing": 0.1},
    {"class_weights": "balanced", "loss_weighting": "tokens", "label_smoothing": 0.1},
    {"loss": "focal", "class_weights": "effective_number"},
    *(
        {"task": "regression", "targets": GRADES, "outputs": LOGITS[:, :1], "loss": loss}
        for loss in ("mse", "mae", "huber")
    ),
    *(
        {"task": "ranking", "targets": GRADES, "groups": QUERIES, "outputs": LOGITS[:, :1], "loss": loss}
        for loss in ("listwise", "pairwise", "mse")
    ),
]


@pytest.mark.parametrize("settings", SETTINGS, ids=lambda settings: settings.get("loss", "cross_entropy"))
def test_uneven_parts_add_up_to_the_batch(settings):
    task, groups, targets = (settings.get(name) for name in ("task", "groups", "targets"))
    task, targets, outputs = (
        task or "classification",
        CLASS_IDS if targets is None else targets,
        settings.get("outputs", LOGITS),
    )
    knobs = {name: value for name, value in settings.items() if name not in ("task", "groups", "targets", "outputs")}
    found = criterion(TrainingConfig(**knobs), task, rows_of(targets, groups), 3)
    queries = torch.zeros(7, dtype=torch.long) if groups is None else torch.from_numpy(groups)
    parts = [ROWS[:3], ROWS[3:5], ROWS[5:]]  # of which none tears a query apart
    sums = [found.loss(outputs[part], targets[part], part, queries[part]) / found.count(ROWS) for part in parts]
    torch.testing.assert_close(sum(sums), mean_loss(**settings), atol=1e-6, rtol=0)


@pytest.mark.parametrize("loss", ["listwise", "pairwise", "mse"])
def test_every_query_counts_the_same_however_many_rows_it_has(loss):
    settings = {"task": "ranking", "targets": GRADES, "outputs": LOGITS[:, :1], "loss": loss}
    alone = [
        mean_loss(rows=torch.from_numpy(numpy.flatnonzero(query == QUERIES)), groups=QUERIES, **settings)
        for query in range(3)
    ]
    torch.testing.assert_close(mean_loss(groups=QUERIES, **settings), torch.stack(alone).mean(), atol=1e-6, rtol=0)


def test_r_drop_is_the_mean_of_two_passes_and_their_divergence():
    again = LOGITS + 0.3
    again[:, 0] += 1.0
    both = torch.cat([LOGITS, again])
    found = criterion(TrainingConfig(r_drop=0.7), "classification", rows_of(CLASS_IDS), 3)
    loss = found.loss(both, CLASS_IDS, ROWS, torch.zeros(7, dtype=torch.long)) / found.count(ROWS)
    entropies = [functional.cross_entropy(logits, CLASS_IDS) for logits in (LOGITS, again)]
    p, q = LOGITS.softmax(1), again.softmax(1)
    apart = ((p - q) * (p.log() - q.log())).sum(1).mean() / 2
    torch.testing.assert_close(loss, sum(entropies) / 2 + 0.7 * apart, atol=1e-6, rtol=0)


@pytest.mark.parametrize(
    ("smoothing", "weights", "loss"),
    list(itertools.product([0.0, 0.1], ["none", "balanced", "effective_number"], ["cross_entropy", "focal"])),
)
def test_every_legal_combination_learns(smoothing, weights, loss):
    logits = LOGITS.clone().requires_grad_()
    settings = {"label_smoothing": smoothing, "class_weights": weights, "loss": loss}
    before = mean_loss(outputs=logits, **settings)
    before.backward()
    assert mean_loss(outputs=logits.detach() - 0.5 * logits.grad, **settings) < before
