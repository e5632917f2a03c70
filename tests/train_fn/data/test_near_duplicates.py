from itertools import combinations
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from train_fn.data import ImageDataConfig, TextDataConfig, prepare
from train_fn.data.near_duplicates import are_near, clusters, find, jaccard, plain, shingles
from train_fn.data.tables import read_splits

DATA = Path("../shared/data")
WORDS = (Path(__file__).parents[3] / "LICENSE").read_text().split()


def sentences(rows: int, seed: int = 0) -> list[str]:
    """Of seven to twelve words drawn from the licence, no two alike."""
    rng = np.random.default_rng(seed)
    return [" ".join(rng.choice(WORDS, size=rng.integers(7, 13))) for _ in range(rows)]


def near_texts(*texts: str) -> bool:
    return are_near(plain(texts[0]), plain(texts[1]))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("How do I verify the top-up?", "how do i verify the TOP UP"),
        ("배고프다!! 밥 줘...", "배고프다 밥줘"),
        ("Ｆｕｌｌ width", "full width"),
        ("STRASSE 5", "straße 5"),
        ("e\u0301te\u0301", "été"),
    ],
)
def test_case_width_punctuation_and_blanks_tell_nothing_apart(one: str, other: str) -> None:
    contents, near = find({"train": pd.DataFrame({"text": [one]}), "test": pd.DataFrame({"text": [other]})})
    assert contents["train"].tolist() == contents["test"].tolist() == [0]
    assert len(near) == 0


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("좋아 😀", "좋아 😡"),
        ("!!!", "???"),
        ("कि", "की"),
        ("item 12", "item 13"),
        ("", "."),
    ],
)
def test_pictures_marks_and_digits_tell_texts_apart(one: str, other: str) -> None:
    contents, near = find({"all": pd.DataFrame({"text": [one, other]})})
    assert contents["all"].tolist() == [0, 1] and len(near) == 0


def test_a_word_added_is_near_and_another_word_in_a_short_text_is_not() -> None:
    assert near_texts("what is the max I can top up", "so what is the max I can top up")
    assert near_texts("我想知道我的订单什么时候可以送到家里", "我想知道我的订单什么时候能可以送到家里")
    assert not near_texts("when does the train leave", "when does the bus leave")
    assert not near_texts("set an alarm for 7 am", "set an alarm for 8 am")
    assert not near_texts("turn on the light", "turn off the light")
    assert not near_texts("yes", "yes please")


def spoiled(text: str, kind: int) -> str:
    parts = text.split()
    return [
        text.upper() + "!",
        ", ".join(parts),
        " ".join([*parts[:3], "really", *parts[3:]]),
        "well " + text.lower(),
    ][kind % 4]


def test_planted_leaks_are_found_exactly() -> None:
    train, fresh = sentences(2000), sentences(2200, seed=1)[2000:]
    test = [spoiled(train[7 * row], row) for row in range(120)] + fresh
    contents, near = find({"train": pd.DataFrame({"text": train}), "test": pd.DataFrame({"text": test})})
    assert len(set(contents["train"])) == 2000
    exact = np.flatnonzero(np.isin(contents["test"], contents["train"]))
    assert exact.tolist() == [row for row in range(120) if row % 4 < 2]
    expected = {(7 * row, int(contents["test"][row])) for row in range(120) if row % 4 >= 2}
    assert {tuple(pair) for pair in near.tolist()} == expected


def test_leaks_between_given_files_are_told_with_examples(tmp_path: Path) -> None:
    train = sentences(400)
    test = [*(spoiled(train[row], row) for row in range(20)), *sentences(440, seed=2)[400:]]
    for name, texts in {"train": train, "test": test}.items():
        label = ["a", "b"] * (len(texts) // 2)
        pd.DataFrame({"text": texts, "label": label}).to_csv(tmp_path / f"{name}.csv", index=False)
    files = {name: str(tmp_path / f"{name}.csv") for name in ("train", "test")}
    report = prepare(TextDataConfig(**files, cache=str(tmp_path), valid_fraction=0.25)).report  # type: ignore[arg-type]
    found = {pair: (line["exact"], line["near"]) for pair, line in report["leaks"].items()}
    assert set(found) == {"train-test", "valid-test"}
    assert tuple(map(sum, zip(*found.values(), strict=True))) == (10, 10)
    example = report["leaks"]["train-test"]["examples"][0]
    assert example["test"]["text"].startswith(
        spoiled(train[example["train"]["row"] - 1], example["test"]["row"] - 1)[:70]
    )
    assert len(report["leaks"]["train-test"]["examples"]) == 3
    ignored = prepare(TextDataConfig(**files, cache=str(tmp_path), near_duplicates="ignore"))  # type: ignore[arg-type]
    assert ignored.report["leaks"] == {}


def leaky(rows: int, seed: int) -> pd.DataFrame:
    """A third of the rows says again, more or less, what another row says."""
    texts = sentences(rows, seed)
    again = [spoiled(texts[row], row) for row in range(0, rows, 2)]
    label = ["a", "a", "b"] * rows
    table = pd.DataFrame({"text": texts + again, "label": label[:rows] + label[: 2 * len(again) : 2]})
    return table.sample(frac=1, random_state=seed).reset_index(drop=True)


@settings(deadline=None, max_examples=15)
@given(rows=st.integers(30, 200), seed=st.integers(0, 2**32 - 1))
def test_no_two_near_duplicates_end_in_different_splits(rows: int, seed: int, tmp_path_factory) -> None:  # type: ignore[no-untyped-def]
    folder = tmp_path_factory.mktemp("leaky")
    table = leaky(rows, seed)
    table.to_parquet(folder / "rows.parquet")
    config = TextDataConfig(file=str(folder / "rows.parquet"), cache=str(folder), seed=seed)
    splits, report = read_splits(config)
    assert report["leaks"] == {}
    contents, near = find(splits)
    for one, other in combinations(contents, 2):
        here, there = set(contents[one]), set(contents[other])
        assert not here & there
        assert not any({*pair} & here and {*pair} & there for pair in near.tolist())
    assert sum(map(len, splits.values())) == len(table)
    for split, share in (("valid", 0.15), ("test", 0.15)):
        assert abs(len(splits[split]) - share * len(table)) <= 4
        assert set(splits[split]["label"]) == {"a", "b"}


def test_apart_they_leak(tmp_path: Path) -> None:
    leaky(300, 0).to_parquet(tmp_path / "rows.parquet")
    config = TextDataConfig(file=str(tmp_path / "rows.parquet"), cache=str(tmp_path), near_duplicates="report")
    assert prepare(config).report["leaks"]["train-test"]["exact"] > 5


def test_where_nothing_is_near_the_same_rows_are_drawn(tmp_path: Path) -> None:
    pd.DataFrame({"text": sentences(300), "label": ["a", "b", "b"] * 100}).to_parquet(tmp_path / "rows.parquet")
    together, ignored = (
        read_splits(TextDataConfig(file=str(tmp_path / "rows.parquet"), near_duplicates=choice))[0]  # type: ignore[arg-type]
        for choice in ("together", "ignore")
    )
    assert all(together[split].equals(ignored[split]) for split in ("train", "valid", "test"))


def near_and_found(seed: int, rows: int) -> tuple[set[tuple[int, int]], set[tuple[int, int]]]:
    """Pairs that are near by comparing all, and those that are found."""
    rng = np.random.default_rng(seed)
    texts = sentences(rows, seed)
    texts += [" ".join(rng.permutation(text.split())[: rng.integers(4, 13)]) for text in texts]
    contents, near = find({"all": pd.DataFrame({"text": texts})})
    firsts = np.unique(contents["all"], return_index=True)[1]
    split = [plain(texts[first]) for first in firsts]
    exact = {(i, j) for i, j in combinations(range(len(split)), 2) if are_near(split[i], split[j])}
    return exact, {(one, other) for one, other in near.tolist()}


@settings(deadline=None, max_examples=25)
@given(st.integers(0, 2**32 - 1), st.integers(2, 120))
def test_every_pair_found_is_near(seed: int, rows: int) -> None:
    exact, found = near_and_found(seed, rows)
    assert found <= exact


def test_nearly_every_near_pair_is_found() -> None:
    """Bands miss 1 in 100 of those at the threshold: of all that are near fewer."""
    counts = [(len(exact - found), len(exact)) for exact, found in (near_and_found(seed, 120) for seed in range(20))]
    missed, near = map(sum, zip(*counts, strict=True))
    assert near > 300 and missed / near < 0.01


def test_a_pair_is_near_only_where_both_of_its_texts_are() -> None:
    one, other = sentences(2)
    table = pd.DataFrame({"text": [one, one, one.upper(), "so " + one], "pair": [one, other, one, one + " then"]})
    contents, near = find({"all": table})
    assert contents["all"].tolist() == [0, 1, 0, 2]
    assert near.tolist() == [[0, 2]]


def test_links_make_clusters_and_a_crowd_makes_none() -> None:
    near = np.array([[0, 1], [1, 2], [4, 5], *([6, other] for other in range(7, 40))])
    cluster, crowded = clusters(np.arange(100), near)
    assert cluster[0] == cluster[1] == cluster[2] != cluster[3]
    assert cluster[4] == cluster[5]
    assert np.flatnonzero(crowded).tolist() == list(range(6, 40))
    assert len(set(cluster)) == 100 - 3


def orders(rows: int) -> pd.DataFrame:
    text = [
        f"a customer of {row} years has ordered {row % 7} of the things that we sell at once" for row in range(rows)
    ]
    return pd.DataFrame({"text": text, "label": ["a", "b"] * (rows // 2), "age": np.arange(rows)})


def test_sentences_of_one_make_are_split_all_the_same_and_told(tmp_path: Path) -> None:
    orders(200).to_parquet(tmp_path / "rows.parquet")
    fields = {"file": str(tmp_path / "rows.parquet"), "cache": str(tmp_path)}
    made = prepare(TextDataConfig(**fields))  # type: ignore[arg-type]
    assert made.rows == {"train": 140, "valid": 30, "test": 30}
    assert [line["what"] for line in made.report["findings"]] == ["nearly the same as a tenth of all rows"]
    assert made.report["leaks"]["train-test"]["near"] == 30
    templated = prepare(TextDataConfig(**fields, template="{age} years old, and nothing else is known of them"))  # type: ignore[arg-type]
    assert templated.report["findings"] == [] and templated.report["leaks"] == {}


@pytest.mark.parametrize("kind", ["one text", "one make", "long"])
def test_the_work_is_bounded_whatever_the_texts_hold(kind: str) -> None:
    texts = {
        "one text": ["the same sentence over and over again"] * 50_000,
        "one make": [f"the same sentence over and over again but for number {row}" for row in range(3_000)],
        "long": [" ".join(sentences(40, seed=row % 3)) * 20 + f" and {row}" for row in range(60)],
    }[kind]
    contents, near = find({"all": pd.DataFrame({"text": texts})})
    count = len(set(contents["all"]))
    assert len(near) <= 24 * count
    assert count == (1 if kind == "one text" else len(texts))


def test_copies_of_an_image_leak_whatever_they_are_called(tmp_path: Path) -> None:
    from PIL import Image

    for split, shades in {"train": range(40), "test": range(36, 46)}.items():
        (tmp_path / split).mkdir()
        for shade in shades:
            Image.new("RGB", (4, 4), (shade, 0, 0)).save(tmp_path / split / f"{split}{shade}.png")
        names = [f"{split}{shade}.png" for shade in shades]
        table = pd.DataFrame({"image": names, "label": ["a", "b"] * (len(names) // 2)})
        table.to_csv(tmp_path / split / "rows.csv", index=False)
    files = {split: str(tmp_path / split / "rows.csv") for split in ("train", "test")}
    leaks = prepare(ImageDataConfig(**files, cache=str(tmp_path))).report["leaks"]  # type: ignore[arg-type]
    assert sum(line["exact"] for line in leaks.values()) == 4
    assert sum(line["near"] for line in leaks.values()) == 0


@given(st.text(max_size=30), st.text(max_size=30))
def test_likeness_is_mutual_and_full_of_itself(one: str, other: str) -> None:
    assert are_near(plain(one), plain(other)) == are_near(plain(other), plain(one))
    assert are_near(plain(one), plain(one)) == bool(plain(one))
    assert 0 <= jaccard(shingles(plain(one)), shingles(plain(other))) <= 1


@pytest.mark.skipif(not DATA.is_dir(), reason="needs ../shared/data, which is absent here")
def test_leaks_of_published_splits_are_told(tmp_path: Path) -> None:
    files = {split: str(DATA / "banking77_en" / f"{split}.csv") for split in ("train", "valid", "test")}
    leaks = prepare(TextDataConfig(**files, cache=str(tmp_path))).report["leaks"]  # type: ignore[arg-type]
    assert leaks["train-test"]["exact"] == 24
    assert leaks["train-test"]["near"] > 100
