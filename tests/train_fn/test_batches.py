import numpy
import pytest
import torch

from train_fn.batches import collate, cut, evaluation_batches, training_batches
from train_fn.tokens import tokenized_splits

LENGTHS = numpy.random.default_rng(0).integers(3, 120, size=1_003)


@pytest.mark.parametrize("epoch", [1, 2])
def test_an_epoch_takes_every_row_once(epoch):
    batches = training_batches(LENGTHS, 16, seed=0, epoch=epoch)
    assert sorted(numpy.concatenate(batches)) == list(range(1_003))


def test_all_batches_are_full_but_one():
    sizes = [len(rows) for rows in training_batches(LENGTHS, 16, seed=0, epoch=1)]
    assert sorted(sizes) == [1_003 % 16] + [16] * (1_003 // 16)


def test_the_order_follows_from_seed_and_epoch():
    def order(seed, epoch):
        return numpy.concatenate(training_batches(LENGTHS, 16, seed=seed, epoch=epoch)).tolist()

    assert order(0, 1) == order(0, 1)
    assert order(0, 1) != order(0, 2)
    assert order(0, 1) != order(1, 1)


def test_batches_of_like_length_waste_a_tenth_of_what_random_ones_waste():
    def waste(batches):
        return sum(LENGTHS[rows].max() * len(rows) - LENGTHS[rows].sum() for rows in batches)

    random_batches = cut(numpy.random.default_rng(1).permutation(len(LENGTHS)), 16)
    assert waste(training_batches(LENGTHS, 16, seed=0, epoch=1)) < 0.1 * waste(random_batches)


def test_long_batches_do_not_all_come_last():
    longest = [LENGTHS[rows].max() for rows in training_batches(LENGTHS, 16, seed=0, epoch=1)]
    assert longest != sorted(longest)


def test_evaluation_takes_every_row_once():
    assert sorted(numpy.concatenate(evaluation_batches(LENGTHS))) == list(range(1_003))


def test_a_batch_holds_the_rows_tokens_then_padding_up_to_a_multiple_of_eight(toy_data):
    splits = tokenized_splits(toy_data, "tiny", 128)
    rows = numpy.array([5, 0, 97])
    inputs, targets = collate(splits.train, rows)
    widest = splits.train.lengths[rows].max()
    assert inputs["input_ids"].shape == (3, -(-widest // 8) * 8)
    for row, ids, mask, target in zip(rows, *inputs.values(), targets, strict=True):
        length = splits.train.lengths[row]
        start = splits.train.starts[row]
        assert ids[:length].tolist() == splits.train.ids[start : start + length].tolist()
        assert set(ids[length:].tolist()) <= {splits.train.pad_id}
        assert mask.tolist() == [1] * length + [0] * (len(mask) - length)
        assert target == splits.train.targets[row]


def test_the_last_row_of_a_split_is_not_read_past_its_end(toy_data):
    tokens = tokenized_splits(toy_data, "tiny", 128).train
    last, longest = len(tokens.lengths) - 1, int(tokens.lengths.argmax())
    inputs, _ = collate(tokens, numpy.array([last, longest]))
    assert torch.equal(inputs["attention_mask"].sum(dim=1), torch.from_numpy(tokens.lengths[[last, longest]]))
