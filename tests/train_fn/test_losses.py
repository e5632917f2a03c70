import math
from functools import partial

import numpy
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import softmax
from torch.utils._python_dispatch import TorchDispatchMode

from train_fn.losses.classification import cross_entropy, focal
from train_fn.losses.multi_label import bce
from train_fn.losses.ranking import listwise, pairwise
from train_fn.losses.regression import huber, mae, mse

OF_CLASSES = {
    "cross_entropy": partial(cross_entropy, label_smoothing=0.0),
    "smoothed cross_entropy": partial(cross_entropy, label_smoothing=0.1),
    "focal": partial(focal, gamma=2.0, label_smoothing=0.0),
    "smoothed focal": partial(focal, gamma=0.5, label_smoothing=0.1),
}
OF_NUMBERS = {"mse": mse, "mae": mae, "huber": partial(huber, delta=0.7)}
OF_QUERIES = {"pairwise": pairwise, "listwise": listwise}
SMOOTHING, GAMMA = [0.0, 0.1, 0.5], [0.3, 1.0, 2.0, 5.0]

seeds = st.integers(0, 2**32 - 1)


def classified(seed=0, rows=12, classes=5):
    random = torch.Generator().manual_seed(seed)
    logits = 3 * torch.randn(rows, classes, dtype=torch.float64, generator=random)
    return logits, torch.randint(classes, (rows,), generator=random)


def measured(seed=0, rows=12):
    return torch.randn(2, rows, dtype=torch.float64, generator=torch.Generator().manual_seed(seed)).unbind()


def judged(seed=0, rows=12, queries=4):
    """Queries of any number of rows, mixed; their ids have gaps and no order."""
    random = torch.Generator().manual_seed(seed)
    ids = torch.randint(10**12, (queries,), generator=random)
    scores = 2 * torch.randn(rows, dtype=torch.float64, generator=random)
    grades = torch.randint(4, (rows,), generator=random).double()
    return scores, grades, ids[torch.randint(queries, (rows,), generator=random)]


LOSSES = (
    {name: (loss, classified) for name, loss in OF_CLASSES.items()}
    | {name: (loss, measured) for name, loss in OF_NUMBERS.items()}
    | {name: (loss, judged) for name, loss in OF_QUERIES.items()}
)


@pytest.mark.parametrize("smoothing", SMOOTHING)
def test_cross_entropy_is_the_formula_of_the_paper(smoothing):
    torch.testing.assert_close(
        cross_entropy(*classified(), label_smoothing=smoothing), focal_by_hand(*classified(), 0.0, smoothing)
    )


@pytest.mark.parametrize("smoothing", SMOOTHING)
@pytest.mark.parametrize("gamma", GAMMA)
def test_focal_is_the_formula_of_the_paper(gamma, smoothing):
    torch.testing.assert_close(
        focal(*classified(), gamma=gamma, label_smoothing=smoothing),
        focal_by_hand(*classified(), gamma, smoothing),
        atol=1e-9,
        rtol=0,
    )


def focal_by_hand(logits, targets, gamma, smoothing):
    losses = []
    for row, target in zip(logits.tolist(), targets.tolist(), strict=True):
        total = sum(math.exp(logit) for logit in row)
        loss = 0.0
        for index, logit in enumerate(row):
            p = math.exp(logit) / total
            wanted = smoothing / len(row) + (1 - smoothing) * (index == target)
            loss += wanted * (1 - p) ** gamma * -math.log(p)
        losses.append(loss)
    return torch.tensor(losses, dtype=torch.float64)


@pytest.mark.parametrize("smoothing", SMOOTHING)
def test_focal_of_gamma_0_is_cross_entropy(smoothing):
    logits, targets = classified()
    expected = cross_entropy(logits, targets, label_smoothing=smoothing)
    assert torch.equal(focal(logits, targets, gamma=0, label_smoothing=smoothing), expected)
    nearly = focal(logits, targets, gamma=1e-9, label_smoothing=smoothing)
    torch.testing.assert_close(nearly, expected, atol=1e-6, rtol=0)


@pytest.mark.parametrize("smoothing", SMOOTHING)
@pytest.mark.parametrize("gamma", [1e-6, *GAMMA])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_focal_has_a_finite_slope_where_the_model_is_sure(dtype, gamma, smoothing):
    gaps = torch.tensor([0.0, 1e-3, 10.0, 17.0, 40.0, 1e3], dtype=dtype)
    for target in range(3):
        logits = torch.stack([gaps, -gaps, torch.zeros_like(gaps)], dim=1).requires_grad_()
        losses = focal(logits, torch.full((len(gaps),), target), gamma=gamma, label_smoothing=smoothing)
        (slope,) = torch.autograd.grad(65536 * losses.sum(), logits)  # as fp16's scaler begins
        assert losses.isfinite().all() and slope.isfinite().all()
        if target == 1:  # sure and wrong: the focal factor is 1, and the slope that of cross-entropy
            assert slope[-1, 1].item() == pytest.approx(-65536 * (1 - smoothing * 2 / 3), rel=1e-3)


@pytest.mark.parametrize(
    ("loss", "by_hand"),
    [
        (mse, lambda error: error**2),
        (mae, abs),
        (partial(huber, delta=0.7), lambda e: e**2 / 2 if abs(e) <= 0.7 else 0.7 * (abs(e) - 0.35)),
    ],
)
def test_losses_of_numbers_are_their_formulas(loss, by_hand):
    outputs, targets = measured()
    errors = (outputs - targets).tolist()
    assert loss(outputs, targets).tolist() == pytest.approx([by_hand(error) for error in errors], abs=1e-12)
    assert any(abs(error) < 0.7 for error in errors) and any(abs(error) > 0.7 for error in errors)


def test_pairwise_is_the_formula_of_the_paper():
    scores, grades, groups = judged()
    for query, rows in by_query(groups).items():
        pairs = [(i, j) for i in rows for j in rows if grades[i] > grades[j]]
        expected = [math.log1p(math.exp(scores[j] - scores[i])) for i, j in pairs]
        found = pairwise(scores, grades, groups)[groups == query].sum().item()
        assert found == pytest.approx(sum(expected) / max(1, len(pairs)), abs=1e-9)


def test_a_pair_is_told_to_its_better_row():
    shares = pairwise(torch.tensor([1.0, 3.0, 2.0]), torch.tensor([0.0, 2.0, 1.0]), torch.zeros(3))
    expected = [0.0, (math.log1p(math.exp(-2)) + math.log1p(math.exp(-1))) / 3, math.log1p(math.exp(-1)) / 3]
    assert shares.tolist() == pytest.approx(expected, abs=1e-6)


def test_listwise_is_the_formula_of_the_paper():
    scores, grades, groups = judged()
    for query, rows in by_query(groups).items():
        wanted = softmax(grades[rows].numpy())
        given = softmax(scores[rows].numpy())
        found = listwise(scores, grades, groups)[groups == query].sum().item()
        assert found == pytest.approx(-(wanted * numpy.log(given)).sum(), abs=1e-9)


def by_query(groups):
    """Query -> its rows."""
    return {int(query): (groups == query).nonzero().flatten() for query in groups.unique()}


@pytest.mark.parametrize("name", OF_QUERIES)
def test_a_query_without_an_order_teaches_nothing(name):
    scores = torch.tensor([2.0, -1.0, 5.0], requires_grad=True)
    if name == "pairwise":
        grades, groups = torch.ones(3), torch.zeros(3, dtype=torch.long)
    else:
        grades, groups = torch.arange(3.0), torch.arange(3)  # one row each
    losses = OF_QUERIES[name](scores, grades, groups)
    losses.sum().backward()
    assert losses.tolist() == [0, 0, 0] and scores.grad.tolist() == [0, 0, 0]


@settings(deadline=None)
@given(seeds, st.integers(1, 30), st.integers(1, 8))
def test_the_order_of_rows_does_not_matter_to_a_ranking(seed, rows, queries):
    scores, grades, groups = judged(seed, rows, queries)
    order = torch.randperm(rows, generator=torch.Generator().manual_seed(seed))
    for loss in OF_QUERIES.values():
        there = loss(scores[order], grades[order], groups[order])
        torch.testing.assert_close(there, loss(scores, grades, groups)[order])


@pytest.mark.parametrize("name", OF_QUERIES)
def test_only_differences_of_scores_matter_to_a_ranking_however_large_they_are(name):
    loss, (scores, grades, groups) = OF_QUERIES[name], judged()
    torch.testing.assert_close(loss(scores + 1e4, grades, groups), loss(scores, grades, groups))
    assert loss(1e4 * scores, grades, groups).isfinite().all()


@settings(deadline=None)
@given(seeds, st.integers(1, 30), st.integers(1, 8))
def test_a_query_does_not_see_the_others(seed, rows, queries):
    everything = judged(seed, rows, queries)
    for loss in OF_QUERIES.values():
        whole = loss(*everything)
        for own in by_query(everything[2]).values():
            torch.testing.assert_close(loss(*(values[own] for values in everything)), whole[own])


@settings(deadline=None)
@given(seeds, st.integers(1, 30), st.data())
def test_parts_of_a_batch_add_up_to_it(seed, rows, data):
    cut = data.draw(st.integers(0, rows))
    for loss, batch in LOSSES.values():
        if batch is judged:
            continue  # whose parts are whole queries, as above
        inputs = batch(seed, rows)
        parts = loss(*(values[:cut] for values in inputs)).sum() + loss(*(values[cut:] for values in inputs)).sum()
        torch.testing.assert_close(parts, loss(*inputs).sum())


@pytest.mark.parametrize("name", LOSSES)
def test_the_gradient_is_that_of_the_loss(name):
    loss, batch = LOSSES[name]
    outputs, *rest = batch()
    assert torch.autograd.gradcheck(lambda outputs: loss(outputs, *rest), outputs.requires_grad_())


@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.parametrize("half", [torch.bfloat16, torch.float16])
def test_half_precision_outputs_give_a_full_precision_loss_of_each_row(name, half):
    loss, batch = LOSSES[name]
    outputs, *rest = (values.float() if values.is_floating_point() else values for values in batch())
    losses = loss(outputs.to(half), *rest)
    assert losses.dtype == torch.float32 and losses.shape == (12,)
    assert torch.equal(losses, loss(outputs.to(half).float(), *rest))


class Recorded(TorchDispatchMode):
    """Every operation inside, and the size of the largest tensor that it gave."""

    def __init__(self):
        super().__init__()
        self.operations, self.largest = set(), 0

    def __torch_dispatch__(self, operation, types, args=(), kwargs=None):
        result = operation(*args, **(kwargs or {}))
        self.operations.add(operation.overloadpacket._qualified_op_name)
        if isinstance(result, torch.Tensor):
            self.largest = max(self.largest, result.numel())
        return result


@pytest.mark.parametrize("name", LOSSES)
def test_no_loss_waits_for_the_device(name):
    loss, batch = LOSSES[name]
    outputs, *rest = batch()
    with Recorded() as recorded:
        loss(outputs.requires_grad_(), *rest).sum().backward()
    assert "aten::sum" in recorded.operations
    waiting = {"_local_scalar_dense", "item", "nonzero", "masked_select", "_unique2", "unique_consecutive", "bincount"}
    assert not recorded.operations & {f"aten::{name}" for name in waiting}


def test_listwise_of_a_whole_split_needs_no_table_of_rows_by_rows():
    with Recorded() as recorded:
        listwise(*judged(rows=2_000, queries=100))
    assert recorded.largest < 2 * 2_000


def test_binary_cross_entropy_is_the_mean_over_labels_of_minus_log_of_what_was_said_of_the_truth():
    random = torch.Generator().manual_seed(0)
    logits = 3 * torch.randn(12, 5, dtype=torch.float64, generator=random)
    targets = torch.randint(2, (12, 5), generator=random).double()
    truth = torch.where(targets == 1, torch.sigmoid(logits), 1 - torch.sigmoid(logits))
    torch.testing.assert_close(bce(logits, targets), -truth.log().mean(dim=1), atol=1e-6, rtol=1e-6)
