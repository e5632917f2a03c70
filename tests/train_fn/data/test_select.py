"""Columns get our names, and keep what they hold."""

from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from train_fn.data import ImageDataConfig, TableDataConfig, TextDataConfig
from train_fn.data.config import DataConfig
from train_fn.data.select import select
from train_fn.errors import DataError

TEXTS = TextDataConfig(file="rows.csv")
SEVERAL = TextDataConfig(file="rows.csv", task="multi_label")
NUMBERS = TextDataConfig(file="rows.csv", task="regression")
GRADES = TextDataConfig(file="rows.csv", task="ranking", query="query")
COLUMNS = TableDataConfig(file="rows.csv")


def frame(**columns: list[Any]) -> pd.DataFrame:
    return pd.DataFrame(columns, dtype=object)


def labels(values: list[Any], config: DataConfig = TEXTS) -> list[Any]:
    return select(frame(text=["some words"] * len(values), label=values), config, "rows.csv")["label"].tolist()


def refusal(table: pd.DataFrame, config: DataConfig = TEXTS) -> str:
    with pytest.raises(DataError) as error:
        select(table, config, "rows.csv")
    assert "\n" not in str(error.value) and str(error.value).startswith(("rows.csv: ", "`template`"))
    return str(error.value)


def templated(template: str, **columns: list[Any]) -> list[Any]:
    rows = len(next(iter(columns.values())))
    config = TextDataConfig(file="rows.csv", template=template)
    return select(frame(label=["a"] * rows, **columns), config, "rows.csv")["text"].tolist()


def features(values: list[Any]) -> pd.Series:
    return select(frame(size=values, label=["a"] * len(values)), COLUMNS, "rows.csv")["x.size"]


# Labels


@pytest.mark.parametrize(
    ("values", "names"),
    [
        (["b", "a"], ["b", "a"]),
        (["01", "1"], ["01", "1"]),
        (["1.0", "2.0"], ["1.0", "2.0"]),
        ([1, 0], ["1", "0"]),
        ([1.0, 0.0], ["1", "0"]),
        ([True, False], ["True", "False"]),
        ([np.int64(7), np.float32(8), np.bool_(True)], ["7", "8", "True"]),
    ],
)
def test_a_label_has_one_name_however_it_is_typed(values: list[object], names: list[str]) -> None:
    assert labels(values) == names


@pytest.mark.parametrize("missing", [None, "", float("nan"), pd.NA, pd.NaT])
def test_a_missing_label_stays_in_its_row_as_none(missing: object) -> None:
    assert labels(["a", missing, "b"]) == ["a", None, "b"]
    assert labels(["a", missing, "b"], SEVERAL) == [["a"], [], ["b"]]  # none of them
    assert labels([1, missing, 2], NUMBERS)[1] is None


def test_blanks_stay_to_be_told_from_nothing() -> None:
    assert labels(["a\u3000", " \t", "a"]) == ["a\u3000", " \t", "a"]


@pytest.mark.parametrize("label", [0.37, float("inf"), ["a", "b"], {"a": 1}, b"a", np.zeros((9, 9))])
def test_what_is_no_class_is_no_label(label: object) -> None:
    message = refusal(frame(text=["x", "y"], label=["a", label]))
    assert "a label must be a string, a whole number or a bool, got " in message
    assert "in data row 2; name the column of classes" in message
    assert len(message) < 200


@pytest.mark.parametrize("values", [["0.5", "1.5", "2"], ["1", "-.25", ""], ["1e3", "2.5e-3"]])
def test_measurements_are_no_classes(values: list[str]) -> None:
    table = frame(text=["some words"] * len(values), label=values)
    if values[0] == "1e3":  # a word, as far as anybody can tell
        assert labels(values) == values
    else:
        assert "labels must be names of classes, got numbers such as" in refusal(table)


def test_numbers_beside_words_are_names() -> None:
    assert labels(["0.5", "half"]) == ["0.5", "half"]


@pytest.mark.parametrize(
    ("value", "names"),
    [
        ("b, a", ["a", "b"]),
        ("a,,a ,", ["a"]),
        (",", []),
        ([], []),
        (["b", "a"], ["a", "b"]),
        (np.array(["b", "a"]), ["a", "b"]),
        (("x,y",), ["x,y"]),
        ([2, None, 1.0, " "], ["1", "2"]),
        (7, ["7"]),
    ],
)
def test_several_labels_are_a_set(value: object, names: list[str]) -> None:
    assert labels([value, "z"], SEVERAL) == [names, ["z"]]


def test_several_labels_stand_apart_by_what_the_config_says() -> None:
    config = TextDataConfig(file="rows.csv", task="multi_label", label_separator="; ")
    assert labels(["b; a,c", ""], config) == [["a,c", "b"], []]


@settings(deadline=None)
@given(st.lists(st.text(st.characters(exclude_characters=",", exclude_categories=["Cs"]), min_size=1)))
def test_a_set_of_labels_is_the_same_as_a_list_and_as_a_string(names: list[str]) -> None:
    one, other = labels([names, ",".join(names) or ","], SEVERAL)
    assert one == other == sorted({name.strip() for name in names} - {""})


def test_a_number_counts_however_it_is_typed() -> None:
    assert labels(["3", 4.5, np.int64(2), " -1e3 ", True, 10**400], NUMBERS) == [3.0, 4.5, 2.0, -1000.0, 1.0, np.inf]


def test_what_is_no_number_is_nan_and_what_is_endless_stays() -> None:
    found = labels(["1", "high", "nan", "inf", "-Infinity", "1_000", "１２", [1], b"1"], NUMBERS)
    assert [str(number) for number in found] == ["1.0", "nan", "nan", "inf", "-inf", "nan", "nan", "nan", "nan"]


def test_words_alone_are_no_numbers() -> None:
    message = refusal(frame(text=["x", "y"], label=["high", ""]), NUMBERS)
    assert message == "rows.csv: labels must be numbers for regression, got 'high'; name another `label`"


def test_a_grade_below_zero_is_named_by_its_row() -> None:
    table = frame(query=["q", "q", "q"], text=["a", "b", "c"], label=["1", "-1", None])
    assert "must have a grade of 0 or more, got 1 without, the first in data row 2" in refusal(table, GRADES)


# Texts


def test_texts_stay_as_they_are_and_columns_get_our_names() -> None:
    table = frame(body=[" 앞뒤 빈칸 ", 3.5, "two\nlines", None, ""], topic=list("ababa"), score=[1, 2, 3, 4, 5])
    found = select(table, TextDataConfig(file="rows.csv", text="body", label="topic"), "rows.csv")
    assert found.to_dict("list") == {"text": [" 앞뒤 빈칸 ", "3.5", "two\nlines", None, None], "label": list("ababa")}


def test_the_query_of_a_ranking_comes_first() -> None:
    table = frame(query=["q", None], text=["a", "b"], label=["1", "0"])
    assert select(table, GRADES, "rows.csv").to_dict("list") == {
        "text": ["q", None],
        "pair": ["a", "b"],
        "label": [1.0, 0.0],
    }


def test_a_second_text_is_the_pair() -> None:
    table = frame(one=["a"], two=["b"], label=["x"])
    config = TextDataConfig(file="rows.csv", text="one", text_pair="two")
    assert select(table, config, "rows.csv").to_dict("list") == {"text": ["a"], "pair": ["b"], "label": ["x"]}


def test_columns_for_splitting_come_along() -> None:
    config = TextDataConfig(file="rows.csv", group="customer", split_column="part")
    table = frame(text=["a", "b"], label=["x", "y"], customer=[7, None], part=["train", ""])
    found = select(table, config, "rows.csv").to_dict("list")
    assert (found["group"], found["split"]) == (["7", None], ["train", None])
    times = [pd.Timestamp("2020-01-01"), " "]
    table = frame(text=["a", "b"], label=["x", "y"], when=times)
    assert select(table, TextDataConfig(file="rows.csv", time="when"), "rows.csv")["time"].tolist() == [times[0], None]


@pytest.mark.parametrize("half", ["\ud83d", "a\udc00b"])
def test_half_a_character_is_refused_in_texts_and_labels(half: str) -> None:
    assert "every text must be valid Unicode, got half a character in data row 2" in refusal(
        frame(text=["x", half], label=["a", "b"])
    )
    assert "every label must be valid Unicode" in refusal(frame(text=["x", "y"], label=["a", half]))


@pytest.mark.parametrize("value", [["a"], {"a": 1}, b"a", np.array(["a"])])
def test_lists_and_records_are_no_texts(value: object) -> None:
    assert f"`text` must name a column of texts, got a {type(value).__name__} in data row 2" in refusal(
        frame(text=["x", value], label=["a", "b"])
    )


def test_no_rows_are_refused() -> None:
    assert refusal(pd.DataFrame()).startswith("rows.csv: there must be rows to learn from, got none")
    assert refusal(pd.DataFrame({"text": [], "label": []})).startswith("rows.csv: there must be rows")


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        (
            ["text", "labels", "id"],
            "`label` must name a column, got 'label'; columns are text, labels, id; did you mean 'labels'?",
        ),
        (["Text", "label"], "columns are Text, label; did you mean 'Text'?"),
        (["오늘 비가\n올까", "날씨"], "columns are 오늘 비가 올까, 날씨; set `text` to one of them, or add a header"),
        ([f"column {i}" for i in range(99)], "column 19 and 79 more; set `text`"),
        (["long " * 99], "columns are long long long long long long long long…; set"),
    ],
)
def test_a_missing_column_names_the_nearest_and_all_others(columns: list[str], message: str) -> None:
    assert message in refusal(frame(**{name: ["a"] for name in columns}))


# Templates


def test_a_template_makes_a_sentence_of_columns() -> None:
    assert templated("{age} years old, {job}", age=["31", 42, None], job=["nurse", "", "cook"]) == [
        "31 years old, nurse",
        "42 years old, unknown",
        "unknown years old, cook",
    ]


def test_a_row_of_which_nothing_is_known_has_no_sentence() -> None:
    assert templated("{age}, {job}", age=["1", None, " "], job=["a", "", None]) == ["1, a", None, None]


@pytest.mark.parametrize(
    ("template", "value", "text"),
    [
        ("{x}", "34.0", "34"),
        ("{x}", 34.0, "34"),
        ("{x}", -2.50, "-2.5"),
        ("{x}", "version 2.0", "version 2.0"),
        ("{x:.1f}", "1.849", "1.8"),
        ("{x:.1f}", "7", "7.0"),
        ("{x:,d}", 1234567.0, "1,234,567"),
        ("{x:.0%}", 0.25, "25%"),
        ("{x:.1f}", None, None),
        ("{{{x}}}", "a", "{a}"),
        ("{x} {x}", "a", "a a"),
        ("{x}", "{y}", "{y}"),
        ("{x}", True, "True"),
    ],
)
def test_values_are_written_as_a_person_would(template: str, value: object, text: str | None) -> None:
    assert templated(template, x=[value]) == [text]


def test_a_column_may_have_blanks_and_parentheses_in_its_name() -> None:
    assert templated("{petal width (cm)} cm", **{"petal width (cm)": ["2.0"]}) == ["2 cm"]


@pytest.mark.parametrize(
    ("template", "message"),
    [
        ("{x.__class__}", "`template` must hold plain {column} fields, got {x.__class__}; name a column"),
        ("{x[0]}", "must hold plain {column} fields, got {x[0]}"),
        ("{x!r}", "must hold plain {column} fields, got {x!r}"),
        ("{}", "must hold plain {column} fields, got {}"),
        ("{x:999999999}", "must format numbers as {height:.1f} does, got '999999999'"),
        ("{x:{y}}", "must format numbers as {height:.1f} does, got '{y}'"),
        ("{x", "must pair its braces, got '{x'"),
        ("x}", "must pair its braces, got 'x}'"),
        ("no column", "must hold a {column}, got 'no column'"),
        ("{ages}", "`template` must name a column, got 'ages'; columns are label, age, x; did you mean 'age'?"),
        ("{x:.1f}", "{x:.1f} must be of a number it fits, got 'tall' in data row 1; leave its format out"),
        ("{x:d}", "{x:d} must be of a number it fits, got 'tall' in data row 1"),
    ],
)
def test_a_template_that_cannot_be_filled_says_why(template: str, message: str) -> None:
    table = frame(label=["a"], age=["1"], x=["tall"])
    assert message in refusal(table, TextDataConfig(file="rows.csv", template=template))


@settings(deadline=None)
@given(st.text(), st.text(st.characters(exclude_categories=["Cs"]), min_size=1).filter(lambda text: text.strip()))
def test_no_template_reads_more_than_the_columns(template: str, secret: str) -> None:
    """Whatever a template says, it fails in one line, or writes words of its own and of the row."""
    try:
        [text] = templated(template + "{x}", x=[secret])
    except DataError as error:
        assert "\n" not in str(error)
    else:
        assert set(text) <= set(template) | set(secret)


# Columns of a table


@pytest.mark.parametrize(
    ("values", "numbers"),
    [
        (["1", "2.5", "-3e2"], [1, 2.5, -300]),
        (["1", "", None], [1, np.nan, np.nan]),
        (["1", "nan", "inf"], [1, np.nan, np.nan]),
        ([True, False, 2], [1, 0, 2]),
        ([None, "", " "], [np.nan, np.nan, np.nan]),
    ],
)
def test_a_column_of_numbers_is_one(values: list[object], numbers: list[float]) -> None:
    found = features(values)
    assert found.dtype == float
    assert np.array_equal(found, numbers, equal_nan=True)


def test_one_word_makes_a_column_of_words() -> None:
    assert features(["1", 2.5, "n/a", "", None]).tolist() == ["1", "2.5", "n/a", None, None]


def test_all_columns_but_those_with_another_role_are_learned_from() -> None:
    table = frame(a=["1"], b=["2"], c=["3"], label=["x"])
    assert select(table, COLUMNS, "rows.csv").columns.tolist() == ["x.a", "x.b", "x.c", "label"]
    config = TableDataConfig(file="rows.csv", group="b")
    assert select(table, config, "rows.csv").columns.tolist() == ["x.a", "x.c", "label", "group"]
    config = TableDataConfig(file="rows.csv", columns=("c",))
    assert select(table, config, "rows.csv").columns.tolist() == ["x.c", "label"]


def test_a_column_that_is_not_there_is_named() -> None:
    config = TableDataConfig(file="rows.csv", columns=("heigth",))
    assert "`columns` must name a column, got 'heigth'; columns are height, label; did you mean 'height'?" in refusal(
        frame(height=["1"], label=["x"]), config
    )


def test_a_label_alone_is_nothing_to_learn_from() -> None:
    assert "there must be columns to learn from, got 'label' alone" in refusal(frame(label=["x"]), COLUMNS)


# Images


def test_grey_arrays_get_three_channels() -> None:
    grey = [np.full((2, 5), value, dtype=np.uint8) for value in (7, 9)]
    found = select(frame(image=[*grey, None], label=list("xyz")), ImageDataConfig(file="a.csv"), "rows.csv")["image"]
    assert [image.shape for image in found[:2]] == [(2, 5, 3), (2, 5, 3)]
    assert (found[1] == 9).all() and found[2] is None


@pytest.mark.parametrize(
    ("images", "message"),
    [
        ([np.zeros((2, 2, 3), np.uint8), np.zeros((2, 3, 3), np.uint8)], "got uint8 of (2, 3, 3) in data row 2"),
        ([np.zeros((2, 2, 3), float)], "got float64 of (2, 2, 3) in data row 1"),
        ([np.zeros((2, 2, 3), np.uint8), "a.png"], "got 'a.png' in data row 2"),
        ([np.zeros((2, 2, 4), np.uint8)], "must be of shape (height, width, 3) or (height, width), got (2, 2, 4)"),
        ([np.zeros((0, 2), np.uint8)], "must be of shape"),
    ],
)
def test_arrays_that_are_no_images_of_one_shape_are_refused(images: list[Any], message: str) -> None:
    table = frame(image=images, label=["x"] * len(images))
    assert message in refusal(table, ImageDataConfig(file="a.csv"))
