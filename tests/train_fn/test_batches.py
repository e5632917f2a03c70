from dataclasses import replace

import numpy
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from train_fn.batches import cut, evaluation_batches, num_batches, parts, row_chances, share, training_batches
from train_fn.config import TrainingConfig
from train_fn.tokens import Tokens

LENGTHS = numpy.random.default_rng(0).integers(3, 120, size=1_003)


def tokens(lengths=LENGTHS, targets=None, groups=None):
    ends = torch.from_numpy(lengths.cumsum())
    return Tokens(
        ids=torch.zeros(int(lengths.sum()), dtype=torch.int32),
        types=None,
        starts=ends - torch.from_numpy(lengths),
        ends=ends,
        lengths=lengths,
        targets=torch.zeros(len(lengths), dtype=torch.long) if targets is None else torch.from_numpy(targets),
        groups=groups,
        pad_id=0,
    )


SIXTEEN = TrainingConfig(batch_size=16)


@pytest.mark.parametrize("epoch", [0, 1])
def test_an_epoch_takes_every_row_once(epoch):
    batches = training_batches(tokens(), SIXTEEN, epoch)
    assert sorted(numpy.concatenate(batches)) == list(range(1_003))
    assert len(batches) == num_batches(tokens(), SIXTEEN)


def test_all_batches_are_full_but_one():
    sizes = [len(rows) for rows in training_batches(tokens(), SIXTEEN, 0)]
    assert sorted(sizes) == [1_003 % 16] + [16] * (1_003 // 16)


def test_the_rows_of_the_short_batch_are_others_in_each_epoch():
    """The longest ones would weigh more than all others, in each."""
    short = [min(training_batches(tokens(), SIXTEEN, epoch), key=len) for epoch in range(20)]
    assert len({row for batch in short for row in batch.tolist()}) > 2 * len(short[0])


def test_the_order_follows_from_seed_and_epoch():
    def order(seed, epoch):
        config = TrainingConfig(batch_size=16, seed=seed)
        return numpy.concatenate(training_batches(tokens(), config, epoch)).tolist()

    assert order(0, 1) == order(0, 1)
    assert order(0, 1) != order(0, 2)
    assert order(0, 1) != order(1, 1)


def test_batches_of_like_length_waste_a_tenth_of_what_random_ones_waste():
    def waste(batches):
        return sum(LENGTHS[rows].max() * len(rows) - LENGTHS[rows].sum() for rows in batches)

    random_batches = cut(numpy.random.default_rng(1).permutation(len(LENGTHS)), 16)
    assert waste(training_batches(tokens(), SIXTEEN, 0)) < 0.1 * waste(random_batches)


def test_long_batches_do_not_all_come_last():
    longest = [LENGTHS[rows].max() for rows in training_batches(tokens(), SIXTEEN, 0)]
    assert longest != sorted(longest)


def test_evaluation_takes_every_row_once():
    assert sorted(numpy.concatenate(evaluation_batches(LENGTHS))) == list(range(1_003))


def test_square_root_sampling_draws_a_class_as_the_root_of_its_rows():
    class_ids = numpy.repeat([0, 1, 2], [900, 100, 4])
    chances = row_chances(class_ids, 0.5)
    by_class = [chances[class_ids == label].sum() for label in range(3)]
    assert by_class == pytest.approx([30 / 42, 10 / 42, 2 / 42])


def test_class_balanced_sampling_draws_every_class_alike():
    class_ids = numpy.repeat([0, 1], [950, 53])
    balanced = TrainingConfig(batch_size=16, sampling_power=0.0)
    drawn = numpy.concatenate(
        [b for epoch in range(20) for b in training_batches(tokens(targets=class_ids), balanced, epoch)]
    )
    assert len(drawn) == 20 * 1_003
    assert numpy.mean(class_ids[drawn]) == pytest.approx(0.5, abs=0.02)


def test_a_power_of_one_is_every_row_once():
    class_ids = numpy.repeat([0, 1], [950, 53])
    assert row_chances(class_ids, 1.0) == pytest.approx(numpy.full(1_003, 1 / 1_003))


@st.composite
def rankings(draw):
    sizes = draw(st.lists(st.integers(1, 9), min_size=1, max_size=40))
    return numpy.repeat(numpy.arange(len(sizes)), sizes)


@settings(deadline=None, max_examples=50)
@given(rankings(), st.integers(1, 40))
def test_a_query_is_never_torn_apart(groups, batch_size):
    lengths = numpy.random.default_rng(0).integers(3, 30, size=len(groups))
    config = TrainingConfig(batch_size=batch_size)
    ranking = tokens(lengths, groups=groups)
    batches = training_batches(ranking, config, 0)
    assert sorted(numpy.concatenate(batches)) == list(range(len(groups)))
    assert len(batches) == num_batches(ranking, config)
    for batch in batches:
        for part in [*parts(batch, 3, groups), *(share(batch, rank, 2, groups) for rank in (0, 1))]:
            for query in set(groups[part]):
                assert (groups[part] == query).sum() == (groups == query).sum()


@settings(deadline=None, max_examples=50)
@given(st.integers(1, 40), st.integers(1, 9), st.integers(1, 4))
def test_parts_and_shares_together_are_the_batch(num_rows, size, num_processes):
    batch = numpy.random.default_rng(0).permutation(100)[:num_rows]
    assert numpy.concatenate(parts(batch, size, None)).tolist() == batch.tolist()
    assert all(len(part) <= size for part in parts(batch, size, None))
    shares = [share(batch, rank, num_processes, None) for rank in range(num_processes)]
    assert sorted(numpy.concatenate(shares)) == sorted(batch)
    assert max(map(len, shares)) - min(map(len, shares)) <= 1


def test_the_number_of_batches_of_a_ranking_does_not_change_from_epoch_to_epoch():
    groups = numpy.repeat(numpy.arange(50), numpy.random.default_rng(1).integers(1, 30, size=50))
    ranking = tokens(numpy.full(len(groups), 5), groups=groups)
    assert {len(training_batches(ranking, replace(SIXTEEN, seed=seed), 0)) for seed in range(5)} == {
        num_batches(ranking, SIXTEEN)
    }
