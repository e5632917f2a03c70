"""The process that runs segments, one after the other."""

import json
import os
import time
from typing import Any

from ray import tune

from hpo.environment import differing, expected
from hpo.executors.gang import words_of_gang
from hpo.executors.last_words import LeftItsWord, put_last_word
from hpo.executors.words import next_word, words_of
from hpo.segment import Completed, Failed, Reported, Segment
from hpo.worker import return_memory

RETURN_MEMORY_EVERY = 1.0  # seconds; it takes some hundredths of one, as much as a trial that trains nothing


class WarmWorker(tune.Trainable):
    """Lives on from segment to segment: imports, tokenized data and CUDA context are paid for once.

    With `workers: {isolate: true}`, or where a trial has several machines, it lives for one.
    """

    def setup(self, config: dict[str, Any]) -> None:
        os.umask(0o077)  # what a trial writes is for this user alone
        if config["working_folder"]:  # on a cluster Ray has brought a copy, and begun in it
            os.chdir(config["working_folder"])  # relative paths and modules mean what they mean to the driver
        self.misfit = differing(expected())
        self.returned = 0.0  # by the monotonic clock: when memory last was
        self.reset_config(config)

    def reset_config(self, config: dict[str, Any]) -> bool:
        self.cleanup()
        self.segment = Segment(**config["segment"])
        of_segment = words_of if self.segment.nodes == 1 else words_of_gang
        self.said = of_segment(self.segment, self.misfit)
        return True

    def step(self) -> dict[str, Any]:
        word = next_word(self.said) or Completed()
        if isinstance(word, Failed) and word.lost_device:
            put_last_word(self.segment, word)
            raise LeftItsWord(word.error)  # Tune ends a worker that raises, and gives no other trial to it
        # one string: Tune would flatten and copy a nested result several times
        return {"said": json.dumps([type(word).__name__, vars(word)]), "done": not isinstance(word, Reported)}

    def cleanup(self) -> None:
        if hasattr(self, "said"):
            self.said.close()
            del self.said
            if time.monotonic() - self.returned > RETURN_MEMORY_EVERY:
                return_memory()
                self.returned = time.monotonic()


def bundle(config: dict[str, Any]) -> tune.PlacementGroupFactory:
    """What Ray is to set aside for a segment; a worker goes on to the next one with the same."""
    segment = config["segment"]
    of_each = {"CPU": segment["cpus"], "GPU": segment["gpus"]}
    return tune.PlacementGroupFactory([of_each] * segment["nodes"], strategy="STRICT_SPREAD")
