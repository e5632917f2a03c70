"""From a data config to checked splits in memory."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from train_fn.data.built_in import BUILT_IN, read_built_in
from train_fn.data.characters import characters
from train_fn.data.check import (
    check_classes,
    check_columns_agree,
    check_labels_known,
    check_labels_repeat,
    check_numbers_differ,
)
from train_fn.data.cleaning import Findings, clean
from train_fn.data.config import DataConfig, ImageDataConfig, TextDataConfig
from train_fn.data.files import ARRAYS, read_array_file, read_file
from train_fn.data.folder import read_folder
from train_fn.data.function import read_function
from train_fn.data.hub import read_hub
from train_fn.data.identity import named_files
from train_fn.data.images import listed_images
from train_fn.data.leaks import leaks
from train_fn.data.near_duplicates import clusters, find
from train_fn.data.paraphrase import with_paraphrases
from train_fn.data.report import finding, row_numbers
from train_fn.data.select import select
from train_fn.data.split import complete, divide, subset, unlabel
from train_fn.data.table import Table
from train_fn.data.units import queries
from train_fn.errors import DataError

NEEDED_TO_SPLIT = ["group", "time", "split", "content", "cluster"]  # columns that no training sees


def read_splits(config: DataConfig) -> tuple[dict[str, pd.DataFrame], dict[str, Any]]:
    """Split -> table of the inputs and `label`, and the report.

    Splits are train; valid, unless there are folds: then train has a column `fold`; test, unless there is no sealed
    test; and unlabelled, if some rows have no label to learn from.
    """
    found = read_tables(config)
    tables = {name: select(table.frame, config, table.place) for name, table in found.items()}
    places = {name: table.place for name, table in found.items()}
    check_tables(tables, places, config)
    report: dict[str, Any] = {"encoding": encodings(found), "texts": {}, "findings": [], "leaks": {}}
    for name, table in tables.items():
        if "text" in table:
            report["texts"][places[name]] = characters(table["text"])
    if config.split_column is not None:
        tables, places = divided(tables, places)
    for name, table in tables.items():
        if name == "unlabelled":
            table = table.drop(columns="label")
        tables[name], findings = clean(table, config, places[name], training=name in ("all", "train"))
        report["findings"] += findings
    if config.near_duplicates == "ignore":
        splits = complete(tables, config)
    else:
        near, findings = compare(tables, places, config)
        report["findings"] += findings
        splits = complete(tables, config)
        report["leaks"] = leaks(splits, near)
    check_splits(splits, config)
    return finished(splits, config), report


def check_tables(tables: Mapping[str, pd.DataFrame], places: Mapping[str, str], config: DataConfig) -> None:
    """What would come out of cleaning as no rows, or fail only in training."""
    check_columns_agree(tables)
    if config.task == "classification" and config.cleaning.single_labels != "keep":
        for name in {"all", "train"} & set(tables):
            check_labels_repeat(tables[name], places[name])


def encodings(tables: Mapping[str, Table]) -> dict[str, Any]:
    """How the text files were written."""
    return {
        table.place: {"encoding": table.encoding, "byte_order_mark": table.bom}
        for table in tables.values()
        if table.encoding is not None
    }


def divided(
    tables: Mapping[str, pd.DataFrame], places: Mapping[str, str]
) -> tuple[dict[str, pd.DataFrame], dict[str, str]]:
    """The one table by its column `split`."""
    if "all" not in tables:
        raise DataError(
            f"`split_column` must stand in one table that holds all splits, got {', '.join(tables)}; leave it out"
        )
    splits = divide(tables["all"], places["all"])
    others = {name: table for name, table in tables.items() if name != "all"}
    return {**splits, **others}, {**dict(places), **{split: f"{places['all']} ({split})" for split in splits}}


def compare(
    tables: dict[str, pd.DataFrame], places: Mapping[str, str], config: DataConfig
) -> tuple[NDArray[np.int64], Findings]:
    """Adds a column `content`, and `cluster` where near duplicates stay together; returns which contents are near."""
    labelled = {name: table for name, table in tables.items() if name != "unlabelled"}
    templated = isinstance(config, TextDataConfig) and config.template is not None  # all its sentences are alike
    contents, near = find(labelled, nearly=not templated)
    findings = Findings()
    for name, numbers in contents.items():
        tables[name] = tables[name].assign(content=numbers)
        if config.near_duplicates == "together":
            cluster, crowded = clusters(numbers, near)
            tables[name] = tables[name].assign(cluster=cluster)
            if crowded.any():
                rows = row_numbers(tables[name], crowded)
                findings.append(finding(places[name], "nearly the same as a tenth of all rows", rows, "split apart"))
    return near, findings


def check_splits(splits: dict[str, pd.DataFrame], config: DataConfig) -> None:
    labelled = {split: table for split, table in splits.items() if split != "unlabelled"}
    if config.task in ("classification", "multi_label"):
        check_classes(splits["train"])
        check_labels_known(labelled)
    else:
        check_numbers_differ(splits["train"], config.task)


def finished(splits: dict[str, pd.DataFrame], config: DataConfig) -> dict[str, pd.DataFrame]:
    """As they are trained on: no more rows than were asked for, and the rows of a query side by side."""
    splits = {name: table.drop(columns=NEEDED_TO_SPLIT, errors="ignore") for name, table in splits.items()}
    splits["train"] = subset(splits["train"], config.max_train_rows, "max_train_rows", config)
    if "valid" in splits:
        splits["valid"] = subset(splits["valid"], config.max_valid_rows, "max_valid_rows", config)
    if config.labelled_fraction < 1:
        splits["train"], unlabelled = unlabel(splits["train"], config)
        splits["unlabelled"] = pd.concat([splits[name] for name in ("unlabelled",) if name in splits] + [unlabelled])
    if isinstance(config, TextDataConfig) and config.paraphrase is not None:
        splits["train"] = with_paraphrases(splits["train"], config.paraphrase)
    if "unlabelled" in splits:
        splits["unlabelled"] = splits["unlabelled"].assign(label=None)
    if config.task == "ranking":  # in the order of its first row
        splits = {name: table.iloc[queries(table).argsort(kind="stable")] for name, table in splits.items()}
    return splits


def read_tables(config: DataConfig) -> dict[str, Table]:
    """Split, "all" where it is to be split here, or "unlabelled" -> table as it was found."""
    tables = read_origin(config)
    if config.unlabelled is not None:
        table = read_listed("unlabelled", config.unlabelled, config)
        others = [column for column in (config.label, config.group, config.time, config.split_column) if column]
        tables["unlabelled"] = replace(table, frame=table.frame.assign(**dict.fromkeys(others)))
    return tables


def read_origin(config: DataConfig) -> dict[str, Table]:
    if config.source in BUILT_IN:
        return {"all": read_built_in(str(config.source), type(config))}
    if config.source is not None:
        return read_hub(config.source, config.label)
    if config.folder is not None:
        return read_folder(config)
    if config.function is not None:
        return read_function(config.function)
    if config.file is not None and config.file.lower().endswith(ARRAYS):
        return read_array_file("file", config.file)
    named = {name: path for name, path in named_files(config).items() if name != "unlabelled"}
    return {"all" if name == "file" else name: read_listed(name, path, config) for name, path in named.items()}


def read_listed(name: str, path: str, config: DataConfig) -> Table:
    """The table of a file, in which paths of images are taken from its folder on."""
    table = read_file(name, path, config.encoding)
    if not isinstance(config, ImageDataConfig) or config.image not in table.frame:
        return table
    given = Path(path).expanduser().absolute()
    folder = given if given.is_dir() else given.parent
    found = listed_images(table.frame[config.image].tolist(), folder, table.place)
    return replace(table, frame=table.frame.assign(**{config.image: pd.Series(found, dtype=object)}))
