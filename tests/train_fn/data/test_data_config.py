import pytest

from train_fn.data import TextDataConfig


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({}, "`folder` or `function`: exactly one must be given, got none of them; try source: docstrings"),
        ({"file": "a.csv", "train": "b.csv"}, "exactly one must be given, got `file` and `train`"),
        ({"file": "a.csv", "test": "b.csv"}, "`test` goes with `train`, got it beside `file`"),
        ({"file": "a.csv", "valid_fraction": 1.5}, "`valid_fraction` must be in (0, 1), got 1.5; try 0.15"),
        ({"file": "a.csv", "test_fraction": 0.0}, "`test_fraction` must be in (0, 1), got 0.0; try 0.15"),
        ({"file": "a.csv", "valid_fraction": 0.5, "test_fraction": 0.5}, "must leave rows to train on, got 1"),
        ({"file": "a.csv", "max_train_rows": 0}, "`max_train_rows` must be a whole number >= 1 or None, got 0"),
        ({"file": "a.csv", "text": "label"}, "`text` and `label` must be two columns, got 'label' for both"),
        ({"file": "a.csv", "seed": -1}, "`seed` must be a whole number in [0, 2**63), got -1; try 0"),
    ],
)
def test_a_bad_field_fails_with_rule_value_and_way_out(fields: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError) as error:
        TextDataConfig(**fields)  # type: ignore[arg-type]
    assert message in str(error.value)
    assert "\n" not in str(error.value)
