"""TensorBoard event files as a projection of the ledger: a run per trial in `studies/NAME/tensorboard`.

How far it has come stands beside the files and is noted after them. What came later may have been written in part when
a driver was killed, so these runs are written anew: nothing is lost and nothing stands twice.
"""

import math
import shutil
from pathlib import Path
from typing import Any

from hpo import evaluations
from hpo.confirmation import winner
from hpo.event import Event
from hpo.history import REGULAR, History, Trial
from hpo.ledger import Ledger
from hpo.paths import StudyPaths
from hpo.study import restored_study
from hpo.tracking.cursor import InFiles, noted_row
from hpo.wording import run_name

FOLDER = "tensorboard"
WINNER = "winner"  # a run of its own: what the winner gets wrong
MOST_IMAGES = 16


class Writer(InFiles):
    """Brings the event files up to the end of the ledger."""

    def __init__(self, paths: StudyPaths) -> None:
        self.paths, self.folder = paths, paths.root / FOLDER
        self.ledger = Ledger(paths.ledger)
        self.open: dict[int, Any] = {}  # writers of the runs that have not ended
        self.sent = 0
        self._begin()

    def _begin(self) -> None:
        """Go back to what is noted, and write anew the runs that may hold more."""
        self.pause()
        self.history, events = History(), self.ledger.events()
        self.study = restored_study(events[0].payload)
        self.row = noted_row(self.folder, events)
        if not self.row:
            shutil.rmtree(self.folder, ignore_errors=True)
            self.folder.mkdir(mode=0o700)
        behind = {event.trial for event in events[self.row :]}
        self.anew = {number for number in behind if number is not None}
        for event in events[: self.row]:
            self.history.apply(event)
            if event.trial in behind:
                self._write(event)
        self.whole = True

    def _flush(self) -> None:
        for writer in self.open.values():
            writer.flush()

    def get_ready(self) -> None:
        """Nothing: the end takes no more than any round."""

    def pause(self) -> None:
        """The driver stops; a resumed one goes on in another file of the same run."""
        for writer in self.open.values():
            writer.close()
        self.open.clear()

    def _write(self, event: Event) -> None:
        """What an event adds, of which `history` has just been told."""
        if event.kind == "finished":
            self._write_winner()
        if event.trial is None or event.kind not in ("reported", "ended"):
            return
        trial = self.history.run(event.trial)
        writer = self._run(trial)
        if event.kind == "reported":
            last = trial.evaluations[-1]
            for name, value in {**last.metrics, "epoch": last.epoch}.items():
                if math.isfinite(value):
                    writer.add_scalar(name, value, last.step, walltime=event.time)
        else:
            write_hparams(writer, trial, self.study.objective.metric, trial.value(self.study.objective))
            self.open.pop(trial.number).close()

    def _run(self, trial: Trial) -> Any:
        """Its writer; the name of the folder is what TensorBoard calls the run."""
        if trial.number not in self.open:
            folder = self.folder / run_name(trial)
            if trial.number in self.anew:
                shutil.rmtree(folder, ignore_errors=True)
                self.anew.discard(trial.number)
            self.open[trial.number] = summary_writer(folder)
        return self.open[trial.number]

    def _write_winner(self) -> None:
        """The rows that it gets wrong, the surest first: as a table, and as images where they are such.

        Of several objectives there is none: the best by the first of them would be taken for it.
        """
        trial = None if self.study.objectives else winner(self.history, self.study.objective)
        best = trial.best(self.study.objective) if trial else None
        shutil.rmtree(self.folder / WINNER, ignore_errors=True)
        wrong = evaluations.read(self.paths.trial(trial.number), best.step).get("wrong") if trial and best else None
        if not wrong or best is None:
            return
        writer = summary_writer(self.folder / WINNER)
        rows = [[str(one.get(name, "")) for name in ("text", "truth", "said", "confidence")] for one in wrong]
        lines = ["| row | true | predicted | confidence |", "| --- | --- | --- | --- |", *map(table_row, rows)]
        writer.add_text("wrong", "\n".join(lines), best.step)
        images = [row for row in rows if is_image(row[0])][:MOST_IMAGES]
        for place, (file, truth, said, _) in enumerate(images):
            name = f"wrong/{place:02d} {truth}, predicted {said}"
            writer.add_image(name, pixels(Path(file)), best.step, dataformats="HWC")
        writer.close()


def summary_writer(folder: Path) -> Any:
    from tensorboardX import SummaryWriter

    return SummaryWriter(str(folder))


def write_hparams(writer: Any, trial: Trial, metric: str, value: float | None) -> None:
    """For the tab HPARAMS: what was searched and the best value, in the run of the trial itself."""
    from tensorboardX.summary import hparams

    searched = {
        name: one if isinstance(one, (bool, int, float, str)) else str(one) for name, one in trial.settings.items()
    }
    best = {f"best/{metric}": value} if value is not None and trial.state in REGULAR else {}
    for summary in hparams(searched, best):
        writer.file_writer.add_summary(summary)
    for name, one in best.items():
        writer.add_scalar(name, one, trial.last_step, walltime=trial.ended)


def table_row(cells: list[str]) -> str:
    return "| " + " | ".join(" ".join(cell.replace("|", "\\|").split()) for cell in cells) + " |"


def is_image(text: str) -> bool:
    return Path(text).suffix.lower() in (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp") and Path(text).is_file()


def pixels(file: Path) -> Any:
    """(height, width, 3), 0 to 255."""
    import numpy
    from PIL import Image

    with Image.open(file) as image:
        return numpy.asarray(image.convert("RGB"))
