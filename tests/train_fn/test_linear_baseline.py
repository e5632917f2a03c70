from pathlib import Path

import pytest

from train_fn.data import TextDataConfig, load, open_test
from train_fn.linear_baseline import METRICS, tuned_linear_baseline, whole_texts

DATA = Path("../shared/data")
needs_data = pytest.mark.skipif(not DATA.is_dir(), reason="needs ../shared/data, which is absent here")


def test_a_word_that_gives_the_label_away_is_learnt(tmp_path: Path) -> None:
    rows = [
        f"{word} {i},{label}" for i in range(20) for word, label in (("비", "날씨"), ("밥", "음식"), ("🙂", "none"))
    ]
    (tmp_path / "rows.csv").write_text("\n".join(["text,label", *rows]), encoding="utf-8")
    baseline = tuned_linear_baseline(TextDataConfig(file=str(tmp_path / "rows.csv"), cache=str(tmp_path)))
    assert baseline.score == 1.0
    assert baseline.predict(["밥 99", "🙂 98", "비 97"]) == ["음식", "none", "날씨"]


def test_of_a_pair_both_texts_are_read(tmp_path: Path) -> None:
    words = ("apple", "bus", "red")
    rows = [f"{words[i * 7 % 5 % 3]} {i},{words[i % 3]} {i},{words[i % 3]}" for i in range(60)]
    (tmp_path / "rows.csv").write_text("\n".join(["text,other,label", *rows]), encoding="utf-8")
    config = TextDataConfig(file=str(tmp_path / "rows.csv"), text_pair="other", cache=str(tmp_path))
    baseline, test = tuned_linear_baseline(config), open_test(config)
    assert baseline.score == 1.0
    said = baseline.predict(whole_texts(test))
    assert said == [load(config).labels[target] for target in test.targets]


@needs_data
def test_its_score_is_that_of_its_predictions_on_valid(tmp_path: Path) -> None:
    files = {split: str(DATA / "chatbot_ko" / f"{split}.csv") for split in ("train", "valid")}
    config = TextDataConfig(**files, max_train_rows=1000, cache=str(tmp_path))
    baseline = tuned_linear_baseline(config, metric="f1_macro")
    splits = load(config)
    truth = [splits.labels[target] for target in splits.valid.targets]
    assert baseline.score == pytest.approx(METRICS["f1_macro"](truth, baseline.predict(splits.valid.texts)))
    assert baseline.score > 0.7
