"""A segment on several machines at once: the first reports, and each other trains beside it and says nothing.

All of them run the same trainable, which is told by torchrun's variables where the others are. Where one is lost the
others would wait for it, some libraries for ever: so the first ends itself, and leaves a last word that says why.
"""

import os
import socket
import threading
from collections.abc import Generator
from contextlib import suppress
from dataclasses import replace

import ray
from ray.util.scheduling_strategies import PlacementGroupSchedulingStrategy

from hpo.environment import differing, expected
from hpo.executors.deaths import cause_of_death
from hpo.executors.last_words import put_last_word, take_last_word
from hpo.executors.words import next_word, words_of
from hpo.machine import interface_of
from hpo.segment import Completed, DiskFailed, Failed, Lost, Reported, Said, Segment

SECONDS_TO_LEARN = 60.0  # why a connection was lost; Ray takes half of it to miss a machine
SECONDS_TO_SPEAK = 10.0  # of the first, after another one has failed; by then it is stuck
SECONDS_TO_END = 10.0  # of the others, after the first has come to its end
# what torch says where another process is gone; any other words are the trainable's own
GONE = ("onnection closed", "onnection reset", "roken pipe", "NCCL")


def words_of_gang(segment: Segment, misfit: str) -> Generator[Said, None, None]:
    """Of the first, which is this process; closing it ends the others at once, and what they have started."""
    if misfit:
        return (yield from words_of(segment, misfit))
    meeting = {
        "MASTER_ADDR": ray.util.get_node_ip_address(),
        "MASTER_PORT": str(free_port()),
        "GROUP_WORLD_SIZE": str(segment.nodes),
    }
    others = Others(segment, meeting)
    os.environ.update(environment(meeting, rank=0))
    said = words_of(segment, misfit)
    try:
        while word := next_word(said):
            if isinstance(word, Failed):
                word = others.blamed(word)
            yield word
        others.come_to_their_end()
    finally:
        others.end()  # first, or they would complain that the first is gone
        said.close()


def environment(meeting: dict[str, str], rank: int) -> dict[str, str]:
    """torchrun's own names; gloo would take the address that the machine's name stands for, which may be 127.0.0.1."""
    interface = os.environ.get("GLOO_SOCKET_IFNAME") or interface_of(ray.util.get_node_ip_address())
    return {**meeting, "GROUP_RANK": str(rank)} | ({"GLOO_SOCKET_IFNAME": interface} if interface else {})


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("", 0))
        return int(probe.getsockname()[1])


class Follower:
    """A process on another machine of the trial's. Ray ends it with the first, which owns it."""

    def follow(self, segment: Segment, meeting: dict[str, str]) -> Said | Completed:
        """The word with which it ended."""
        os.umask(0o077)  # as in the first
        os.environ.update(environment(meeting, segment.node))
        said = words_of(segment, differing(expected()))
        while isinstance(word := next_word(said), Reported):
            pass
        if isinstance(word, Failed):
            return replace(word, details=f"on machine {socket.gethostname()}:\n{word.details}")
        return word or Completed()


class Others:
    """The processes on the other machines, with an eye on each."""

    def __init__(self, segment: Segment, meeting: dict[str, str]) -> None:
        self.segment = segment
        group = ray.util.get_current_placement_group()
        self.actors = [
            ray.remote(Follower)
            .options(
                num_cpus=segment.cpus,
                num_gpus=segment.gpus,
                scheduling_strategy=PlacementGroupSchedulingStrategy(group, placement_group_bundle_index=node),
            )
            .remote()
            for node in range(1, segment.nodes)
        ]
        self.waiting = [
            actor.follow.remote(replace(segment, node=node), meeting) for node, actor in enumerate(self.actors, start=1)
        ]
        self.failed: list[Failed | DiskFailed] = []
        self.own: Failed | None = None  # what the first itself has raised
        self.spoken, self.ended, self.over = threading.Event(), threading.Event(), threading.Event()
        threading.Thread(target=self._watch, name="others", daemon=True).start()

    def _watch(self) -> None:
        """A thread, for the first may be stuck in a library that waits for one that is lost."""
        while self.waiting and not self.over.is_set():
            ended, self.waiting = ray.wait(self.waiting, timeout=1.0)
            for one in ended:
                try:
                    word = ray.get(one)
                except ray.exceptions.RayError as error:
                    if self.own is None or any(words in self.own.error for words in GONE):
                        self._leave(cause_of_death(str(error)))
                    continue  # else it was the first, and the other has ended for it
                if isinstance(word, (Failed, DiskFailed)):
                    self.failed.append(word)
                    threading.Thread(target=self._speak_for_the_first, args=(word,), daemon=True).start()
        self.ended.set()

    def _speak_for_the_first(self, word: Failed | DiskFailed) -> None:
        put_last_word(self.segment, word)  # at once: some libraries end a process that has lost another
        if not self.spoken.wait(SECONDS_TO_SPEAK):
            self._leave(word)

    def _leave(self, word: Lost | Failed | DiskFailed) -> None:
        """End this process as it stands; whatever it started ends with it."""
        if not self.over.is_set():
            try:
                put_last_word(self.segment, word)
            finally:
                os._exit(1)

    def blamed(self, word: Failed) -> Said:
        """Whose failure it was: the first may have seen no more than that another one is gone."""
        self.own = word
        self.spoken.set()
        self.ended.wait(SECONDS_TO_LEARN)  # if one is lost, this process is not there any longer
        if disk := next((one for one in self.failed if isinstance(one, DiskFailed)), None):
            return disk
        told = word.error
        for one in self.failed:
            if isinstance(one, Failed) and one.error not in told and told not in one.error:  # each may quote another
                told += f"; on another machine {one.error}"
        return Failed(error=told, details="\n".join([word.details, *(one.details for one in self.failed)]))

    def come_to_their_end(self) -> None:
        self.spoken.set()
        self.ended.wait(SECONDS_TO_END)

    def end(self) -> None:
        self.over.set()
        for actor in self.actors:
            with suppress(ray.exceptions.RayError):
                ray.kill(actor)
        if self.failed:
            take_last_word(self.segment)  # the first has spoken, so nobody will ask
