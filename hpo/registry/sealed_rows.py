"""What candidate and champion answer on the sealed test split of a study: opened once, and read from its ledger after.

The rows decide between the two only if neither has seen them: the champion's data must be the same, split for split,
and no more than a few of the rows may stand in train or valid.
"""

import json
from dataclasses import asdict
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from hpo.errors import Refused, UsageError
from hpo.history import Trial
from hpo.ledger import Ledger
from hpo.paths import StudyPaths
from hpo.registry import versions
from hpo.registry.model_files import metadata
from hpo.registry.trained_files import lay_out
from hpo.registry.versions import Version
from hpo.results import Results
from hpo.trainable import ConfigError, asked, build_config, config_class, module_of, resolve
from train_fn.checkpoint import CheckpointError, verify

MOST_LEAKED = 0.05  # share of the sealed rows that may stand, word for word, in train or valid


def refuse_seen_rows(results: Results) -> None:
    """UsageError where the model was trained, or chosen, on the rows that are to test it."""
    data = results.history.record["data"]
    rows = data.get("rows", {}).get("test", 0)
    for split in ("train", "valid"):
        seen = data.get("report", {}).get("leaks", {}).get(f"{split}-test", {}).get("exact", 0)
        if rows and seen > MOST_LEAKED * rows:
            raise UsageError(
                f"the model of study {results.study.study} has seen its test: {seen:,} of {rows:,} sealed rows stand "
                f"in {split}, at most {MOST_LEAKED:.0%} may; give a test split of other rows"
            )


def of_candidate(results: Results, winner: Trial, ledger: Ledger) -> dict[str, Any]:
    """Its scores and answers; empty where the trainable has no `test`. A second trial of a study may not look."""
    name = results.study.study
    for event in ledger.events():
        if event.kind == "test_opened" and event.trial == winner.number:
            return event.payload
        if event.kind == "test_opened":
            raise UsageError(
                f"the sealed test of study {name} was opened for trial {event.trial}, and is not for trial "
                f"{winner.number}: the better of two would be chosen by it; start a new study on other rows"
            )
    trainable = results.study.load_trainable()
    score = getattr(module_of(trainable), "test", None)
    if score is None:
        return {}
    best = winner.best(results.objective)
    assert best is not None and best.checkpoint is not None
    checkpoint = StudyPaths.of(name).trial(winner.number) / best.checkpoint
    try:
        verify(checkpoint)
        with asked(trainable, "test"):
            scores = asdict(score(results.study.trial_config(winner.params), checkpoint))
    except (CheckpointError, ValueError) as error:
        raise UsageError(f"study {name} cannot be promoted: {error}") from None
    return ledger.append("test_opened", trial=winner.number, **scores).payload


def of_champion(results: Results, champion: Version, ledger: Ledger) -> dict[str, Any]:
    """The champion's answers on the same rows, by its own files. Refused where it cannot be compared on them."""
    for event in ledger.events():
        if event.kind == "champion_tested" and event.payload["version"] == champion.number:
            return event.payload
    name = results.study.study
    with versions.files(champion) as folder, TemporaryDirectory(prefix="hpo-champion-") as scratch:
        known = metadata(folder, champion.in_words)
        ours, theirs = results.history.record["data"].get("fingerprint", ""), known.get("data_fingerprint")
        if theirs != ours:
            raise Refused(
                f"study {name} and the champion, {champion.in_words}, have other data (fingerprint {ours} here, "
                f"{theirs} there), so that it may have been trained on the sealed rows; train both on the same data, "
                f'or `hpo promote {name} --force "why"`'
            )
        if known.get("trainable") != results.study.trainable and not str(known.get("trainable")).startswith(
            "train_fn."
        ):
            raise Refused(
                f"the champion, {champion.in_words}, was trained by {known.get('trainable')!r}, not by "
                f'{results.study.trainable}, and is not asked; `hpo promote {name} --force "why"`'
            )
        trainable = resolve(known["trainable"])
        config = {**json.loads(known["config"])}
        if "data" in results.study.config:
            config["data"] = results.study.config["data"]  # the same rows, wherever they lie now
        lay_out(folder, Path(scratch))
        try:
            with asked(trainable, "test"):
                scores = asdict(module_of(trainable).test(build_config(config_class(trainable), config), Path(scratch)))
        except (CheckpointError, ConfigError, ValueError) as error:
            raise UsageError(f"the champion, {champion.in_words}, cannot answer the sealed rows: {error}") from None
    return ledger.append("champion_tested", version=champion.number, model=champion.model, **scores).payload
