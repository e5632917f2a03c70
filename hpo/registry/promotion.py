"""`hpo promote`: the winner of a study against the champion in use, gate by gate, and the record of who let it through.

In the order that a kill may cut anywhere: the judgement into the ledger, the version with its whole record as tags,
then the alias in one write. Before that write the old champion stands, after it the new one, each with files that are
as they were written.
"""

import getpass
import json
import socket
from contextlib import closing
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

from hpo.errors import HpoError, Refused, UsageError
from hpo.history import Trial
from hpo.ledger import Ledger
from hpo.paths import StudyPaths
from hpo.preparation import refuse_other_data
from hpo.redaction import redact
from hpo.registry import peer, sealed_rows, versions
from hpo.registry.answering import timed
from hpo.registry.gates import Measured, refusals
from hpo.registry.model_files import size_mb, verified
from hpo.registry.model_lock import model_lock
from hpo.registry.paired_bootstrap import compare, intervals
from hpo.registry.versions import MODEL, PREVIOUS, RECORD, Version, mlflow_errors
from hpo.results import Results, read
from hpo.study_checks import refuse_lost_trainable
from hpo.study_lock import study_lock
from hpo.tracking.log_file import chatter_to
from hpo.tracking.mlflow import MODEL_URI, tracking_uri
from hpo.tracking.mlflow_model import MANIFEST_DIGEST, log_once
from hpo.tracking.mlflow_pages import FINGERPRINT
from hpo.tracking.mlflow_runs import STUDY_ID, TRIAL
from train_fn.checkpoint import CheckpointError


@dataclass(frozen=True)
class Promotion:
    """The record that is signed: what was promoted, by whom, and every number that it was judged by."""

    model: str
    version: str
    trial: int
    metric: str
    validation: float
    confirmed: (
        dict[str, float] | None
    )  # mean of fresh seeds on validation, and its interval; None where none were asked
    test: dict[str, float]
    baseline: dict[str, float]  # its scores on the same sealed rows; empty where there is none
    rows: int
    scores_of_classes: list[dict[str, Any]]  # F1 on the sealed rows, and how sure it is
    study: str
    study_id: str
    previous: str | None  # version of the champion before
    measured: dict[str, Any]  # difference to it, classes, size_mb, latency_ms, calibration_error
    gates: dict[str, float | None]
    refused_by: list[str]  # what --force overrode
    forced: str | None  # the reason given
    by: str
    at: str  # UTC
    baseline_model: str = peer.LINEAR  # in words
    baseline_is_better: bool = False  # by the metric


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """The winner's model as MLflow has it."""

    name: str  # study and model, the same however often it is promoted
    uri: str
    manifest_digest: str | None


def promote(study: str, force: str | None = None, trial: int | None = None) -> Promotion:
    """Make the winner champion, or raise Refused with each gate that it did not pass and the numbers.

    Of several objectives there is no winner: `trial` is one of the front.
    """
    if force is not None and not force.strip():
        raise UsageError('--force takes the reason, which is recorded: --force "the old data is gone"')
    results = read(study)
    paths = StudyPaths.of(study)
    winner = promotable(results, trial)
    assert results.study.registry is not None
    refuse_lost_trainable(results.study)
    refuse_other_data(results.study, results.history)  # or the sealed rows might be among those trained on
    sealed_rows.refuse_seen_rows(results)
    with (
        model_lock(results.study.registry.model),
        study_lock(paths),
        closing(Ledger(paths.ledger)) as ledger,
        chatter_to(paths.log),
        mlflow_errors(),
    ):
        candidate = logged_model(results, winner)
        champion = versions.champion(results.study.registry.model)
        if champion and champion.tags.get(MODEL) == candidate.name:
            return _known(champion, ledger)
        return _judged(results, winner, candidate, champion, ledger, force)


def promotable(results: Results, trial: int | None = None) -> Trial:
    name = results.study.study
    if results.state != "finished":
        raise UsageError(f"study {name} is {results.state}; only a finished one is promoted: `hpo resume {name}`")
    if results.study.registry is None:
        raise UsageError(f"study {name} names no model; add `registry: {{model: NAME}}` to its file")
    if results.study.objectives:
        return _chosen(results, trial)
    winner = results.winner
    if winner is not None and trial not in (None, winner.number):
        raise UsageError(
            f"trial {trial} of {name} is not its winner, trial {winner.number}, and keeps no checkpoint; "
            f"`hpo retrain {name} --trial {trial}` makes a study of it that can be promoted"
        )
    if winner is None:
        raise UsageError(f"study {name} has no winner: no trial came to a regular end; `hpo show {name}` says why")
    return winner


def _chosen(results: Results, number: int | None) -> Trial:
    name, front = results.study.study, {trial.number: trial for trial in results.front}
    known = ", ".join(map(str, front)) or "none: no trial came to a regular end"
    if number is None:
        raise UsageError(f"study {name} has several objectives: choose a trial of its front by --trial: {known}")
    if number not in front:
        raise UsageError(f"trial {number} of {name} is not on the Pareto front; choose one of it by --trial: {known}")
    return front[number]


def logged_model(results: Results, winner: Trial) -> Candidate:
    client = versions.client()
    name, study_id = results.study.study, results.history.record["study_id"]
    experiment = client.get_experiment_by_name(name)
    runs = client.search_runs(
        [experiment.experiment_id] if experiment else [],
        f"tags.`{STUDY_ID}` = '{study_id}' and tags.`{TRIAL}` = '{winner.number}'",
    )
    tags = runs[0].data.tags if runs else {}
    uri = tags.get(MODEL_URI)
    if uri is None and runs and results.study.objectives:
        tags = _log_model(client, runs[0], results, winner)
        uri = tags.get(MODEL_URI)
    if uri is None:
        raise UsageError(f"trial {winner.number} of {name} has no model in {tracking_uri()}; `hpo sync {name}` logs it")
    if not uri.startswith("models:"):
        raise UsageError(
            f"trial {winner.number} of {name} left no model that can be asked: its checkpoint must hold `model/` of "
            "transformers or `model.skops` of scikit-learn; let the trainable save one of them"
        )
    return Candidate(name=f"{study_id}:{uri}", uri=uri, manifest_digest=tags.get(MANIFEST_DIGEST))


def _log_model(client: Any, run: Any, results: Results, trial: Trial) -> dict[str, str]:
    """A study logs its winner; of a front, the trial that is chosen is logged now. The tags of its run."""
    best = trial.best(results.objective)
    if best is None or best.checkpoint is None:
        return {}
    checkpoint = StudyPaths.of(results.study.study).trial(trial.number) / best.checkpoint
    try:
        uri = log_once(client, run.info, checkpoint, results.study, trial, results.history.record["data"])
    except CheckpointError as error:
        raise UsageError(f"trial {trial.number} of {results.study.study} cannot be promoted: {error}") from None
    client.set_tag(run.info.run_id, MODEL_URI, uri)
    return dict(client.get_run(run.info.run_id).data.tags)


def _judged(
    results: Results, winner: Trial, candidate: Candidate, champion: Version | None, ledger: Ledger, force: str | None
) -> Promotion:
    assert results.study.registry is not None
    registry, name = results.study.registry, results.study.study
    with versions.downloaded(candidate.uri) as folder:
        verified(folder, f"the model of study {name}", candidate.manifest_digest)
        latency, size = timed(folder), size_mb(folder)
    refused: list[str] = []
    if unconfirmed := _unconfirmed(results, winner):
        refused.append(unconfirmed)
    test = sealed_rows.of_candidate(results, winner, ledger)
    difference, classes = None, []
    if champion:
        try:
            difference, classes = _compared(results, champion, test, ledger)
        except Refused as error:
            refused.append(str(error))
    error_of_confidence = test.get("metrics", {}).get("ece")
    measured = Measured(
        difference=difference,
        classes=classes,
        size_mb=round(size, 3),
        latency_ms=latency,
        calibration_error=error_of_confidence,
    )
    refused += refusals(registry.gates, measured)
    best = winner.best(results.objective)
    assert best is not None
    record = {
        "model": registry.model,
        "trial": winner.number,
        "metric": results.objective.metric,
        "validation": best.metrics[results.objective.metric],
        "confirmed": _confirmed(results),
        "test": test.get("metrics", {}),
        "baseline": test.get("baseline", {}),
        "rows": len(test.get("targets", ())),
        "scores_of_classes": [asdict(one) for one in intervals(test)],
        "study": name,
        "study_id": results.history.record["study_id"],
        "previous": champion.number if champion else None,
        "measured": asdict(measured),
        "gates": registry.gates.model_dump(),
        "refused_by": refused,
        "forced": None if force is None else redact(force),
        "by": who(),
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "baseline_model": peer.in_words(test.get("baseline_setting", {})),
        "baseline_is_better": peer.is_better(
            test.get("baseline", {}), test.get("metrics", {}), results.objective.metric, results.objective.sign
        ),
    }
    ledger.append("judged", winner.number, judgement=record)
    if refused and force is None:
        raise Refused(
            f"study {name} is not promoted: {'; and '.join(refused)}; the champion stays. "
            f'`hpo promote {name} --force "why"` overrides it, which is recorded'
        )
    return _crowned(Promotion(version="", **record), candidate, champion, results, ledger)


def _compared(results: Results, champion: Version, test: dict[str, Any], ledger: Ledger) -> Any:
    """Difference and classes; Refused where there is nothing to compare on."""
    name = results.study.study
    if not test:
        raise Refused(
            f"study {name} has no sealed rows to compare with the champion on; let the trainable's module define `test`"
        )
    theirs = sealed_rows.of_champion(results, champion, ledger)
    try:
        if theirs.get("targets") != test.get("targets"):
            raise ValueError("its sealed rows are others")
        return compare(theirs, test, results.objective.metric)
    except ValueError as error:
        raise Refused(f"study {name} cannot be compared with {champion.in_words}: {error}") from None


def _crowned(
    promotion: Promotion, candidate: Candidate, champion: Version | None, results: Results, ledger: Ledger
) -> Promotion:
    used = {one.number for one in versions.history(champion)}
    version = versions.register(promotion.model, candidate.uri, candidate.name, used)
    promotion = Promotion(**{**asdict(promotion), "version": version.number})
    assert candidate.manifest_digest is not None
    tags = {
        PREVIOUS: promotion.previous or "",
        RECORD: json.dumps(asdict(promotion)),
        MANIFEST_DIGEST: candidate.manifest_digest,
        FINGERPRINT: results.history.record["data"].get("fingerprint", ""),
        **_numbers(promotion),
    }
    versions.tag(version, tags)
    with versions.files(versions.version(version.model, version.number)):
        pass  # what is about to be named is what was judged
    now = versions.champion(promotion.model)
    if (now.number if now else None) != promotion.previous:
        raise HpoError(
            f"another machine has made another version of {promotion.model} champion meanwhile; promote again"
        )
    versions.crown(version)
    ledger.append("promoted", promotion.trial, promotion=asdict(promotion))
    return promotion


def _known(champion: Version, ledger: Ledger) -> Promotion:
    """It is champion already; where a kill left that out, the ledger learns of it."""
    promotion = Promotion(**versions.record(champion))
    if not any(e.kind == "promoted" and e.payload["promotion"]["version"] == champion.number for e in ledger.events()):
        ledger.append("promoted", promotion.trial, promotion=asdict(promotion))
    return promotion


def _confirmed(results: Results) -> dict[str, float] | None:
    winner = results.confirmation.winner if results.confirmation else None
    return asdict(winner.confirmed) if winner and winner.confirmed else None


def _unconfirmed(results: Results, winner: Trial) -> str:
    """Of a study that asks for fresh seeds, that its winner is not the one they chose: its score may be luck."""
    found = results.confirmation
    if results.study.confirm is None or (found and found.chosen == winner.number):
        return ""
    return f"confirm: trial {winner.number} was not confirmed on fresh seeds; `hpo show {results.study.study}` says why"


def _numbers(promotion: Promotion) -> dict[str, str]:
    """The record's main numbers as tags of their own, for MLflow's pages and searches."""
    difference = promotion.measured["difference"] or {}
    return {
        "hpo.study": promotion.study,
        "hpo.trial": str(promotion.trial),
        "hpo.promoted_by": promotion.by,
        "hpo.promoted_at": promotion.at,
        "hpo.forced": promotion.forced or "",
        f"hpo.validation.{promotion.metric}": f"{promotion.validation:.6f}",
        **{f"hpo.test.{name}": f"{value:.6f}" for name, value in promotion.test.items()},
        **{f"hpo.baseline.{name}": f"{value:.6f}" for name, value in promotion.baseline.items()},
        **{f"hpo.gain.{name}": f"{difference[name]:+.6f}" for name in ("gain", "low", "high") if difference},
    }


def who() -> str:
    try:
        return f"{getpass.getuser()}@{socket.gethostname()}"
    except OSError:  # a user without a name, as in some containers
        return f"uid@{socket.gethostname()}"
