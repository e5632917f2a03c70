import re

import pytest

from train_fn.data.docstrings import GIVE_AWAY, docstrings, summaries, summary


@pytest.fixture(scope="module")
def columns() -> dict[str, list[str]]:
    return docstrings()


def test_five_packages_give_more_than_ten_thousand_sentences(columns: dict[str, list[str]]) -> None:
    assert set(columns["label"]) == {"optuna", "pandas", "scikit-learn", "scipy", "sqlalchemy"}
    assert len(columns["text"]) > 10_000
    assert min(columns["label"].count(label) for label in set(columns["label"])) > 200


def test_no_sentence_occurs_twice_or_names_its_package(columns: dict[str, list[str]]) -> None:
    assert len(set(columns["text"])) == len(columns["text"])
    assert not [text for text in columns["text"] if GIVE_AWAY.search(text)]


def test_only_the_summary_sentence_of_functions_and_classes_is_taken() -> None:
    source = '''"""A module's own summary is left out."""
class Study:
    """A study corresponds to
    an optimization task. The second sentence is left out.

    So is the second paragraph.
    """
    if True:
        async def ask(self):
            """Ask Optuna's sampler, e.g. TPE, for a new trial"""
            def inner():
                """Too short."""
    def tell(self):
        """
        Parameters
        ----------
        value : float, the objective's value here
        """
'''
    assert list(summaries(source)) == [
        "A study corresponds to an optimization task.",
        "Ask the library's sampler, e.g. TPE, for a new trial",
    ]


@pytest.mark.parametrize(
    "name", ["pandas", "Scikit-learn", "sklearn", "SciPy", "the SQLAlchemy", "OptunaWarning", "`pandas_dtype`", "a pd"]
)
def test_a_package_is_masked_under_every_name(name: str) -> None:
    assert re.sub(r"\W", "", GIVE_AWAY.sub("the library", name)) == "thelibrary"


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("Return a :class:`_orm.Mapper` of the class.", "Return a Mapper of the class."),
        ("Swap levels of a :class:`MultiIndex` in place.", "Swap levels of a MultiIndex in place."),
        ("Pass :paramref:`.Session.bind` to :func:`~a.b.run`.", "Pass bind to run."),
        ("See :ref:`the guide <some_label>` for more.", "See the guide for more."),
        ("Fit ``X`` and `y` to the `model`_ at once.", "Fit X and y to the model at once."),
        ("Only the *first* of **all** rows.", "Only the first of all rows."),
        ("Call with *args and **kwargs as given.", "Call with *args and **kwargs as given."),
    ],
)
def test_markup_is_read_as_the_rendered_page_shows_it(written: str, read: str) -> None:
    assert summary(written) == read
