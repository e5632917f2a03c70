"""The machines that share one run, as torchrun tells each of them by its environment."""

import os
from dataclasses import dataclass


@dataclass(frozen=True)
class Machines:
    rank: int = 0  # of this one
    size: int = 1
    meeting_place: str | None = None  # URL at which their processes find each other

    def processes_of_each(self, num_processes: int) -> int:
        """ValueError where they cannot be shared out."""
        each, rest = divmod(num_processes, self.size)
        if rest:
            raise ValueError(
                f"`num_processes` must be a multiple of the {self.size} machines that share the run, "
                f"got {num_processes}; try {self.size * (each + 1)}"
            )
        return each


def machines() -> Machines:
    size = int(os.environ.get("GROUP_WORLD_SIZE", "1"))
    if size == 1:
        return Machines()
    address, port = os.environ["MASTER_ADDR"], os.environ["MASTER_PORT"]
    return Machines(int(os.environ["GROUP_RANK"]), size, f"tcp://{address}:{port}")
