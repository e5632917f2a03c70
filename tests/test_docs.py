"""What the documents say exists: links, verbs, commands, files."""

import re
from dataclasses import asdict, fields
from pathlib import Path

import pytest
import typer

from hpo.cli import app
from hpo.domains import DOMAINS
from hpo.schedulers import SCHEDULERS
from hpo.searchers import SEARCHERS
from hpo.trainable import build_config
from hpo.yaml_source import parse_value
from train_fn.config import ImageConfig, PseudoLabelConfig, TextConfig
from train_fn.data import CleaningConfig, ImageDataConfig, TableDataConfig, TextDataConfig
from train_fn.tabular import TabularConfig

PROJECT = Path(__file__).parents[1]
DOCUMENTS = sorted([*PROJECT.glob("*.md"), *(PROJECT / "docs").rglob("*.md")])
DATA_EXAMPLES = re.findall(r"^data: .*", (PROJECT / "docs" / "data.md").read_text(), flags=re.MULTILINE)
VERBS = sorted(typer.main.get_command(app).commands)  # type: ignore[attr-defined]


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_every_relative_link_leads_somewhere(path: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+)", path.read_text()):
        if not target.startswith(("http://", "https://")):
            assert (path.parent / target).exists(), f"{path.name} links to {target}"


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_stands_in_the_readme_and_has_help(verb: str) -> None:
    assert f"hpo {verb}" in (PROJECT / "README.md").read_text()
    assert typer.main.get_command(app).commands[verb].help  # type: ignore[attr-defined]


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_every_verb_named_in_a_document_exists(path: Path) -> None:
    for verb in re.findall(r"(?:^|`|\$ )hpo ([a-z]+)\b", path.read_text(), flags=re.MULTILINE):
        assert verb in VERBS, f"{path.name} names `hpo {verb}`"


@pytest.mark.parametrize(
    "name",
    sorted({field.name for kind in (TextConfig, ImageConfig, PseudoLabelConfig) for field in fields(kind)} - {"data"}),
)
def test_every_training_setting_is_explained(name: str) -> None:
    assert f"`{name}`" in (PROJECT / "docs" / "training.md").read_text()


@pytest.mark.parametrize("name", sorted({field.name for field in fields(TabularConfig)} - {"data"}))
def test_every_setting_of_boosting_is_explained(name: str) -> None:
    assert f"`{name}`" in (PROJECT / "docs" / "tables.md").read_text()


DATA_SETTINGS = sorted(
    {
        field.name
        for kind in (TextDataConfig, ImageDataConfig, TableDataConfig, CleaningConfig)
        for field in fields(kind)
    }
)


@pytest.mark.parametrize("name", DATA_SETTINGS)
def test_every_data_setting_is_explained(name: str) -> None:
    assert f"`{name}`" in (PROJECT / "docs" / "data.md").read_text()


def test_every_default_of_cleaning_is_told_as_it_is() -> None:
    table = dict(re.findall(r"^\| `(\w+)` \| (\w+) \|", (PROJECT / "docs" / "data.md").read_text(), flags=re.MULTILINE))
    assert {field.name: table[field.name] for field in fields(CleaningConfig)} == asdict(CleaningConfig())


@pytest.mark.parametrize("line", DATA_EXAMPLES)
def test_every_example_of_data_is_a_config(line: str) -> None:
    """Of texts, unless it names an image or columns."""
    settings = parse_value(line)["data"]
    kind = ImageDataConfig if "photos" in line else TableDataConfig if "columns" in settings else TextDataConfig
    assert build_config(kind, settings)


@pytest.mark.parametrize("name", [*SEARCHERS, *SCHEDULERS, *DOMAINS])
def test_every_method_and_range_is_explained(name: str) -> None:
    assert f"`{name}" in (PROJECT / "docs" / "studies.md").read_text()


@pytest.mark.parametrize(
    "place", re.findall(r"`((?:hpo|train_fn|dashboards|tests|docs)/[^`*]*)`", (PROJECT / "CONTRIBUTING.md").read_text())
)
def test_every_place_named_for_contributors_exists(place: str) -> None:
    assert (PROJECT / place).exists()


def test_the_trainable_in_the_guide_can_be_searched(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The block of docs/studies.md, copied into a file of its own and run as it stands."""
    from hpo.driver import start
    from hpo.study_file import load_study

    guide = (PROJECT / "docs" / "studies.md").read_text()
    [code] = [block for block in re.findall(r"```python\n(.*?)```", guide, flags=re.DOTALL) if "def epochs" in block]
    (folder / "my_own.py").write_text(code)
    (folder / "own.yaml").write_text(
        "study: own\ntrainable: my_own:epochs\nobjective: {minimize: loss}\n"
        "search_space: {learning_rate: {log_uniform: [1e-3, 1e-1]}}\nsearch: {trials: 3}\n"
    )
    history = start(load_study(folder / "own.yaml"), text="", in_process=True)
    assert len(history.trials) == 3
