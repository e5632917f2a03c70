"""Which rows go through the model together, and in which order."""

import numpy
import torch

from train_fn.seeding import generator
from train_fn.tokens import Tokens

POOL = 50  # batches sorted by length together: little padding, and still a new order in each epoch (assumption)
EVALUATION_ROWS = 64  # per forward pass; without gradients there is room for more rows than in training
WIDTH = 8  # tokens; the tensor cores of a GPU want widths that are multiples of it


def training_batches(lengths: numpy.ndarray, batch_size: int, seed: int, epoch: int) -> list[numpy.ndarray]:
    """Every row once, in batches of rows of like length: a pure function of its arguments."""
    random = generator(seed, "order", epoch)
    order = random.permutation(len(lengths))
    pools = cut(order, POOL * batch_size)
    batches = [batch for pool in pools for batch in cut(by_length(pool, lengths), batch_size)]
    return [batches[index] for index in random.permutation(len(batches))]


def evaluation_batches(lengths: numpy.ndarray) -> list[numpy.ndarray]:
    return cut(by_length(numpy.arange(len(lengths)), lengths), EVALUATION_ROWS)


def by_length(rows: numpy.ndarray, lengths: numpy.ndarray) -> numpy.ndarray:
    return rows[numpy.argsort(lengths[rows], kind="stable")]


def cut(rows: numpy.ndarray, size: int) -> list[numpy.ndarray]:
    return [rows[start : start + size] for start in range(0, len(rows), size)]


def collate(tokens: Tokens, rows: numpy.ndarray) -> tuple[dict[str, torch.Tensor], torch.Tensor]:
    """Inputs, of shape (rows, longest of them), and targets; put together on the device that holds the tokens."""
    device = tokens.ids.device
    width = -(-int(tokens.lengths[rows].max()) // WIDTH) * WIDTH
    index = torch.from_numpy(rows).to(device, non_blocking=True)
    positions = tokens.starts[index, None] + torch.arange(width, device=device)
    mask = positions < tokens.ends[index, None]
    ids = tokens.ids[positions.clamp(max=len(tokens.ids) - 1)].long()
    return {"input_ids": ids.where(mask, tokens.pad_id), "attention_mask": mask.long()}, tokens.targets[index]
