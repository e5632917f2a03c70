"""Which rows go through the model together, and in which order."""

from collections.abc import Sequence

import numpy

from train_fn.config import TrainingConfig
from train_fn.material import Inputs, Rows
from train_fn.seeding import generator

# Batches that are sorted by length together: of 2,800 short texts 93 % of the tokens are no padding. Of batch mates
# 17 % meet again in the next epoch, where 1 % would by chance; pools of 10 batches halve that, at 79 %.
POOL = 50
EVALUATION_ROWS = 64  # per forward pass; without gradients there is room for more rows than in training


def num_batches(inputs: Inputs, config: TrainingConfig) -> int:
    """In one epoch, and the same in each."""
    units = len(inputs.lengths) if inputs.groups is None else inputs.groups.max() + 1
    return -(-units // batch_units(inputs, config.batch_size))


def training_batches(inputs: Inputs, config: TrainingConfig, epoch: int) -> list[Rows]:
    """One epoch, in batches of rows of like length: a pure function of its arguments.

    Every row once, or, where `sampling_power` is below 1, as many draws as there are rows. Of a ranking, batches hold
    whole queries, as many as have about batch_size rows.
    """
    random = generator(config.seed, "order", epoch)
    if inputs.groups is None:
        lengths, members = inputs.lengths, None
    else:
        members = queries(inputs.groups)
        lengths = numpy.array([inputs.lengths[rows].max() for rows in members])
    if config.sampling_power < 1:
        chances = row_chances(inputs.targets.numpy(force=True), config.sampling_power)
        order = random.choice(len(lengths), size=len(lengths), p=chances)
    else:
        order = random.permutation(len(lengths))
    size = batch_units(inputs, config.batch_size)
    short, order = numpy.split(order, [len(order) % size])  # any rows: the longest would always weigh more than others
    batches = [
        batch for pool in cut(order, POOL * size) for batch in cut(pool[lengths[pool].argsort(kind="stable")], size)
    ] + cut(short, size)
    batches = [batches[index] for index in random.permutation(len(batches))]
    return batches if members is None else [numpy.concatenate([members[query] for query in b]) for b in batches]


def row_chances(class_ids: numpy.ndarray, power: float) -> numpy.ndarray:
    """A class is drawn as its rows to this power: 1 as it is, 1/2 square-root, 0 class-balanced sampling.

    Kang et al. 2019 (arXiv:1910.09217), section 3.
    """
    counts = numpy.bincount(class_ids).astype(float)
    chances = (counts ** (power - 1))[class_ids]  # of a class, shared by its rows
    return chances / chances.sum()


def batch_units(inputs: Inputs, batch_size: int) -> int:
    """Rows of a batch, or queries of a ranking."""
    if inputs.groups is None:
        return batch_size
    return max(1, round(batch_size * (inputs.groups.max() + 1) / len(inputs.groups)))


def queries(groups: numpy.ndarray) -> list[Rows]:
    """The rows of each query, which stand side by side."""
    return numpy.split(numpy.arange(len(groups)), numpy.flatnonzero(numpy.diff(groups)) + 1)


def parts(rows: Rows, size: int, groups: numpy.ndarray | None) -> list[Rows]:
    """A batch in micro-batches of at most so many rows; a query stays whole, however many rows it has."""
    if groups is None or not len(rows):
        return cut(rows, size)
    filled: list[list[Rows]] = []
    for query in (rows[place] for place in queries(groups[rows])):
        if filled and sum(map(len, filled[-1])) + len(query) <= size:
            filled[-1].append(query)
        else:
            filled.append([query])
    return [numpy.concatenate(part) for part in filled]


def share(rows: Rows, rank: int, num_processes: int, groups: numpy.ndarray | None) -> Rows:
    """What one of several processes takes of a batch: rows of like length, or queries, in turn."""
    if groups is None or num_processes == 1:
        return rows[rank::num_processes]
    mine: Sequence[Rows] = [rows[place] for place in queries(groups[rows])][rank::num_processes]
    return numpy.concatenate([rows[:0], *mine])


def evaluation_batches(lengths: numpy.ndarray) -> list[Rows]:
    return cut(lengths.argsort(kind="stable"), EVALUATION_ROWS)


def cut(rows: Rows, size: int) -> list[Rows]:
    return [rows[start : start + size] for start in range(0, len(rows), size)]
