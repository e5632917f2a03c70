"""Runs one segment after the other in this process: for a debugger, and for tests without Ray."""

import os
from collections.abc import Generator
from contextlib import closing

from hpo.engine import Engine
from hpo.segment import DiskFailed, Failed, Lost, Said, Segment
from hpo.worker import failure, run_segment


def execute(engine: Engine) -> None:
    """Run until the engine has nothing left."""
    if engine.study.resources.gpu == 0:
        os.environ["CUDA_VISIBLE_DEVICES"] = ""
    while segment := engine.next_segment():
        with closing(_without_exits(segment)) as said:  # the training ends with the study, whatever ends that
            for word in said:
                if isinstance(word, DiskFailed):
                    engine.disk_failed(segment, word)
                if isinstance(word, Failed):
                    engine.failed(segment, word)
                    break
                if isinstance(word, Lost):
                    engine.lost(segment, word.reason, word.counts)
                    break
                if not engine.reported(segment, word):
                    break
            else:
                engine.completed(segment)
    engine.finish()


def _without_exits(segment: Segment) -> Generator[Said, None, None]:
    """`sys.exit` in a trainable would end the study."""
    try:
        yield from run_segment(segment)
    except SystemExit as error:
        yield failure(error)
