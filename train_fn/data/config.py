"""What a person says about their data."""

from dataclasses import dataclass, field
from typing import Literal

from train_fn.cache import FOLDER, LIMIT_GB
from train_fn.values import Between, Count, Fraction, Name, Positive, Seed, check_values

Task = Literal["classification", "multi_label", "regression", "ranking"]
Missing = Literal["drop", "refuse"]
Unwanted = Literal["drop", "keep", "refuse"]
Unicode = Literal["NFC", "NFKC", "keep"]
NearDuplicates = Literal["together", "report", "ignore"]


@dataclass(frozen=True, kw_only=True)
class CleaningConfig:
    """What is done about rows that would teach nothing, or something wrong; each one that goes is counted.

    `drop` leaves them out, `refuse` ends with an error that says how many they are, `keep` lets them be. The last three
    are about rows that are trained on: `train`, or what is split here; given valid and test rows are taken as they are.
    """

    missing_labels: Missing = "drop"  # empty or blank (of multi_label none of them); of numbers also not finite
    missing_inputs: Missing = "drop"  # empty or blank texts, images that cannot be read, tables' rows without a value
    blanks: Literal["strip", "keep"] = "strip"  # around texts and labels, whatever Unicode counts as blank
    unicode: Unicode = "NFC"  # one way to write what looks the same: Hangul, accents; NFKC also widths and ligatures
    duplicates: Unwanted = "drop"  # rows that repeat the input and the label of another: the first one stays
    conflicts: Unwanted = "drop"  # rows with the same input and different classes or grades: none stays
    single_labels: Unwanted = "drop"  # rows of a class that no other row has: too few to learn from and to split


@dataclass(frozen=True, kw_only=True)
class DataConfig:
    """Where labelled rows come from and how they are split; exactly one of the first five says where."""

    source: Name | None = None  # docstrings, digits, iris, wine, breast_cancer, diabetes, a hub name, or a saved set
    file: Name | None = None  # one file, or a folder of such files, split here into train, valid and test
    train: Name | None = None  # a file already split off for training; `valid` and `test` may stand beside it
    folder: Name | None = None  # of images or text files: folder/label/file, or folder/train/label/file
    function: Name | None = None  # module:function that returns a table, or a table for each split
    valid: Name | None = None  # where absent, a valid split is made from the training file
    test: Name | None = None  # where absent beside `train`, there is no sealed test
    encoding: Name = "auto"  # of text files: UTF-8, else CP949; or any that Python knows
    task: Task = "classification"  # whether a label is a class, some classes, a number, or a grade for a query
    label: Name = "label"  # name of the column that holds the label
    label_separator: Name = ","  # of multi_label: stands between the labels of a row
    cleaning: CleaningConfig = field(default_factory=CleaningConfig)
    split_column: Name | None = None  # name of a column that says train, valid or test
    group: Name | None = None  # name of a column; the rows of one group, as of one customer, stay in one split
    time: Name | None = None  # name of a column; the last rows become test, those before them valid
    near_duplicates: NearDuplicates = "together"  # in one split, unless group or time decide; or only told of; or not
    valid_fraction: Between = 0.15  # share of the rows there are; used only where a valid split has to be made
    test_fraction: Between = 0.15  # the same for a test split
    folds: Count = 1  # of cross-validation over train and valid together; 1 = one valid split
    labelled_fraction: Fraction = 1.0  # share of the training rows that keep their label; the others are unlabelled
    unlabelled: Name | None = None  # a file of rows without labels, for trainables that learn from such
    max_train_rows: Count | None = None  # seeded stratified subset of the training split, for short runs
    max_valid_rows: Count | None = None  # the same for the valid split
    seed: Seed = 0  # of splitting and sub-sampling; apart from the training seed, so that all trials see the same rows
    cache: Name = FOLDER  # folder where prepared splits are kept
    cache_gb: Positive = LIMIT_GB  # above which what was used longest ago is deleted there

    def __post_init__(self) -> None:
        check_values(self)
        given = [name for name in ORIGINS if getattr(self, name)]
        if len(given) != 1:
            got = " and ".join(f"`{name}`" for name in given) or "none of them"
            names = ", ".join(f"`{name}`" for name in ORIGINS[:-1])
            raise ValueError(
                f"{names} or `{ORIGINS[-1]}`: exactly one must be given, got {got}; try source: docstrings"
            )
        for name in ("valid", "test"):
            if getattr(self, name) and not self.train:
                raise ValueError(
                    f"`{name}` goes with `train`, got it beside `{given[0]}`; give `train`, or drop `{name}`"
                )
        if self.valid_fraction + self.test_fraction >= 1:
            total = self.valid_fraction + self.test_fraction
            raise ValueError(
                f"`valid_fraction` + `test_fraction` must leave rows to train on, got {total:g}; try 0.15 for each"
            )
        if self.labelled_fraction == 0:
            raise ValueError("`labelled_fraction` must be above 0, got 0; try 0.1")
        if self.time is not None and self.group is not None:
            raise ValueError(
                f"`time` must be None beside `group` ({self.group}), got {self.time}; split by one of the two"
            )
        if self.time is not None and self.folds > 1:
            raise ValueError(
                f"`folds` must be 1 beside `time`, got {self.folds}: folds would learn from what came later; drop one"
            )
        self._check_columns()

    def inputs(self) -> dict[str, str]:
        """Field that names a column of what is learned from -> that column."""
        return {}

    def _check_columns(self) -> None:
        columns: dict[str, str] = {}
        own = {name: getattr(self, name) for name in ("label", "split_column", "group", "time")}
        for name, column in (self.inputs() | own).items():
            if column is None:
                continue
            if column in columns:
                raise ValueError(
                    f"`{columns[column]}` and `{name}` must be two columns, got {column!r} for both; "
                    f"name the {name} column"
                )
            columns[column] = name


ORIGINS = ("source", "file", "train", "folder", "function")


@dataclass(frozen=True, kw_only=True)
class TextDataConfig(DataConfig):
    """Rows whose input is text: of one column, of two, or of several put into a sentence."""

    text: Name = "text"  # name of the column that holds the text
    text_pair: Name | None = None  # name of the column of a second text, read together with the first
    query: Name | None = None  # of a ranking: name of the column of the query, whose rows are set in order
    paraphrase: Name | None = None  # module:function, texts -> texts: training rows also stand as it says them
    template: Name | None = None  # a sentence in place of a text column: "{age} years old, {job}"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.task == "ranking" and self.query is None:
            raise ValueError("`query` must name a column for ranking, got None; name the column of the query")
        if self.task != "ranking" and self.query is not None:
            raise ValueError(f"`query` goes with `task: ranking`, got {self.query!r} for {self.task}; leave it out")
        if self.task == "ranking" and self.text_pair is not None:
            raise ValueError(
                f"`text_pair` must be None for ranking, where query and text are the pair, got {self.text_pair!r}; "
                "leave it out"
            )

        if self.paraphrase is not None and (self.task == "ranking" or self.folds > 1):
            beside = "ranking" if self.task == "ranking" else f"folds: {self.folds}, which would validate on them"
            raise ValueError(f"`paraphrase` must be None beside {beside}, got {self.paraphrase!r}; leave it out")

    def inputs(self) -> dict[str, str]:
        named = {"text": self.text, "text_pair": self.text_pair, "query": self.query}
        if self.template is not None:
            del named["text"]
        return {name: column for name, column in named.items() if column is not None}


@dataclass(frozen=True, kw_only=True)
class ImageDataConfig(DataConfig):
    """Rows whose input is an image."""

    image: Name = "image"  # name of the column that holds the image's path, beside the file or below it

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.task not in ("classification", "multi_label", "regression"):
            raise ValueError(f"`task` must be classification, multi_label or regression, got {self.task} for images")

    def inputs(self) -> dict[str, str]:
        return {"image": self.image}


@dataclass(frozen=True, kw_only=True)
class TableDataConfig(DataConfig):
    """Rows whose input is several columns of numbers and words."""

    columns: tuple[str, ...] | None = None  # which of them are learned from; None = all but the label

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.task not in ("classification", "regression"):
            raise ValueError(f"`task` must be classification or regression, got {self.task} for columns")
        if self.columns is not None and self.label in self.columns:
            raise ValueError(f"`columns` must not hold the label {self.label!r}, got it; leave it out")
