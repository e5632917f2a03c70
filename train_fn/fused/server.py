"""Takes the steps of all lanes on a device, for whoever connects.

A lane is a connection. Whoever hangs up, on purpose or because it was killed, has left; with the last one gone the
process ends, too.
"""

import copy
import gc
import os
import pickle
import socket
import sys
import time
import traceback
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from pathlib import Path

import torch

from train_fn.errors import InfeasibleError, ProcessLost
from train_fn.fused.lanes import Lane, Lanes
from train_fn.fused.words import Begin, Raised, Save, Saved, Told
from train_fn.report import Report

ALONE_FOR = 20.0  # seconds without a lane, after which the process ends
# of those that are not ready, while others are: in shares of the last round, and in seconds at least
PATIENCE, LEAST_PATIENCE = 0.1, 0.05
LONGEST_WAIT = 120.0  # seconds for room; then it is given back to whoever hands out trials, who may give up silent ones
NO_ROOM = (InfeasibleError, torch.OutOfMemoryError)
TOO_MANY, NO_LANE_FREE = "there was no room for so many lanes", "there was no room for its lane"


@dataclass(eq=False)
class Guest:
    connection: Connection
    begin: Begin | None = None  # what it has asked for
    lane: Lane | None = None  # None while there is no room for it
    report: Report | None = None  # the last one
    ready: bool = False  # to go on
    since: float = 0.0  # by the monotonic clock: when it asked to begin


class Server:
    def __init__(self, listening: socket.socket) -> None:
        self.listening = listening
        self.guests: dict[Connection, Guest] = {}
        self.lanes = Lanes()
        self.most = sys.maxsize  # lanes at once that the device has room for, as far as that is known
        self.round_seconds = 0.0  # of the last one

    def serve(self) -> None:
        while self.hear(ALONE_FOR):
            self.attend_to_all()
        Path(self.listening.getsockname()).unlink(missing_ok=True)
        self.hear(0)  # who has connected just before
        self.attend_to_all()

    def attend_to_all(self) -> None:
        """Until the last one has left."""
        while self.guests:
            ready = [guest.ready for guest in self.guests.values() if guest.lane]
            patience = max(LEAST_PATIENCE, PATIENCE * self.round_seconds) if any(ready) else LONGEST_WAIT
            if (ready and all(ready)) or not self.hear(patience) and any(ready):
                self.train()
            self.send_back()
        return_memory()  # another process may need it

    def hear(self, patience: float) -> bool:
        """Whatever is said next; False where nothing is, for so many seconds."""
        heard = wait([self.listening, *self.guests], patience)
        for one in heard:
            if one in self.guests:
                self.attend(self.guests[one])
            elif one is self.listening:  # else somebody who has left meanwhile
                connection = Connection(self.listening.accept()[0].detach())
                self.guests[connection] = Guest(connection)
        return bool(heard)

    def attend(self, guest: Guest) -> None:
        try:
            word = guest.connection.recv()
        except Exception:  # it has left, or says what cannot be read here
            return self.forget(guest)
        if isinstance(word, Save):
            return self.save(guest, word.folder)
        guest.ready = True
        if isinstance(word, Begin):
            guest.begin, guest.since = word, time.monotonic()
            self.take_in(guest)

    def save(self, guest: Guest, folder: Path) -> None:
        assert guest.report is not None and guest.report.save is not None
        try:
            guest.report.save(folder)
        except Exception as error:
            return self.say(guest, raised(error))
        self.say(guest, Saved())

    def take_in(self, guest: Guest) -> None:
        """Or let it wait until another lane is free."""
        assert guest.begin is not None
        if len(self.lanes.there) >= self.most:
            return
        try:
            lane = Lane(guest.begin.config, guest.begin.resume_from)
            self.lanes.join(lane)
        except torch.OutOfMemoryError as error:
            if not self.lanes.there:
                return self.say(guest, raised(error))
            self.most = len(self.lanes.there)
            return_memory()
        except Exception as error:
            self.say(guest, raised(error))
        else:
            guest.lane = lane

    def train(self) -> None:
        """One report of each that is ready."""
        ready = {guest.lane: guest for guest in self.guests.values() if guest.ready and guest.lane}
        torch.set_num_threads(min(cores(), sum(guest.begin.threads for guest in ready.values() if guest.begin)))
        began = time.monotonic()
        found = self.lanes.train(ready)
        self.round_seconds = time.monotonic() - began
        if len(ready) > 1 and any(isinstance(one, NO_ROOM) for one in found.values()):
            self.most = len(ready) // 2
        for lane, guest in ready.items():
            report = found[lane]
            if isinstance(report, NO_ROOM) and len(ready) > 1:  # each alone may have room
                self.say(guest, raised(ProcessLost(TOO_MANY)))
            elif isinstance(report, Exception):
                self.say(guest, raised(report))
            else:
                guest.report = report
                self.say(guest, told(report) if report else None)

    def say(self, guest: Guest, word: Told | Saved | Raised | None) -> None:
        guest.ready = False
        try:
            guest.connection.send(word)
        except OSError:
            self.forget(guest)

    def forget(self, guest: Guest) -> None:
        guest.connection.close()
        self.guests.pop(guest.connection, None)
        if guest.lane:
            self.lanes.leave(guest.lane)
            guest.lane, guest.report = None, None
        waiting = self.waiting()
        if waiting:
            return_memory()
            self.most = max(self.most, len(self.lanes.there) + 1)  # it may have been a large one
        for other in waiting:
            self.take_in(other)

    def waiting(self) -> list[Guest]:
        """For room."""
        return [one for one in self.guests.values() if one.begin and not one.lane and one.ready]

    def send_back(self) -> None:
        """Who has waited for long."""
        for guest in self.waiting():
            if time.monotonic() - guest.since > LONGEST_WAIT:
                self.say(guest, raised(ProcessLost(NO_LANE_FREE, counts=False)))


def return_memory() -> None:
    gc.collect()  # models hold circles
    if torch.cuda.is_available():
        torch.cuda.empty_cache()


def told(report: Report) -> Told:
    return Told(
        epoch=report.epoch,
        metrics=dict(report.metrics),
        saves=report.save is not None,
        diverged=report.diverged,
        details=dict(report.details),
    )


def raised(error: Exception) -> Raised:
    """To be told; but a fault of the device ends this process, which can do nothing there any more."""
    if isinstance(error, torch.AcceleratorError):
        raise error
    details = "".join(traceback.format_exception(error))
    try:
        copy.copy(error), pickle.dumps(error)  # some can be written and not read
    except Exception:
        error = RuntimeError(f"{type(error).__name__}: {error}")
    return Raised(error=error, details=details)


def cores() -> int:
    return len(os.sched_getaffinity(0))
