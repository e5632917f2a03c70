"""A model from somebody who means harm: whatever could run code is refused before a library is given anything of it."""

import pickle
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from hpo.errors import UsageError
from hpo.registry.model_files import verified
from train_fn.checkpoint import MANIFEST, digest, seal_all

MLMODEL = "flavors:\n  python_function:\n    loader_module: train_fn.saved_estimator\n"


class Harm:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return (open, ("harmed", "w"))  # type: ignore[return-value]


def pickled(folder: Path, name: str) -> None:
    (folder / name).parent.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(pickle.dumps(Harm()))


def zipped(folder: Path) -> None:
    with zipfile.ZipFile(folder / "model.zip", "w") as file:
        file.writestr("data.pkl", pickle.dumps(Harm()))


def described(text: str) -> Callable[[Path], None]:
    return lambda folder: (folder / "MLmodel").write_text(text) and None


LOADED_BY = MLMODEL.replace("train_fn.saved_estimator", "os")
HARMS: dict[str, tuple[Callable[[Path], None], str]] = {
    "pickle in a .bin": (lambda f: pickled(f, "model/pytorch_model.bin"), "holds model/pytorch_model.bin"),
    "pickle": (lambda f: pickled(f, "model.pkl"), "holds model.pkl"),
    "torch": (lambda f: pickled(f, "model/training_args.pt"), "holds model/training_args.pt"),
    "zip": (zipped, "holds model.zip"),
    "code": (lambda f: pickled(f, "code/harm.py"), "holds code/harm.py"),
    "tag in YAML": (described(MLMODEL + "x: !!python/object/apply:os.system [touch harmed]\n"), "tags are refused"),
    "alias in YAML": (described(MLMODEL + "x: &a [*a]\n"), "anchors, aliases"),
    "loader": (described(LOADED_BY), "wants to be loaded by 'os'"),
    "code path": (described(MLMODEL + "    code: code\n"), "wants to be loaded by"),
    "no YAML": (described("{"), "no MLmodel that can be read"),
    "a link": (lambda f: (f / "weights.safetensors").symlink_to("/etc/passwd"), "holds weights.safetensors"),
}


@pytest.mark.parametrize("harm", HARMS)
def test_what_could_run_code_is_refused_even_with_a_manifest_that_fits(tmp_path: Path, harm: str) -> None:
    do, said = HARMS[harm]
    (tmp_path / "MLmodel").write_text(MLMODEL)
    do(tmp_path)
    seal_all(tmp_path)
    with pytest.raises(UsageError, match=said):
        verified(tmp_path, "version 1 of x", digest(tmp_path / MANIFEST))
    assert not Path("harmed").exists()


def test_a_version_that_somebody_else_made_is_not_trusted(tmp_path: Path) -> None:
    (tmp_path / "MLmodel").write_text(MLMODEL)
    seal_all(tmp_path)
    assert verified(tmp_path, "x", digest(tmp_path / MANIFEST)) == tmp_path
    with pytest.raises(UsageError, match="was not made by hpo"):
        verified(tmp_path, "x", None)


@pytest.mark.parametrize("content", [pickle.dumps(Harm()), b"PK\x03\x04 no zip", b""])
def test_an_estimator_that_is_a_pickle_is_no_estimator(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: bytes
) -> None:
    from hpo.registry.answering import load

    monkeypatch.chdir(tmp_path)
    Path("data").mkdir()
    Path("data/model.skops").write_bytes(content)
    Path("MLmodel").write_text(MLMODEL + "    data: data/model.skops\n")
    with pytest.raises(UsageError, match="cannot be loaded"):
        load(tmp_path)
    assert not Path("harmed").exists()
