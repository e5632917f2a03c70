"""What many processes share, and what makes room."""

import os
import subprocess
import sys
import time

import pytest

from train_fn import data
from train_fn.cache import IN_USE, leave, made_once, make_room
from train_fn.errors import DataError
from train_fn.token_cache import read_splits, tokenized_splits

GB = 1.0


def write(text):
    return lambda folder: (folder / "file").write_text(text)


def test_an_entry_is_made_by_the_first_and_read_by_the_others(tmp_path):
    entry = tmp_path / "data" / "a"
    made_once(entry, write("first"), GB)
    made_once(entry, write("second"), GB)
    assert (entry / "file").read_text() == "first"


def test_what_fails_leaves_nothing_behind(tmp_path):
    def fail(folder):
        (folder / "half").write_text("half")
        raise KeyError("no")

    with pytest.raises(KeyError):
        made_once(tmp_path / "data" / "a", fail, GB)
    assert list((tmp_path / "data").iterdir()) == []


def test_what_a_killed_process_left_behind_is_cleared_away(tmp_path):
    (tmp_path / "data" / "a.1234.tmp" / "a").mkdir(parents=True)
    made_once(tmp_path / "data" / "a", write("whole"), GB)
    assert [path.name for path in (tmp_path / "data").iterdir()] == ["a"]


def test_a_cache_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "data").write_text("a file")
    with pytest.raises(DataError, match="`cache` must be a folder that can be written, got .*data"):
        made_once(tmp_path / "data" / "a", write(""), GB)


MAKER = """
import sys, time
from pathlib import Path
from train_fn.cache import made_once

def fill(folder):
    with open(sys.argv[2], "a") as log:
        log.write("made\\n")
    time.sleep(0.5)
    (folder / "file").write_text("whole")

entry = made_once(Path(sys.argv[1]), fill, 1.0)
assert (entry / "file").read_text() == "whole"
"""


def test_of_eight_processes_that_ask_at_once_one_makes_it(tmp_path):
    arguments = [sys.executable, "-c", MAKER, str(tmp_path / "tokens" / "a"), str(tmp_path / "log")]
    processes = [subprocess.Popen(arguments) for _ in range(8)]
    assert [process.wait(60) for process in processes] == [0] * 8
    assert (tmp_path / "log").read_text() == "made\n"


HOLDER = """
import sys
from pathlib import Path
from train_fn.cache import use

assert use(Path(sys.argv[1]))
print("in use", flush=True)
sys.stdin.read()
"""


def test_what_was_used_longest_ago_goes_first_and_nothing_that_is_in_use(tmp_path):
    entries = [tmp_path / "data" / name for name in "abcd"]
    for age, entry in enumerate(reversed(entries)):
        made_once(entry, write("x" * 1000), GB)
        leave(entry)
        os.utime(entry, (time.time() - age, time.time() - age))  # a is the oldest
    arguments = [sys.executable, "-c", HOLDER, str(entries[0])]
    with subprocess.Popen(arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout.readline() == "in use\n"
        make_room(tmp_path, 2000, keep=entries[3])
        assert sorted(path.name for path in (tmp_path / "data").iterdir()) == ["a", "d"]
        make_room(tmp_path, 0, keep=entries[3])
        assert sorted(path.name for path in (tmp_path / "data").iterdir()) == ["a", "d"]
        holder.communicate("")
    make_room(tmp_path, 0, keep=entries[3])
    assert [path.name for path in (tmp_path / "data").iterdir()] == ["d"]


def test_a_process_does_not_run_out_of_descriptors(tmp_path):
    for number in range(200):
        made_once(tmp_path / "data" / str(number), write(""), GB)
    assert len(IN_USE) <= 64


def test_an_entry_that_somebody_deleted_is_made_again(tmp_path):
    entry = made_once(tmp_path / "data" / "a", write("first"), GB)
    (entry / "file").unlink()
    entry.rmdir()
    assert (made_once(entry, write("second"), GB) / "file").read_text() == "second"


def test_tokens_are_read_from_the_pages_that_others_read(toy_data):
    first = tokenized_splits(toy_data, "tiny", 128)
    read_splits.cache_clear()
    again = tokenized_splits(toy_data, "tiny", 128)
    assert again is not first and again.train.ids.tolist() == first.train.ids.tolist()
    with open("/proc/self/maps") as maps:
        assert any("train.ids.npy" in line for line in maps)


def test_a_second_trial_needs_neither_texts_nor_tokenizer(toy_data, monkeypatch):
    tokenized_splits(toy_data, "tiny", 128)
    read_splits.cache_clear()

    def forbidden(*_, **__):
        raise AssertionError

    monkeypatch.setattr(data, "load", forbidden)
    monkeypatch.setattr("transformers.AutoTokenizer.from_pretrained", forbidden)
    assert len(tokenized_splits(toy_data, "tiny", 128).train.lengths) == 98


def test_how_much_is_cut_is_counted(toy_data):
    import json

    from train_fn.tiny import tiny_folder
    from train_fn.token_cache import token_folder

    texts = data.load(toy_data).train.texts
    whole = tokenized_splits(toy_data, "tiny", 128).train.lengths
    folder = token_folder(toy_data, tiny_folder(toy_data), 8)
    record = json.loads((folder / "tokens.json").read_text())["splits"]["train"]
    assert record["rows"] == len(texts) and record["cut"] == (whole > 8).sum() > 0
    assert sum(record["lengths"]) == len(texts)
