"""What a person wants to know before they pay for a study: how large it is, on what data, and what is easy already.

What is known of the data comes from the trainable's module: `prepare` counts, `describe(config, full)` shows. The
second returns plain values under any of these names:

    examples   split -> rows, each a dict of what is learned from and the label; never of the test split
    lengths    unit -> {median, 95 %, longest}, and where a limit cuts some: {max_length, cut: share of rows}
    constant   {model, metrics} of one answer for every row
    linear     {model, metrics, rows, seconds} of a quick linear model
"""

import math
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from functools import partial
from typing import Any

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from hpo.config_fault import ConfigFault
from hpo.dead_knobs import dead_knobs
from hpo.domains import DOMAINS
from hpo.forecast import Forecast, expected
from hpo.language import ENGLISH, Language
from hpo.machine import gpus
from hpo.packing import forecast
from hpo.paths import StudyPaths
from hpo.preparation import disk_line, prepare
from hpo.space_lint import lint
from hpo.study import Study
from hpo.trainable import asked, module_of
from hpo.wording import count, printable, short

MOST_CLASSES = 12  # that get a line of their own
MOST_COLUMNS = 4  # that examples are shown side by side with
BAR = 20  # characters
UNBALANCED = 10  # times as many rows of the largest class as of the smallest
FEW_ROWS = 10  # of a class in valid
LARGE_ERROR = 0.015  # of the accuracy on valid
WIDTH = 100  # characters of an example's cell
AIMS = {"maximize": "maximize {metric}", "minimize": "minimize {metric}"}


def look(study: Study, full: bool = False) -> dict[str, Any]:
    """Everything that `hpo check` shows, as plain values; UsageError where study, data or model have a fault."""
    found = prepare(study)
    trainable = study.load_trainable()
    look_closer = getattr(module_of(trainable), "describe", None)
    cost = expected(study, found)
    described: dict[str, Any] = {}
    if look_closer is not None:
        try:
            with asked(trainable, "describe"):
                described = look_closer(study.first_config(), full)
        except ValueError as error:
            raise ConfigFault(study, error) from None
    return {
        **size(study),
        "data": without_test_rows({name: value for name, value in found.items() if name != "folder"}),
        **described,
        "noise": noise(found, described),
        "disk": disk_line(study, StudyPaths.of(study.study)),
        "packing": forecast(study.resources, gpus()),
        "cost": cost and {"line": cost.line(), **asdict(cost)},
        "warnings": [*lint(study), *warnings(found, described), *(dead_knobs(study) if full else ())],
    }


def without_test_rows(found: dict[str, Any]) -> dict[str, Any]:
    """Leaks into the sealed test are counted, not shown."""
    report = found.get("report", {})
    leaks = {
        splits: {name: value for name, value in leak.items() if name != "examples" or "test" not in splits}
        for splits, leak in report.get("leaks", {}).items()
    }
    return {**found, "report": {**report, "leaks": leaks}} if leaks else found


def size(study: Study) -> dict[str, Any]:
    """How much is searched, and what it costs at most."""
    search = study.search
    return {
        "study": study.study,
        "trainable": study.trainable,
        "objective": study.objective.model_dump(exclude_none=True),
        **({"objectives": [one.model_dump(exclude_none=True) for one in study.objectives]} if study.objectives else {}),
        "search": {
            "trials": search.trials,
            "searcher": search.searcher,
            "scheduler": search.scheduler,
            "max_epochs": study.max_epochs,
        },
        "search_space": {
            name: entry.model_dump(exclude_none=True, exclude_defaults=True)
            for name, entry in study.search_space.items()
        },
    }


def warnings(found: Mapping[str, Any], described: Mapping[str, Any]) -> Iterator[str]:
    """What will make the scores of this study hard to trust, one line each with a way out."""
    classes = found.get("classes", {})
    if train := classes.get("train"):
        largest, smallest = max(train, key=train.__getitem__), min(train, key=train.__getitem__)
        if train[largest] >= UNBALANCED * train[smallest]:
            times = f"{train[largest] / train[smallest]:.0f}"
            yield (
                f"unbalanced: {count(train[largest], 'row')} of {largest} in train, {train[smallest]:,} of {smallest} "
                f"({times} : 1); f1_weighted hardly sees the rare: maximize f1_macro, and weigh the classes"
            )
    if valid := classes.get("valid"):
        rare = min(valid, key=valid.__getitem__)
        if valid[rare] < FEW_ROWS:
            yield (
                f"valid has {valid[rare]} of {rare}: one such row moves f1_macro by up to "
                f"{1 / (len(valid) * valid[rare]):.3f}; get more of them, or give valid a larger share"
            )
    if error := noise(found, described):
        if error["standard_error"] > LARGE_ERROR:
            yield (
                f"valid has {count(error['rows'], 'row')}: the standard error of an accuracy of "
                f"{error['accuracy']:.2f} is {error['standard_error']:.3f}; "
                "trials closer than twice that may differ by luck alone"
            )
    if cut := described.get("lengths", {}).get("tokens", {}).get("cut"):
        limit = described["lengths"]["tokens"]["max_length"]
        yield f"max_length {limit} cuts {in_percent(cut)} of the training texts; what stands behind it is never read"
    constant, linear = (described.get(name, {}).get("metrics", {}) for name in ("constant", "linear"))
    if linear.get("f1_macro", math.inf) <= constant.get("f1_macro", -math.inf):
        yield "a linear model is no better than a constant answer; check that texts and labels belong together"


def noise(found: Mapping[str, Any], described: Mapping[str, Any]) -> dict[str, float]:
    """How far the accuracy on valid may be off by the choice of its rows: at the linear model's, or else at worst."""
    if not found.get("classes", {}).get("valid"):
        return {}
    rows = found["rows"]["valid"]
    share = described.get("linear", {}).get("metrics", {}).get("accuracy", 0.5)
    # all right or all wrong on so few rows is not known to be so for good: as if one more row were neither
    variance = max(share * (1 - share), 1 / (rows + 1))
    return {"rows": rows, "accuracy": share, "standard_error": math.sqrt(variance / rows)}


def show(seen: Mapping[str, Any], console: Console, language: Language = ENGLISH) -> None:
    search, space = seen["search"], seen["search_space"]
    aims = [aim for one in seen.get("objectives", [seen["objective"]]) for aim in one.items()]
    metric = aims[0][1]
    tell, say = partial(console.print, soft_wrap=True), language.say
    trials = count(search["trials"], "trial", language)
    if search["max_epochs"]:
        epochs = count(search["max_epochs"], "epoch", language)
        trials = say("{trials} of at most {epochs}", trials=trials, epochs=epochs)
    tell(
        say(
            "study {study}: {trials}, {parameters}, {searcher} and {scheduler}; {aims}",
            study=seen["study"],
            trials=trials,
            parameters=count(len(space), "parameter", language),
            searcher=", ".join(named(search["searcher"])),
            scheduler=", ".join(named(search["scheduler"])),
            aims=say(" and ").join(say(AIMS[direction], metric=escape(name)) for direction, name in aims),
        )
    )
    for name, domain in space.items():
        tell(escape(printable(f"  {name}: {in_words(domain)}")))
    data = seen["data"]
    if data.get("rows"):
        console.print(rows_and_classes(data, language))
    for split, rows in seen.get("examples", {}).items():
        console.print(examples(say("examples of {split}", split=split), rows))
    for line in [
        *of_lengths(seen.get("lengths", {})),
        *of_cleaning(data),
        *of_baselines(seen, metric),
        f"disk: {seen['disk']}",
        *([f"packing: {seen['packing']}"] if seen["packing"] else ()),
        *([say("cost: {forecast}", forecast=retold(seen["cost"], language))] if seen["cost"] else ()),
    ]:
        tell(escape(language.retell(line)))
    for line in seen["warnings"]:
        tell(f"[yellow]{say('warning')}:[/yellow] {escape(language.retell(line))}")


def retold(cost: Mapping[str, Any], language: Language) -> str:
    return Forecast(**{name: value for name, value in cost.items() if name != "line"}).line(language)


def brief(data: Mapping[str, Any]) -> list[str]:
    """The same in a few lines, for the start of a study: what `prepare` found, without looking any closer."""
    if not data.get("rows"):
        return []
    rows = ", ".join(f"{split} {count:,}" for split, count in data["rows"].items())
    labels = data.get("labels") or ()
    first = f"data: {rows} rows" + (f", {count(len(labels), 'class')}" if labels else "")
    return [first, *of_cleaning(data), *(f"warning: {line}" for line in warnings(data, {}))]


def named(method: str | Mapping[str, Mapping[str, Any]]) -> list[str]:
    """`asha (first_rung 2)`, and so a searcher."""
    if isinstance(method, str):
        return [method]
    return [
        f"{name} ({', '.join(f'{key} {value}' for key, value in settings.items())})" if settings else name
        for name, settings in method.items()
    ]


def in_words(domain: Mapping[str, Any]) -> str:
    """`log_uniform 0.0002 to 0.001, best near 0.0005, where schedule is cosine or linear`."""
    [kind] = [name for name in domain if name in DOMAINS]
    values = domain[kind] if isinstance(domain[kind], (list, dict)) else [domain[kind]]
    if isinstance(values, dict):
        words = f"{kind} " + ", ".join(f"{name} {short(value)}" for name, value in values.items())
    else:
        words = f"{kind} " + (", " if "choice" in kind else " to ").join(map(short, values))
    if "step" in domain:
        words += f" in steps of {short(domain['step'])}"
    if (prior := domain.get("prior")) is not None:
        words += f", best near {short(prior['at'] if isinstance(prior, dict) else prior)}"
    for name, allowed in domain.get("when", {}).items():
        words += f", where {name} is {' or '.join(map(short, allowed))}"
    return words


def rows_and_classes(data: Mapping[str, Any], language: Language = ENGLISH) -> Table:
    """A line per class with a bar of its share in train; the rarest of many are summed up."""
    splits, classes = list(data["rows"]), data.get("classes", {})
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column(language.say("rows"), overflow="fold")
    for split in splits:
        table.add_column(split, justify="right")
        if split == "train" and classes:
            table.add_column("", no_wrap=True)
    table.add_row(language.say("all"), *counted(data["rows"], splits, bool(classes)))
    train: Mapping[str, int] = classes.get("train", {})
    order = sorted(train, key=lambda label: -train[label])
    shown = order if len(order) <= MOST_CLASSES else order[: MOST_CLASSES - 1]
    largest = max(train.values(), default=1)
    for label in shown:
        counts = {split: classes.get(split, {}).get(label, 0) for split in splits}
        bar = "█" * max(1, round(BAR * counts["train"] / largest))
        table.add_row(escape(label), *counted(counts, splits, True, bar))
    if rest := order[len(shown) :]:
        counts = {split: sum(classes.get(split, {}).get(label, 0) for label in rest) for split in splits}
        table.add_row(count(len(rest), "more class", language), *counted(counts, splits, True))
    return table


def counted(counts: Mapping[str, int], splits: list[str], with_bar: bool, bar: str = "") -> list[str]:
    cells = []
    for split in splits:
        cells.append(f"{counts.get(split, 0):,}")
        if split == "train" and with_bar:
            cells.append(bar)
    return cells


def examples(title: str, rows: list[Mapping[str, Any]]) -> Table:
    """A row of the table each; of many columns a column each."""
    lines = [list(rows[0]), *([in_short(cell) for cell in row.values()] for row in rows)]
    if len(lines[0]) > MOST_COLUMNS:
        lines = [list(line) for line in zip(*lines, strict=True)]
    table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)
    for heading in lines[0]:
        table.add_column(escape(heading), overflow="fold")
    for line in lines[1:]:
        table.add_row(*map(escape, line))
    return table


def in_short(cell: Any) -> str:
    text = printable(" ".join(short(cell).split())) if cell is not None else ""
    return text if len(text) <= WIDTH else f"{text[: WIDTH - 1]}…"


def of_lengths(lengths: Mapping[str, Mapping[str, float]]) -> Iterator[str]:
    for unit, of in lengths.items():
        numbers = ", ".join(f"{name} {of[name]:,.0f}" for name in ("median", "95 %", "longest"))
        cut = f"; max_length {of['max_length']} cuts {in_percent(of['cut'])} of the texts" if "cut" in of else ""
        yield f"length in {unit}: {numbers}{cut}"


def in_percent(share: float) -> str:
    return "none" if share == 0 else f"{share:.1%}" if share >= 0.001 else "under 0.1%"


def of_cleaning(data: Mapping[str, Any]) -> Iterator[str]:
    """What `prepare` found in the rows, and what was done about it."""
    report = data.get("report", {})
    for finding in report.get("findings", ()):
        where = ", ".join(map(str, finding.get("examples", ())))
        rows = f" (rows {where})" if where else ""
        yield f"{finding['place']}: {finding['what']} in {count(finding['rows'], 'row')}: {finding['done']}{rows}"
    for splits, leak in report.get("leaks", {}).items():
        one, _, other = splits.partition("-")
        yield f"{other}: {count(leak['exact'], 'row')} as in {one}, {leak['near']:,} nearly so"


def of_baselines(seen: Mapping[str, Any], metric: str) -> Iterator[str]:
    for name in ("constant", "linear"):
        if name in seen:
            of = seen[name]
            scores = of["metrics"]
            first = [one for one in (metric, *scores) if one in scores]
            numbers = ", ".join(f"{one} {scores[one]:.4f}" for one in list(dict.fromkeys(first))[:4])
            fitted = f" ({count(of['rows'], 'row')}, {of['seconds']:.1f} s)" if "rows" in of else ""
            yield f"{of['model']}{fitted}: {numbers}"
