"""The processes that share one run, each with a device of its own."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import distributed

from train_fn.machines import machines


@dataclass(frozen=True)
class World:
    rank: int = 0
    size: int = 1
    machines: int = 1  # as many processes on each, in the order of their ranks

    @property
    def local_rank(self) -> int:
        """Among the processes of its machine."""
        return self.rank % (self.size // self.machines)

    @property
    def device(self) -> torch.device:
        return torch.device("cuda", self.local_rank) if torch.cuda.is_available() else torch.device("cpu")

    def add_up(self, tensors: Sequence[torch.Tensor]) -> None:
        """Each tensor becomes the sum over all processes, in place and the same to the bit in each of them."""
        if self.size == 1 or not tensors:
            return
        together = torch.cat([tensor.flatten() for tensor in tensors])  # one message in place of a hundred
        distributed.all_reduce(together)
        sums = together.split([tensor.numel() for tensor in tensors])
        for tensor, total in zip(tensors, sums, strict=True):
            tensor.copy_(total.view_as(tensor))

    def settle(self) -> None:
        """Leave no sum on the device: a process that is closed then would wait for others that have been ended."""
        if self.size > 1 and self.device.type == "cuda":
            torch.cuda.synchronize(self.device)


ALONE = World()


def world() -> World:
    if not distributed.is_available() or not distributed.is_initialized():
        return ALONE
    return World(rank=distributed.get_rank(), size=distributed.get_world_size(), machines=machines().size)
