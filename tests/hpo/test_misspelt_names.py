"""A misspelt name anywhere in a study file gets the right one as the way out."""

import string
from pathlib import Path
from random import Random

import pytest

from hpo.errors import UsageError
from hpo.spelling import did_you_mean, nearest, slips
from hpo.study_file import load_study
from tests.hpo.known_names import slots

LETTERS = string.ascii_lowercase + string.digits + "_"
ROUNDS = 1  # edits of every name
SEED = 20_26


def edited(name: str, random: Random) -> str:
    """One slip of the finger: a letter left out, put in, replaced, or swapped with its neighbour."""
    kind, at = random.choice(["left out", "put in", "replaced", "swapped"]), random.randrange(len(name))
    if kind == "left out" and len(name) > 1:
        return name[:at] + name[at + 1 :]
    if kind == "put in":
        return name[:at] + random.choice(LETTERS) + name[at:]
    if kind == "swapped" and at:
        return name[: at - 1] + name[at] + name[at - 1] + name[at + 1 :]
    return name[:at] + random.choice(LETTERS) + name[at + 1 :]


def test_one_slip_in_any_name_is_answered_with_the_right_one(tmp_path: Path) -> None:
    print(f"seed {SEED}")
    random, path, right, wrong = Random(SEED), tmp_path / "study.yaml", 0, []
    known = {slot.name for slot in slots()}
    for slot in [slot for slot in slots() for _ in range(ROUNDS)]:
        misspelt = edited(slot.name, random)
        if misspelt in known or not misspelt[0].isalpha():
            continue
        path.write_text(slot.misspelt(misspelt).replace("▸", ""), encoding="utf-8")
        try:
            load_study(path)
            message = "loaded"
        except UsageError as error:
            message = str(error)
        if f"did you mean {slot.name}?" in message:
            right += 1
        else:
            wrong.append((slot.name, misspelt, message[-80:]))
    print(f"{right} of {right + len(wrong)}")
    assert right + len(wrong) > 700
    assert right >= 0.95 * (right + len(wrong)), wrong[:20]


@pytest.mark.parametrize(
    ("wrong", "right", "count"),
    [("", "abc", 3), ("abc", "abc", 0), ("acb", "abc", 1), ("ca", "abc", 3), ("cosin", "cosine", 1), ("abcd", "a", 3)],
)
def test_slips_are_counted_as_damerau_counts_them(wrong: str, right: str, count: int) -> None:
    assert slips(wrong, right) == slips(right, wrong) == count


def test_capitals_and_hyphens_are_no_slips() -> None:
    assert nearest("Learning-Rate", ["learning_rate", "learning_rates"]) == "learning_rate"


def test_a_name_of_a_group_may_stand_alone() -> None:
    assert (
        did_you_mean("max_train_row", ["seed", "model"], ["data.max_train_rows"])
        == "; did you mean data.max_train_rows?"
    )


def test_of_many_names_a_few_are_shown() -> None:
    assert did_you_mean("x" * 9, [f"name{number:02}" for number in range(50)]).endswith("name11 and 38 more")
