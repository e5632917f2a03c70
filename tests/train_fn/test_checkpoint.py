import json
import subprocess
import sys

import pytest

from train_fn.checkpoint import CheckpointError, commit, copy, discard, size, verify


def save(folder):
    (folder / "model").mkdir()
    (folder / "model" / "weights").write_bytes(b"weights")
    (folder / "state.json").write_text("{}")


@pytest.fixture
def folder(tmp_path):
    commit(tmp_path / "epoch-1", save)
    return tmp_path / "epoch-1"


def test_a_committed_folder_holds_what_was_saved_and_verifies(folder):
    assert (folder / "model" / "weights").read_bytes() == b"weights"
    verify(folder)


def test_the_manifest_names_every_file_with_size_and_hash(folder):
    files = json.loads((folder / "manifest.json").read_text())["files"]
    assert set(files) == {"model/weights", "state.json"}
    assert files["state.json"] == {
        "bytes": 2,
        "sha256": "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a",
    }


def test_a_failed_save_leaves_nothing_behind(tmp_path):
    def fail(folder):
        save(folder)
        raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space left"):
        commit(tmp_path / "epoch-1", fail)
    assert list(tmp_path.iterdir()) == []


def test_a_kill_in_the_middle_leaves_no_folder_of_the_name(tmp_path):
    script = (
        "import os, pathlib, sys; from train_fn.checkpoint import commit;"
        "commit(pathlib.Path(sys.argv[1]), lambda folder: ((folder / 'half').write_text('x'), os.kill(os.getpid(), 9)))"
    )
    subprocess.run([sys.executable, "-c", script, str(tmp_path / "epoch-1")], check=False)
    (left,) = tmp_path.iterdir()
    assert left.name.startswith("epoch-1.") and left.suffix == ".tmp"


def test_an_existing_checkpoint_is_never_replaced(folder):
    with pytest.raises(OSError):
        commit(folder, lambda temporary: (temporary / "other").write_text("x"))
    verify(folder)
    assert [path.name for path in folder.parent.iterdir()] == [folder.name]


def test_missing_parents_are_made(tmp_path):
    commit(tmp_path / "trials" / "7" / "epoch-1", save)
    verify(tmp_path / "trials" / "7" / "epoch-1")


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda folder: (folder / "manifest.json").unlink(), "must hold manifest.json, got none"),
        (lambda folder: (folder / "manifest.json").write_text('{"files"'), "must be readable, got damaged JSON"),
        (lambda folder: (folder / "manifest.json").write_text("[]"), "must be readable, got damaged JSON"),
        (lambda folder: (folder / "state.json").unlink(), "must be whole, got no state.json"),
        (
            lambda folder: (folder / "model" / "weights").write_bytes(b"weight"),
            "must be unchanged, got another model/w",
        ),
        (
            lambda folder: (folder / "model" / "weights").write_bytes(b"weightz"),
            "must be unchanged, got another model/w",
        ),
    ],
)
def test_damage_is_told_in_one_line(folder, damage, message):
    damage(folder)
    with pytest.raises(CheckpointError) as error:
        verify(folder)
    assert message in str(error.value) and "\n" not in str(error.value)


def test_an_absent_folder_is_no_checkpoint(tmp_path):
    with pytest.raises(CheckpointError, match="got none in"):
        verify(tmp_path / "epoch-9")


def test_checkpoints_are_committed_without_torch():
    script = "import sys, train_fn.checkpoint; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", script], check=True)


def test_its_size_is_told_without_reading_it(folder):
    assert size(folder) == len(b"weights") + len("{}")
    (folder / "model" / "weights").write_bytes(b"weighty")
    assert size(folder) == 9, "another content of the same length is for `verify` to find"
    (folder / "model" / "weights").write_bytes(b"")
    with pytest.raises(CheckpointError, match="another model/weights"):
        size(folder)


def test_a_copy_shares_its_files_and_is_a_checkpoint_of_its_own(folder):
    commit(folder.with_name("epoch-2"), lambda place: copy(folder, place))
    verify(folder)
    verify(folder.with_name("epoch-2"))
    files = [place / "model" / "weights" for place in (folder, folder.with_name("epoch-2"))]
    assert files[0].stat().st_ino == files[1].stat().st_ino
    discard(folder)
    verify(folder.with_name("epoch-2"))


def test_what_is_discarded_leaves_nothing_and_may_be_gone_before(folder):
    discard(folder)
    discard(folder)
    assert list(folder.parent.iterdir()) == []
