"""The tests would notice if a safeguard went missing; benchmarks/chaos.py takes each of them out in turn."""

from pathlib import Path

import pytest

from tests.faults.mutations import MUTATIONS, PROJECT, noticed_by

# one of each kind: a synchronisation, a uniqueness, a fence, a lock
SAMPLE = ("no fsync of commits", "a report is unique", "a row's number is unique", "no lock")


@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda mutation: mutation.name)
def test_each_safeguard_stands_in_its_file_once_and_can_be_taken_out(mutation, tmp_path: Path) -> None:
    (tmp_path / mutation.file).parent.mkdir(parents=True)
    (tmp_path / mutation.file).write_bytes((PROJECT / mutation.file).read_bytes())
    mutation.apply(tmp_path)
    compile((tmp_path / mutation.file).read_text(encoding="utf-8"), mutation.file, "exec")


@pytest.mark.hard
@pytest.mark.parametrize("name", SAMPLE)
def test_a_safeguard_that_is_taken_out_is_noticed(name: str, tmp_path: Path) -> None:
    [mutation] = [one for one in MUTATIONS if one.name == name]
    test = noticed_by(mutation, tmp_path)
    print(f"{name}: {test}")
    assert test
