from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from train_fn.data import TextDataConfig

TEXTS = {
    "날씨": ["오늘 비가 올까", "내일 날씨 알려 줘", "주말에 눈이 오나", "우산을 챙겨야 할까"],
    "음식": ["점심 뭐 먹지", "김치찌개 맛집 알려 줘", "배고프다", "커피 한 잔 마시자"],
    "travel": ["a cheap flight to Seoul", "book me a room", "when does the train leave", "is my visa still valid"],
}


@pytest.fixture
def table() -> pd.DataFrame:
    """120 rows of three labels, 60, 40 and 20 of each, no text twice."""
    rows = [
        (f"{TEXTS[label][i % 4]} {i}", label)
        for label, count in zip(TEXTS, (60, 40, 20), strict=True)
        for i in range(count)
    ]
    return pd.DataFrame(rows, columns=["text", "label"])


@pytest.fixture
def csv(table: pd.DataFrame, tmp_path: Path) -> Path:
    path = tmp_path / "rows.csv"
    table.to_csv(path, index=False)
    return path


@pytest.fixture
def config(csv: Path, tmp_path: Path) -> Callable[..., TextDataConfig]:
    """A config of the small file, or of what is given instead of it."""

    def build(**fields: object) -> TextDataConfig:
        origin = {} if {"train", "source"} & fields.keys() else {"file": str(csv)}
        return TextDataConfig(**{**origin, "cache": str(tmp_path / "cache"), **fields})  # type: ignore[arg-type]

    return build
