"""How far a view that lies in files has come in its ledger: a note beside the files, written after them.

What came later may have been written in part when a driver was killed: whoever begins goes back to what is noted.
"""

import json
from pathlib import Path

from hpo.event import Event
from hpo.history import History
from hpo.ledger import Ledger

CURSOR = "cursor.json"


class InFiles:
    """A writer of such a view. `_begin` sets `history` and `row` to what is noted, and `whole`."""

    ledger: Ledger
    folder: Path
    history: History
    row: int  # events that are written
    whole: bool  # no error has left anything half written
    sent: int

    def catch_up(self) -> None:
        """Write all that has come since, and note how far that is."""
        if not self.whole:
            self._begin()
        self.whole = False
        events = self.ledger.events(after=self.row)
        for event in events:
            self.history.apply(event)
            self._write(event)
        self._flush()
        if events:
            self.row = events[-1].seq
            note(self.folder, events[-1])
            self.sent += 1
        self.whole = True

    def _begin(self) -> None:
        """Go back to what is noted."""
        raise NotImplementedError

    def _write(self, event: Event) -> None:
        """What an event adds, of which `history` has just been told."""
        raise NotImplementedError

    def _flush(self) -> None:
        """Whatever is begun is in its file."""
        raise NotImplementedError


def noted_row(folder: Path, events: list[Event]) -> int:
    """How many events are written; none where the note is damaged, or of another ledger."""
    try:
        found = json.loads((folder / CURSOR).read_text())
        row = int(found["row"])
        return row if 0 < row <= len(events) and events[row - 1].time == found["time"] else 0
    except (OSError, ValueError, KeyError, TypeError):
        return 0


def note(folder: Path, last: Event) -> None:
    """Whole or not at all."""
    temporary = folder / f".{CURSOR}"
    temporary.write_text(json.dumps({"row": last.seq, "time": last.time}))
    temporary.replace(folder / CURSOR)
