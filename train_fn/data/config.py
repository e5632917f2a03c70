"""What a person says about their data."""

from dataclasses import dataclass
from typing import Literal, get_args

Task = Literal["classification", "regression", "ranking"]


@dataclass(frozen=True, kw_only=True)
class DataConfig:
    """Where labelled texts come from and how they are split; exactly one of `source`, `file` and `train` is given."""

    source: str | None = None  # "docstrings", a hub data set (name or name:subset), or a folder of save_to_disk
    file: str | None = None  # one file, split here into train, valid and test
    train: str | None = None  # a file already split off for training; `valid` and `test` may stand beside it
    valid: str | None = None  # where absent, a valid split is made from the training file
    test: str | None = None  # where absent beside `train`, there is no sealed test
    task: Task = "classification"  # whether a label is a class, a number, or the grade of a text for its query
    text: str = "text"  # name of the column that holds the text
    text_pair: str | None = None  # name of the column of a second text, read together with the first
    query: str | None = None  # of a ranking: name of the column of the query, whose rows are set in order
    label: str = "label"  # name of the column that holds the label
    valid_fraction: float = 0.15  # share of the rows there are; used only where a valid split has to be made
    test_fraction: float = 0.15  # the same for a test split
    max_train_rows: int | None = None  # seeded stratified subset of the training split, for short runs
    max_valid_rows: int | None = None  # the same for the valid split
    seed: int = 0  # of splitting and sub-sampling; apart from the training seed, so that every trial sees the same rows
    cache: str = "~/.cache/hpo"  # folder where prepared splits are kept

    def __post_init__(self) -> None:
        given = [name for name in ("source", "file", "train") if getattr(self, name)]
        if len(given) != 1:
            got = " and ".join(f"`{name}`" for name in given) or "none of them"
            raise ValueError(
                f"`source`, `file` or `train`: exactly one must be given, got {got}; try source: docstrings"
            )
        for name in ("valid", "test"):
            if getattr(self, name) and not self.train:
                raise ValueError(
                    f"`{name}` goes with `train`, got it beside `{given[0]}`; give `train`, or drop `{name}`"
                )
        for name in ("valid_fraction", "test_fraction"):
            if not 0 < getattr(self, name) < 1:
                raise ValueError(f"`{name}` must be in (0, 1), got {getattr(self, name)}; try 0.15")
        if self.valid_fraction + self.test_fraction >= 1:
            total = self.valid_fraction + self.test_fraction
            raise ValueError(
                f"`valid_fraction` + `test_fraction` must leave rows to train on, got {total:g}; try 0.15 for each"
            )
        for name in ("max_train_rows", "max_valid_rows"):
            rows = getattr(self, name)
            if rows is not None and rows < 1:
                raise ValueError(f"`{name}` must be at least 1, got {rows}; leave it out to keep every row")
        if self.task not in get_args(Task):
            raise ValueError(
                f"`task` must be one of {', '.join(get_args(Task))}, got {self.task!r}; try classification"
            )
        if self.task == "ranking" and self.query is None:
            raise ValueError("`query` must name a column for ranking, got None; name the column of the query")
        if self.task != "ranking" and self.query is not None:
            raise ValueError(f"`query` goes with `task: ranking`, got {self.query!r} for {self.task}; leave it out")
        if self.task == "ranking" and self.text_pair is not None:
            raise ValueError(
                f"`text_pair` must be None for ranking, where query and text are the pair, got {self.text_pair!r}; "
                "leave it out"
            )
        columns: dict[str, str] = {}
        for name in ("text", "text_pair", "query", "label"):
            column = getattr(self, name)
            if column in columns:
                raise ValueError(
                    f"`{columns[column]}` and `{name}` must be two columns, got {column!r} for both; "
                    f"name the {name} column"
                )
            if column is not None:
                columns[column] = name
        if self.seed < 0:
            raise ValueError(f"`seed` must be 0 or more, got {self.seed}; try 0")
