"""What a person types: each verb opens, calls one function, prints. It imports heavy libraries only where it runs."""

import json
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from hpo import language
from hpo.help_page import tell_in_language


class Verbs(TyperGroup):
    """`--lang` may stand before the verb or after it."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        for verb in self.commands.values():
            verb.params += [option for option in self.params if option.name == "lang"]
        tell_in_language(self)


app = typer.Typer(
    cls=Verbs,
    add_completion=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,  # the help in colours and frames costs as much time as all the rest of it
)

StudyName = Annotated[str, typer.Argument(metavar="STUDY", help="Name of a study, as `hpo status` lists them.")]
ModelName = Annotated[str, typer.Argument(metavar="MODEL", help="A registered model, such as docstrings-minilm.")]
StudyFile = Annotated[Path, typer.Argument(metavar="FILE", help="A study file, such as search_spaces/lwlrd.yaml.")]
Set = Annotated[list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Change a setting: search.trials=4.")]
Name = Annotated[str | None, typer.Option(metavar="NAME", help="Run under another name than the file's.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for programs.")]
InProcess = Annotated[bool, typer.Option(help="One trial at a time in this process, without Ray: for a debugger.")]
Lang = Annotated[
    str | None,
    typer.Option(
        metavar="LANG",
        help="en or ko; as the terminal unless given.",
        callback=language.ask_for,
        expose_value=False,
        is_eager=True,  # `--lang ko --help`: before the help is written
    ),
]


@app.callback()
def hpo(lang: Lang = None) -> None:
    """Fine-tuning searches that finish, resume and can be defended: `hpo run search_spaces/lwlrd.yaml`."""


@app.command()
def run(file: StudyFile, set: Set = None, name: Name = None, in_process: InProcess = False) -> None:
    """Start the study that FILE describes."""
    from hpo.config_fault import placed
    from hpo.driver import start
    from hpo.study_file import load_study
    from hpo.text_file import read_text

    text = read_text(file)
    study = load_study(file, overrides=set, name=name, text=text)
    try:
        with placed(file, text, set):
            start(study, text, in_process, file, set)
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
    """Train the winner of STUDY once more, as its own study.

    `--set config.precision=fp32` trains in full precision.
    """
    from hpo import results
    from hpo.driver import start
    from hpo.retraining import as_study
    from hpo.study_file import load_study

    text = as_study(results.read(study), trial)
    alone = load_study(Path(f"{study}.yaml"), overrides=set, name=name or f"{study}-retrained", text=text)
    try:
        start(alone, text, in_process)
    except KeyboardInterrupt:
        _say_interrupted(alone.study)
        raise
    _say_winner(alone.study)


@app.command()
def resume(
    study: StudyName,
    file: Annotated[Path | None, typer.Argument(metavar="[FILE]", help="Its file, if it has moved.")] = None,
    set: Set = None,
    allow_changed: Annotated[
        bool, typer.Option("--allow-changed", help="Go on although its file, code or data has changed.")
    ] = False,
    in_process: InProcess = False,
) -> None:
    """Go on with STUDY after an interruption.

    A finished one is left as it is. --set takes disk, ray, resources and workers alone.
    """
    from hpo import driver

    try:
        driver.resume(study, in_process, set, file, allow_changed)
    except KeyboardInterrupt:
        _say_interrupted(study)
        raise
    _say_winner(study)


@app.command()
def check(
    file: StudyFile,
    set: Set = None,
    name: Name = None,
    full: Annotated[bool, typer.Option("--full", help="Look at all rows, however long it takes.")] = False,
    json_: AsJson = False,
) -> None:
    """Show what FILE would search, and what its data holds.

    Rows, classes, examples, lengths, faults, and what is easy already; nothing is trained.
    """
    from rich.console import Console

    from hpo import checking
    from hpo.config_fault import placed
    from hpo.paths import StudyPaths
    from hpo.preparation import refuse_full_disk
    from hpo.redaction import redacted
    from hpo.study_file import load_study

    found = load_study(file, overrides=set, name=name)
    with placed(file, overrides=set):
        seen = redacted(checking.look(found, full))  # it shows rows
    if json_:
        _print_json(seen)
    else:
        checking.show(seen, Console(highlight=False), language.of_terminal())
    refuse_full_disk(found, StudyPaths.of(found.study))  # the data could be looked at all the same


@app.command()
def status(
    study: Annotated[str | None, typer.Argument(metavar="[STUDY]")] = None,
    watch: Annotated[bool, typer.Option("--watch", help="Look on while STUDY runs; Ctrl-C ends the looking.")] = False,
    json_: AsJson = False,
) -> None:
    """List the studies here, or one: state, trials, best so far."""
    if watch:
        return _watch(study)
    from hpo import results, tables

    found, unreadable = ([results.read(study)], {}) if study else results.read_all()
    if json_:
        _print_json(tables.status_rows(found, unreadable))
    else:
        tables.print_status(found, unreadable, language.of_terminal())


@app.command()
def show(study: StudyName, json_: AsJson = False) -> None:
    """List the trials of STUDY, best first, with parameters."""
    from hpo import results, tables

    found = results.read(study)
    if json_:
        _print_json(found.as_json())
    else:
        tables.print_trials(found, language.of_terminal())


@app.command()
def report(
    study: StudyName,
    out: Annotated[Path | None, typer.Option(metavar="FILE", help="Where to write; studies/STUDY/report.html.")] = None,
) -> None:
    """Write one HTML file about STUDY: what is best, how sure, what next.

    It needs no network: open it in a browser, print it, send it.
    """
    from hpo import reporting, results

    print(reporting.write(results.read(study), out, language.of_terminal().name))


@app.command()
def why(
    study: StudyName, trial: Annotated[int, typer.Argument(metavar="TRIAL", help="Its number.")], json_: AsJson = False
) -> None:
    """Tell why TRIAL is what it is: proposal, decisions, end."""
    from dataclasses import asdict

    from hpo import results
    from hpo.why import explain

    found = results.read(study)
    steps = explain(found.events, study, trial, found.warm_start, found.standing(trial))
    if json_:
        _print_json([asdict(step) for step in steps])
    else:
        _print_lines(step.words for step in steps)


@app.command()
def replay(study: StudyName, json_: AsJson = False) -> None:
    """Take every decision of STUDY anew from its scores.

    Exit code 1 where one comes out otherwise.
    """
    from hpo import results
    from hpo.replay import replayed

    found = results.read(study)
    counted = replayed(found.events, found.study.build_searcher(found.history.past), found.study.build_scheduler())
    if json_:
        _print_json(counted.as_json())
    else:
        _print_lines(counted.lines(study))
    raise typer.Exit(1 if counted.differences else 0)


@app.command()
def promote(
    study: StudyName,
    trial: Annotated[
        int | None, typer.Option(metavar="N", help="Of several objectives: this trial of the Pareto front.")
    ] = None,
    force: Annotated[str | None, typer.Option(metavar="REASON", help="Override the gates; REASON is recorded.")] = None,
    json_: AsJson = False,
) -> None:
    """Make the winner of STUDY champion, if it is better.

    The sealed test split is opened for it, once; the gates of the study's file decide.
    """
    from dataclasses import asdict

    from hpo.registry.promotion import promote as promoted
    from hpo.registry.telling import lines

    done = promoted(study, force, trial)
    if json_:
        _print_json(asdict(done))
    else:
        _print_lines(lines(done))


@app.command()
def rollback(
    model: ModelName,
    why: Annotated[str, typer.Option(metavar="REASON", help="Recorded with it.")] = "",
    json_: AsJson = False,
) -> None:
    """Make the champion of MODEL before this one champion again."""
    from dataclasses import asdict

    from hpo.registry.rollback import roll_back

    done = roll_back(model, why)
    if json_:
        _print_json(asdict(done))
    else:
        said = "{model} version {to} is champion again, in place of version {version}"
        print(language.of_terminal().say(said, model=done.model, to=done.to, version=done.version))


@app.command()
def predict(
    model: ModelName,
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help="CSV, TSV, Parquet or JSON Lines with a column of texts.")
    ],
    out: Annotated[Path | None, typer.Option(help="Where to write; FILE.predictions.csv if left out.")] = None,
    text: Annotated[str | None, typer.Option(help="Column with the texts; the one of training if left out.")] = None,
) -> None:
    """Ask the champion of MODEL about each row of FILE.

    It writes the rows with a label and a score. The file may be larger than memory.
    """
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

    from hpo.registry import predicting
    from hpo.wording import count

    target = out or Path(f"{file}.predictions.csv")
    columns = (
        TextColumn("{task.fields[rows]:,} " + language.of_terminal().say("rows")),
        BarColumn(),
        TaskProgressColumn(),
        TimeRemainingColumn(),
    )
    console = Console(stderr=True)
    with Progress(*columns, console=console, transient=True, disable=not sys.stderr.isatty()) as progress:
        bar = progress.add_task("", total=1.0, rows=0)

        def advance(rows: int, share: float) -> None:
            progress.update(bar, completed=share, rows=progress.tasks[bar].fields["rows"] + rows)

        rows = predicting.predict(model, file, target, text, advance)
    spoken = language.of_terminal()
    print(spoken.say("{rows} written to {file}", rows=count(rows, "row", spoken), file=target))


@app.command()
def serve(
    model: ModelName,
    port: Annotated[int, typer.Option(min=1, max=65535, help="Port on 127.0.0.1.")] = 8000,
    allow_host: Annotated[
        list[str] | None, typer.Option("--allow-host", metavar="NAME", help="A further name to be asked by.")
    ] = None,
) -> None:
    """Answer programs by HTTP: the champion of MODEL on this machine.

    POST rows to /predict; /health; /docs is the OpenAPI page.
    """
    from hpo.registry.serving import serve as served

    served(model, port, allow_host or [])


@app.command()
def export(
    model: ModelName,
    to: Annotated[Path, typer.Option("--to", metavar="DIR", help="A new folder.")],
) -> None:
    """Write the champion of MODEL as a folder for others.

    `from_pretrained` loads it; README.md in it is the model card.
    """
    from hpo.registry.export import export as exported

    print(exported(model, to))


@app.command()
def compare(
    study: StudyName,
    other: Annotated[str, typer.Argument(metavar="STUDY", help="The one to compare it with.")],
    json_: AsJson = False,
) -> None:
    """Put two studies side by side.

    Their data, best values with intervals, cost, and what differs in space and settings.
    """
    from hpo import comparing, results

    found = comparing.compared(results.read(study), results.read(other))
    if json_:
        _print_json(found)
    else:
        _print_lines(comparing.lines(found))


@app.command()
def sync(study: StudyName) -> None:
    """Bring MLflow up to date with the ledger of STUDY."""
    from hpo.driver import catch_up

    catch_up(study)
    print(language.of_terminal().say("MLflow has all of {study}", study=study))


@app.command()
def ui(port: Annotated[int, typer.Option(help="Port on 127.0.0.1.")] = 5000) -> None:
    """Serve the studies here and MLflow's pages on this machine.

    /live shows each study as it runs; MLflow compares trials, draws curves, and shows the champion.
    """
    from hpo.ui import serve

    raise typer.Exit(serve(port))


@app.command()
def doctor(
    study: Annotated[str | None, typer.Argument(metavar="[STUDY]", help="Look at this study alone.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only look: mend nothing.")] = False,
    repair: Annotated[bool, typer.Option("--repair", help="Save what can be read of a damaged ledger.")] = False,
    json_: AsJson = False,
) -> None:
    """Look for what is wrong with this machine and the studies here, and mend what can be mended without loss."""
    from dataclasses import asdict

    from rich.cells import set_cell_size

    from hpo.doctor import Orders, State, examine

    found = []
    for finding in examine([study] if study else None, Orders(mend=not dry_run, repair=repair)):
        found.append(finding)
        if not json_:
            state = set_cell_size(language.of_terminal().say(finding.state), 8)
            print(state, language.of_terminal().retell(f"{finding.check}: {finding.says}"), flush=True)
    if json_:
        _print_json([asdict(finding) for finding in found])
    raise typer.Exit(int(any(finding.state == State.FAULT for finding in found)))


def _print_json(value: Any) -> None:
    """In ASCII: JSON for programs, in whatever encoding the terminal has."""
    print(json.dumps(value, indent=1))


def _print_lines(lines: Iterable[str]) -> None:
    for line in lines:
        print(language.of_terminal().retell(line))


def _watch(study: str | None) -> None:
    from hpo import watching

    name = study or watching.the_running_one()
    watching.watch(name, sys.stdout)
    _say_winner(name)


def _say_winner(study: str) -> None:
    from hpo import results, tables

    tables.print_winner(results.read(study), language.of_terminal())


def _say_interrupted(study: str) -> None:
    from hpo.paths import StudyPaths

    if StudyPaths.of(study).root.exists():
        said = "interrupted: `hpo resume {study}` goes on from the last checkpoints"
        print(language.of_terminal().say(said, study=study), file=sys.stderr)
