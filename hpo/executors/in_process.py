"""Runs one segment after the other in this process: for a debugger, and for tests without Ray."""

import os

from hpo.engine import Engine
from hpo.segment import Failed
from hpo.worker import run_segment


def execute(engine: Engine) -> None:
    if engine.study.resources.gpu == 0:
        os.environ["CUDA_VISIBLE_DEVICES"] = ""
    while segment := engine.next_segment():
        said = run_segment(segment)
        for word in said:
            if isinstance(word, Failed):
                engine.failed(segment, word)
            elif not engine.reported(segment, word):
                said.close()
        engine.completed(segment)  # changes nothing where the trial has ended otherwise
