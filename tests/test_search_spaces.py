"""Every study file that comes with hpo loads, and its header says how to run it and what to expect."""

from pathlib import Path

import pytest

from hpo.study_file import load_study

PROJECT = Path(__file__).parents[1]
STUDY_FILES = sorted((PROJECT / "search_spaces").glob("*.yaml"))


@pytest.mark.parametrize("path", STUDY_FILES, ids=lambda path: path.name)
def test_the_study_file_loads(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(PROJECT)
    assert load_study(path).study == path.stem


@pytest.mark.parametrize("path", STUDY_FILES, ids=lambda path: path.name)
def test_the_header_gives_the_command(path: Path) -> None:
    header = path.read_text().split("\nstudy:")[0]
    assert f"hpo run search_spaces/{path.name}" in header
