"""What is done when the device has no room for a micro-batch: smaller ones, and the same step again."""

from collections.abc import Callable
from typing import TypeVar

import torch

from train_fn.errors import InfeasibleError

T = TypeVar("T")


def with_halving(take: Callable[[int], T], micro_batch_size: int, undo: Callable[[], None]) -> tuple[T, int]:
    """What `take(micro_batch_size)` gives at the first size that fits, and that size.

    `undo` brings everything back to where it was before the failed attempt. The rows of the step stay the same, so
    the batch size that was asked for never changes (as in Composer's automatic micro-batching, MosaicML 2022).
    """
    while True:
        try:
            return take(micro_batch_size), micro_batch_size
        except torch.OutOfMemoryError as error:
            reason = " ".join(str(error).split())
        # outside of `except`: there the traceback would hold on to the tensors of the failed attempt
        undo()
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
        if micro_batch_size == 1:
            raise InfeasibleError(
                f"`micro_batch_size` must leave room on the device, got out of memory with 1 row ({reason[:200]}); "
                "try a smaller model, a smaller max_length, lora_rank or freeze_blocks"
            )
        micro_batch_size //= 2
