"""Without the hub: it is asked once, what was downloaded before is read, and anything else is said at once."""

import shutil
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import datasets
import huggingface_hub
import pandas as pd
import pytest
from huggingface_hub import constants

from train_fn import hub
from train_fn.data import TextDataConfig, prepare
from train_fn.errors import DataError
from train_fn.pretrained import locate

Config = Callable[..., TextDataConfig]


@pytest.fixture(params=["refuses", "hangs up"])
def calls(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[int]]:
    """One entry for each time that the address of the hub was called, where anybody is there to count."""
    called: list[int] = []
    listener = socket.create_server(("127.0.0.1", 0))

    def hang_up() -> None:
        while True:
            try:
                one, _ = listener.accept()
            except OSError:
                return
            called.append(1)
            one.close()

    address = f"http://127.0.0.1:{listener.getsockname()[1]}"
    if request.param == "refuses":
        listener.close()
    else:
        threading.Thread(target=hang_up, daemon=True).start()
    monkeypatch.setattr(constants, "ENDPOINT", address)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr(datasets.config, "HF_ENDPOINT", address)
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    huggingface_hub.close_session()
    yield called
    listener.close()
    huggingface_hub.close_session()


def test_a_data_set_that_is_not_here_is_refused_after_one_call(calls: list[int], config: Config) -> None:
    with pytest.raises(DataError, match="got some/where: the hub does not answer, and it was not downloaded before"):
        prepare(config(source="some/where"))
    assert len(calls) <= 1
    assert not constants.HF_HUB_OFFLINE and not datasets.config.HF_HUB_OFFLINE, "what was switched off is on again"


def test_a_model_that_is_not_here_is_refused_after_one_call(calls: list[int]) -> None:
    with pytest.raises(ValueError, match="got 'some/where', which was not downloaded before, and the hub does not"):
        locate("some/where")
    assert len(calls) <= 1


def test_a_data_set_that_was_downloaded_before_is_read_from_the_cache(
    calls: list[int], table: pd.DataFrame, config: Config, tmp_path: Path
) -> None:
    (tmp_path / "made").mkdir()
    table.to_csv(tmp_path / "made" / "train.csv", index=False)
    datasets.load_dataset("csv", data_files=str(tmp_path / "made" / "train.csv"), cache_dir=str(tmp_path / "built"))
    [built] = [one.parent for one in (tmp_path / "built").rglob("csv-train.arrow")]
    kept = tmp_path / "cache" / "some___where" / "default" / "0.0.0" / ("0" * 40)
    shutil.copytree(built, kept)
    (kept / "csv-train.arrow").rename(kept / "where-train.arrow")
    info = (kept / "dataset_info.json").read_text()
    (kept / "dataset_info.json").write_text(info.replace('"dataset_name": "csv"', '"dataset_name": "where"'))
    assert prepare(config(source="some/where")).rows["train"] == 84
    assert len(calls) <= 1


def test_who_says_to_be_offline_is_not_made_to_wait(calls: list[int], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    assert not hub.answers() and not calls
