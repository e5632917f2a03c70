"""What a person types: each verb opens, calls one function, prints. It imports heavy libraries only where it runs."""

import json
import os
import sys
from pathlib import Path
from typing import Annotated

import typer
from typer.exceptions import TyperException

from hpo.errors import INTERRUPTED, DiskError, HpoError

app = typer.Typer(
    no_args_is_help=True,
    add_completion=True,
    pretty_exceptions_enable=False,
    help="Fine-tuning searches that finish, resume and can be defended: `hpo run search_spaces/lwlrd.yaml`.",
)

StudyName = Annotated[str, typer.Argument(metavar="STUDY", help="Name of a study, as `hpo status` lists them.")]
StudyFile = Annotated[Path, typer.Argument(metavar="FILE", help="A study file, such as search_spaces/lwlrd.yaml.")]
Set = Annotated[list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Change a setting: search.trials=4.")]
Name = Annotated[str | None, typer.Option(metavar="NAME", help="Run under another name than the file's.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for programs.")]
InProcess = Annotated[bool, typer.Option(help="One trial at a time in this process, without Ray: for a debugger.")]


def main() -> None:
    """Entry point: one `error:` line and the exit code of the contract for whatever a person can cause."""
    try:
        code = typer.main.get_command(app).main(standalone_mode=False) or 0
    except HpoError as error:
        print(f"error: {error}", file=sys.stderr)
        code = error.exit_code
    except TyperException as error:  # a wrong option or argument
        message = error.format_message().rstrip(".")
        if message:  # `hpo` alone has printed its help
            print(f"error: {message}; `hpo --help` lists all verbs", file=sys.stderr)
        code = 2
    except (KeyboardInterrupt, typer.Abort):
        code = INTERRUPTED
    except BrokenPipeError:  # `hpo show STUDY | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        code = 0
    except OSError as error:  # full, read-only or vanished
        print(f"error: {error.filename or 'a file'}: {error.strerror}; mend it, then `hpo resume`", file=sys.stderr)
        code = DiskError.exit_code
    sys.exit(code)


@app.command()
def run(file: StudyFile, set: Set = None, name: Name = None, in_process: InProcess = False) -> None:
    """Start the study that FILE describes."""
    from hpo.driver import start
    from hpo.study_file import load_study

    study = load_study(file, overrides=set, name=name)
    try:
        start(study, file.read_text(encoding="utf-8-sig"), in_process)
    except KeyboardInterrupt:
        _say_interrupted(study.study)
        raise
    _say_winner(study.study)


@app.command()
def retrain(
    study: StudyName,
    trial: Annotated[int | None, typer.Option(metavar="N", help="This trial; the winner unless given.")] = None,
    set: Set = None,
    name: Name = None,
    in_process: InProcess = False,
) -> None:
    """Train the winner of STUDY once more, as a study of its own: `--set config.precision=fp32` for full precision."""
    import tempfile

    from hpo import results
    from hpo.driver import start
    from hpo.retraining import as_study
    from hpo.study_file import load_study

    text = as_study(results.read(study), trial)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / f"{study}.yaml"
        file.write_text(text, encoding="utf-8")
        try:
            alone = load_study(file, overrides=set, name=name or f"{study}-retrained")
        except HpoError as error:  # nobody knows that folder
            raise type(error)(str(error).replace(f"{folder}/", "")) from None
    try:
        start(alone, text, in_process)
    except KeyboardInterrupt:
        _say_interrupted(alone.study)
        raise
    _say_winner(alone.study)


@app.command()
def resume(study: StudyName, in_process: InProcess = False) -> None:
    """Go on with a study that was interrupted; a finished one is left as it is."""
    from hpo import driver

    try:
        driver.resume(study, in_process)
    except KeyboardInterrupt:
        _say_interrupted(study)
        raise
    _say_winner(study)


@app.command()
def check(file: StudyFile, set: Set = None, name: Name = None) -> None:
    """Check FILE and its data without any training."""
    from hpo.preparation import prepare
    from hpo.study_file import load_study

    study = load_study(file, overrides=set, name=name)
    found = prepare(study)
    print(f"{file}: study {study.study}, {study.search.trials} trials of {len(study.space)} parameters")
    for split, rows in found.get("rows", {}).items():
        counts = found["classes"].get(split, {})  # of a task without classes
        names = ", ".join(f"{label} {count}" for label, count in counts.items())
        classes = f" ({names if len(counts) <= 12 else f'{len(counts)} classes'})" if counts else ""
        print(f"  {split}: {rows:,} rows{classes}")


@app.command()
def status(study: Annotated[str | None, typer.Argument(metavar="[STUDY]")] = None, json_: AsJson = False) -> None:
    """The studies under the working directory, or one of them: state, trials by state, best so far."""
    from hpo import results, tables

    found = [results.read(name) for name in ([study] if study else results.all_names())]
    if json_:
        print(json.dumps([tables.status_row(one) for one in found], indent=1))
    else:
        tables.print_status(found)


@app.command()
def show(study: StudyName, json_: AsJson = False) -> None:
    """Every trial of a study, best first, with its parameters."""
    from hpo import results, tables

    found = results.read(study)
    if json_:
        print(json.dumps(found.as_json(), indent=1))
    else:
        tables.print_trials(found)


@app.command()
def promote(study: StudyName, json_: AsJson = False) -> None:
    """Score the winner on the sealed test split, register it and make it the champion."""
    from dataclasses import asdict

    from hpo import registry

    done = registry.promote(study)
    if json_:
        print(json.dumps(asdict(done), indent=1))
        return
    print(f"{done.model} version {done.version} is champion: trial {done.trial:03d} of {study}")
    print(f"  {done.metric} {done.validation:.4f} on validation", end="")
    if done.metric in done.test:
        print(f", {done.test[done.metric]:.4f} on the sealed test ({done.rows:,} rows)")
    else:
        print("; no sealed test split")
    if done.metric in done.baseline:
        print(f"  a tuned linear model on TF-IDF: {done.baseline[done.metric]:.4f} on the same test rows")


@app.command()
def predict(
    model: Annotated[str, typer.Argument(metavar="MODEL", help="A registered model, such as docstrings-minilm.")],
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help="CSV, TSV, Parquet or JSON Lines with a column of texts.")
    ],
    out: Annotated[Path | None, typer.Option(help="Where to write; FILE.predictions.csv if left out.")] = None,
    text: Annotated[str | None, typer.Option(help="Column with the texts; the one of training if left out.")] = None,
) -> None:
    """Ask the champion of MODEL for a label and a score for each row of FILE."""
    from rich.console import Console
    from rich.progress import Progress

    from hpo import registry

    target = out or Path(f"{file}.predictions.csv")
    with Progress(console=Console(stderr=True), transient=True, disable=not sys.stderr.isatty()) as progress:
        bar = progress.add_task("predicting", total=None)
        rows = registry.predict(model, file, target, text, advance=lambda count: progress.advance(bar, count))
    print(f"{rows:,} rows written to {target}")


@app.command()
def sync(study: StudyName) -> None:
    """Bring MLflow up to date with a study's ledger."""
    from hpo.driver import catch_up

    catch_up(study)
    print(f"MLflow has all of {study}")


@app.command()
def ui(port: Annotated[int, typer.Option(help="Port on 127.0.0.1.")] = 5000) -> None:
    """Serve MLflow's pages on this machine: compare trials, see curves, find the champion."""
    from hpo.ui import serve

    raise typer.Exit(serve(port))


def _say_winner(study: str) -> None:
    from hpo import results, tables

    tables.print_winner(results.read(study))


def _say_interrupted(study: str) -> None:
    from hpo.paths import StudyPaths

    if StudyPaths.of(study).ledger.exists():
        print(f"interrupted: `hpo resume {study}` goes on from the last checkpoints", file=sys.stderr)
