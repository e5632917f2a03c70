"""Notes when an optimizer first took a step in a process: lines of JSON, to a file that many may append to."""

import json
import time
from pathlib import Path


def note_first_step(file: Path) -> None:
    """Once in each process, one line of JSON."""
    from torch.optim.optimizer import register_optimizer_step_post_hook

    def stepped(*_: object) -> None:
        hook.remove()
        note(file, first_step=time.time())

    hook = register_optimizer_step_post_hook(stepped)


def note(file: Path, **row: object) -> None:
    with file.open("a") as lines:
        lines.write(json.dumps(row) + "\n")
