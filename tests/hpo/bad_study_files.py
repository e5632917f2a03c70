"""Bad study files, each with the place and the reason that `hpo` must give for it.

A row is what stands in a good file, what stands there instead, and a part of the message. `▸` marks the place that the
message must name, and is taken out; without it the message names no line.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from tests.hpo.known_names import TEXT, TOY, keys, settings, words

MARK = "▸"


@dataclass(frozen=True)
class Bad:
    family: str
    raw: bytes
    said: str
    place: str  # `:line:column`, or nothing


def bad(family: str, text: str, said: str) -> Bad:
    line = text[: text.find(MARK)].count("\n") + 1
    column = text.find(MARK) - text.rfind("\n", 0, text.find(MARK))
    place = f":{line}:{column}" if MARK in text else ""
    return Bad(family, text.replace(MARK, "").encode(), said, place)


def changed(family: str, base: str, *rows: tuple[str, str, str]) -> Iterator[Bad]:
    for old, new, said in rows:
        assert base.count(old) >= 1, old
        yield bad(family, base.replace(old, new, 1), said)


def slip(name: str) -> str:
    """Two letters in the middle change places; of equal ones, or of few, one is left out."""
    at = len(name) // 2
    swapped = name[: at - 1] + name[at] + name[at - 1] + name[at + 1 :]
    return swapped if len(name) > 3 and swapped != name else name[:at] + name[at + 1 :]


def misspelt() -> Iterator[Bad]:
    """Every name there is, once: the message names the right one."""
    for family, slots in (("keys", keys()), ("settings", settings()), ("words", words())):
        for slot in slots:
            if len(slot.name) > 3:  # `mse` and `mae` are equally near to `me`
                yield bad(family, slot.misspelt(slip(slot.name)), f"; did you mean {slot.name}?")


def values() -> Iterator[Bad]:
    yield from changed(
        "values",
        TEXT,
        ("model: tiny", "▸early_stopping_metric: f1_marco", "got 'f1_marco'; try f1_macro"),
        ("model: tiny", "▸schedule: linaer", "must be one of constant, linear, cosine"),
        ("model: tiny", "▸loss: Hubber", "got 'Hubber'; did you mean huber?"),
        ("model: tiny", "▸schedule: one-cycle", "did you mean one_cycle?"),
        ("model: tiny", "▸optimizer: ADAMW", "did you mean adamw?"),
        ("model: tiny", "▸max_train_rows: 5", "is no field of TextConfig; did you mean data.max_train_rows?"),
        ("search: {", "▸model: tiny\nsearch: {", "model: is no key here; did you mean config.model?"),
        ("search: {", "▸trials: 4\nsearch: {", "trials: is no key here; did you mean search.trials?"),
        ("search: {", "▸lr: 4\nsearch: {", "lr: is no key here; there are "),
        ("maximize: f1_macro", "▸minimize: rmse", "rmse is no metric of train_fn.text:epochs; there are accuracy"),
        ("maximize: f1_macro", "▸maximize: loss", "loss is the better the smaller; minimize it"),
        ("maximize: f1_macro", "▸minimize: accuracy", "accuracy is the better the larger; maximize it"),
    )


def no_text() -> Iterator[Bad]:
    """What is no study file at all."""
    for raw, place, said in (
        (TOY.encode("utf-16"), "", "must be UTF-8 text, got UTF-16; save it as UTF-8"),
        (TOY.encode("utf-16-be"), ":1:1", "holds U+0000, a control character"),
        (b"\xfe\xff" + TOY.encode("utf-16-be"), "", "must be UTF-8 text, got UTF-16"),
        (TOY.encode("utf-32"), "", "must be UTF-8 text, got UTF-32"),
        (b"study: caf\xe9\n", ":1:11", "must be UTF-8 text, got byte 0xe9"),
        (b"study: \xc0\x80\n", ":1:8", "got byte 0xc0"),
        (b"study: \xed\xa0\x80\n", ":1:8", "got byte 0xed"),
        (b"\x80", ":1:1", "got byte 0x80"),
        (b"PK\x03\x04" + b"\x00" * 100, ":1:3", "holds U+0003, a control character"),
        (b"\x7fELF", ":1:1", "holds U+007F"),
        (b"", ":1:1", "a study file is a mapping that begins with `study: NAME`"),
        (b"\n\n\n", ":1:1", "a study file is a mapping"),
        (b"# only a comment\n", ":1:1", "a study file is a mapping"),
        (b"---\n", ":2:1", "a study file is a mapping"),
        (b"null\n", ":1:1", "a study file is a mapping"),
        (b"study\n", ":1:1", "a study file is a mapping"),
        (b"3\n", ":1:1", "a study file is a mapping"),
        (b"- study: toy\n", ":1:1", "a study file is a mapping"),
        (b"[]\n", ":1:1", "a study file is a mapping"),
        (b"<html></html>\n", ":1:1", "a study file is a mapping"),
        (b"text,label\na,b\n", ":1:1", "a study file is a mapping"),
        (b"{}\n", ":1:1", "objective: is missing; docs/studies.md has an example"),
        (b"x" * 1_000_001, "", "a study file has at most 1,000,000 bytes, got more"),
        (b"#" * 2_000_000, "", "a study file has at most 1,000,000 bytes"),
    ):
        yield Bad("no text", raw, said, place)
    for code, name in ((0x00, "a control character"), (0x07, ""), (0x08, ""), (0x1B, ""), (0x7F, ""), (0x80, ""),
                       (0x9B, ""), (0x202A, "left-to-right embedding"), (0x202E, "right-to-left override"),
                       (0x2066, "left-to-right isolate"), (0x2069, ""), (0xFEFF, "zero width no-break space"),
                       (0xFFFE, "")):  # fmt: skip
        said = f"holds U+{code:04X}, {name}"
        yield bad("unseen", TOY.replace("study: toy", f"study: to▸{chr(code)}y"), said)
        yield bad("unseen", f"# a comment ▸{chr(code)}\n{TOY}", said)


def no_yaml() -> Iterator[Bad]:
    tail = TOY.partition("\n")[2]
    for head, said in (
        ("study: toy\n▸\tobjective: x\n", "indent with spaces, not with tabs"),
        ("study: ▸@toy\n", "put it into quotes"),
        ("study: ▸`toy`\n", "put it into quotes"),
        ("study: ▸%toy\n", "put it into quotes"),
        ("study: toy▸: b\n", "indent as its neighbours are, with a space after the colon"),
        ("study: toy\n more▸: 1\n", "indent as its neighbours are, with a space after the colon"),
        ("study: ▸- toy\n", "begin the list on a line of its own"),
        ("study: {a: 1}▸}\n", "did not find expected key"),
        ("study: [a]▸]\n", "did not find expected key"),
        ("study: \"▸\\q\"\n", "use single quotes"),
        ("study: \"\\u▸d800\"\n", "invalid Unicode character escape code"),
        ("study: ▸*toy\n", "anchors, aliases and tags are refused; write the value out"),
        ("study: ▸&toy x\n", "anchors, aliases and tags are refused"),
        ("study: ▸!!str toy\n", "anchors, aliases and tags are refused"),
        ("study: ▸! toy\n", "anchors, aliases and tags are refused"),
        ("study: ▸!python/object:os.system toy\n", "anchors, aliases and tags are refused"),
        ("study: ▸!!python/object/apply:os.system ['true']\n", "anchors, aliases and tags are refused"),
        ("study: ▸!<tag:yaml.org,2002:int> 3\n", "anchors, aliases and tags are refused"),
        ("study: ▸!x!y toy\n", "quote what begins with ! or %"),
        ("study: ▸&a [*a, *a]\n", "anchors, aliases and tags are refused"),
        ("▸&a study: toy\n", "a key is one plain word, without anchor, alias or tag; write it out"),
        ("▸!!str study: toy\n", "a key is one plain word"),
        ("▸*a : toy\n", "a key is one plain word"),
        ("? ▸[a, b]\n: toy\n", "a key is one plain word"),
        ("? ▸{a: b}\n: toy\n", "a key is one plain word"),
        ("▸<<: {study: toy}\n", "merge keys are refused; write the values out"),
        ("study: {▸<<: {a: 1}}\n", "merge keys are refused"),
        ("▸\"\": toy\n", "a key is a word of characters to be seen, got ''; rename it"),
        ("▸\"a\\e[31m\": toy\n", "a key is a word of characters to be seen"),
        ("▸\"a\\u202e\": toy\n", "a key is a word of characters to be seen"),
        ("▸\"a\\n\": toy\n", "a key is a word of characters to be seen"),
        ("study: >▸x\n", "begin the text on the next line"),
        ("%FOO▸\n---\nstudy: toy\n", "quote what begins with ! or %"),
        ("▸%YAML 2.0\n---\nstudy: toy\n", "found incompatible YAML document"),
        ("study: toy\n▸---\nstudy: other\n", "a second document begins here; keep one"),
        ("---\n▸---\nstudy: toy\n", "a second document begins here"),
        ("study: toy\n...\n▸more: 1\n", "delete what stands after the end"),
    ):  # fmt: skip
        yield bad("YAML", head + tail, said)
    for text, said in (
        ("study: 'toy\n▸", "close the quotes"),
        ("study: \"toy\n▸", "close the quotes"),
        ("study: [toy\n▸", "did not find expected ',' or ']' while parsing a flow sequence that begins in line 1"),
        ("study: {a: 1\n▸", "did not find expected ',' or '}' while parsing a flow mapping that begins in line 1"),
        ("study: [\n▸", "close the bracket, or put a comma"),
        ("study: [a▸}\n", "close the bracket, or put a comma"),
        ("study: toy\nobjective\n▸", "write `name: value`"),
        ("- a\n▸b: 1\n", "indent as its neighbours are"),
        (f"study: {'[' * 32}▸[{'[' * 5000}\n", "is nested more than 32 deep; flatten it"),
        (f"study: {'{a: ' * 32}▸{{a: 1\n", "is nested more than 32 deep"),
        (f"{'- ' * 33}▸- a\n", "is nested more than 32 deep"),
        (f"study: [{'a,' * 9998}▸a]\n", "a study file has at most 10,000 keys and values; shorten it"),
    ):  # fmt: skip
        yield bad("YAML", text, said)


def keys_twice() -> Iterator[Bad]:
    yield from changed(
        "twice",
        TOY,
        ("trainable:", "▸study: toy\ntrainable:", "study: stands twice, first in line 1; keep one"),
        (
            "  max_epochs: 3",
            "  max_epochs: 3\n  ▸max_epochs: 3",
            "config.max_epochs: stands twice, first in line 5",
        ),
        ("  kind: {", "  ▸x: {uniform: [0, 1]}\n  kind: {", "search_space.x: stands twice, first in line 7"),
        ("trials: 2", "trials: 2, ▸trials: 3", "search.trials: stands twice, first in line 10"),
        ("maximize: score", 'maximize: score, ▸"maximize": cost', "objective.maximize: stands twice"),
        ("uniform: [-5, 5]", "uniform: [-5, 5], ▸'uniform': [0, 1]", "search_space.x.uniform: stands twice"),
        ("kind: [plain]", "kind: [plain], ▸kind: [fancy]", "search_space.y.when.kind: stands twice"),
        ("search: {", "▸config: {}\nsearch: {", "config: stands twice, first in line 4"),
    )


def numbers() -> Iterator[Bad]:
    """Numbers that are none, or cannot be meant."""
    for word in (".inf", "-.inf", "+.INF", ".Inf", ".nan", ".NaN", "1e999", "-1e999"):
        for old, new in (
            ("max_epochs: 3", f"max_epochs: ▸{word}"),
            ("[-5, 5]", f"[-5, ▸{word}]"),
            ("trials: 2", f"trials: 2, seed: ▸{word}"),
        ):
            yield bad("numbers", TOY.replace(old, new), f"must be a finite number, got {word}")
    for word, said in (
        ("010", "010 may be octal or not; write 10, or quote it"),
        ("-007", "-007 may be octal or not; write -7, or quote it"),
        ("00", "00 may be octal or not; write 0, or quote it"),
        ("9223372036854775808", "must be a whole number of 64 bits, got 9223372036854775808"),
        ("-9223372036854775809", "must be a whole number of 64 bits"),
        ("0x8000000000000000", "must be a whole number of 64 bits"),
        ("1" + "0" * 5000, "must be a whole number of 64 bits"),
    ):
        yield bad("numbers", TOY.replace("max_epochs: 3", f"max_epochs: ▸{word}"), said)
        yield bad("numbers", TOY.replace("trials: 2", f"trials: ▸{word}"), said)
    for word, said in (
        ("'3'", "config.max_epochs: must be a whole number, got '3'; write 3 without quotes"),
        ("1_000", "must be a whole number, got '1_000'; write 1000"),
        ('"1,000"', "must be a whole number, got '1,000'; write 1000"),
        ("3.5", "must be a whole number, got 3.5"),
        ("3.0", "must be a whole number, got 3.0"),
        ("1e3", "must be a whole number, got 1000.0"),
        ("three", "must be a whole number, got 'three'"),
        ("12:30:45", "must be a whole number, got '12:30:45'"),
        ("0b11", "must be a whole number, got '0b11'"),
        ("on", "must be a whole number, got 'on'"),
        ("true", "must be a whole number, got true"),
        ("null", "must be a whole number, got null"),
        ("", "must be a whole number, got null"),
        ("[3]", "must be a whole number, got [3]"),
        ("{a: 3}", 'must be a whole number, got {"a": 3}'),
        ("2019-01-01", "must be a whole number, got '2019-01-01'"),
        ("３", "must be a whole number, got '３'"),
    ):
        yield bad("numbers", TOY.replace("max_epochs: 3", f"▸max_epochs: {word}"), said)
        yield bad(
            "numbers",
            TOY.replace("trials: 2", f"▸trials: {word}"),
            said.replace("config.max_epochs", "search.trials"),
        )
    for word, way_out in (("yes", "true"), ("on", "true"), ("No", "false"), ("OFF", "false"), ("'true'", "true")):
        said = f"; write {way_out}"
        yield bad("numbers", TEXT.replace("model: tiny", f"▸amsgrad: {word}"), said)


def wrong_types() -> Iterator[Bad]:
    """A group for a word, a word for a group, and what cannot be at all."""
    group, word, many = "must be a group of settings, got ", "must be a word, got ", "must be a list, got "
    yield from changed(
        "types",
        TOY,
        ("study: toy", "▸study: 3", f"study: {word}3"),
        ("study: toy", "▸study: [toy]", f"study: {word}[\"toy\"]"),
        ("study: toy", "▸study:", f"study: {word}null"),
        ("trainable: tests.toy:epochs", "▸trainable: 1.5", f"trainable: {word}1.5"),
        ("trainable: tests.toy:epochs", "▸trainable: {tests.toy: epochs}", f"trainable: {word}"),
        ("objective: {maximize: score}", "▸objective: score", f"objective: {group}'score'"),
        ("objective: {maximize: score}", "▸objective: [maximize, score]", f"objective: {group}"),
        ("maximize: score", "▸maximize: [score]", f"objective.maximize: {word}[\"score\"]"),
        ("maximize: score", "▸maximize: 1", f"objective.maximize: {word}1"),
        ("config:\n  max_epochs: 3\n", "▸config: 3\n", f"config: {group}3"),
        ("config:\n  max_epochs: 3\n", "▸config: [a]\n", f"config: {group}"),
        ("config:\n  max_epochs: 3\n", "▸config:\n", f"config: {group}null"),
        ("x: {uniform: [-5, 5]}", "▸x: 3", group + "3"),
        ("x: {uniform: [-5, 5]}", "▸x: [-5, 5]", group),
        ("x: {uniform: [-5, 5]}", "▸x: ", group + "null"),
        ("x: {uniform: [-5, 5]}", "▸x: uniform", group + "'uniform'"),
        ("uniform: [-5, 5]", "▸uniform: 5", f"search_space.x.uniform: {many}5"),
        ("uniform: [-5, 5]", "▸uniform: {low: -5, high: 5}", f"search_space.x.uniform: {many}"),
        ("[-5, 5]", "[▸a, 5]", "search_space.x.uniform.0: must be a number, got 'a'"),
        ("[-5, 5]", "[-5, ▸'5']", "search_space.x.uniform.1: must be a number, got '5'; write 5 without quotes"),
        ("x: {uniform: [-5, 5]}", "▸x: {uniform: [-5, ]}", "search_space.x: uniform takes [low, high], got [-5.0]"),
        ("[-5, 5]", "[-5, ▸true]", "must be a number, got true"),
        ("[-5, 5]", "[-5, ▸[5]]", "must be a number, got [5]"),
        ("uniform: [-5, 5]", "integer: [▸-5.5, 5]", "search_space.x.integer.0: must be a whole number, got -5.5"),
        ("uniform: [-5, 5]", "▸choice: plain", f"search_space.x.choice: {many}'plain'"),
        ("uniform: [-5, 5]", "choice: [1, ▸[2]]", "search_space.x.choice.1: must be"),
        ("uniform: [-5, 5]", "choice: [1, ▸{a: 2}]", "search_space.x.choice.1: must be"),
        ("uniform: [-5, 5]", "▸normal: 3", f"search_space.x.normal: {group}3"),
        ("uniform: [-5, 5]", "normal: {mean: 0, ▸sd: a}", "search_space.x.normal.sd: must be a number, got 'a'"),
        ("uniform: [-5, 5]", "▸normal: {mean: 0}", "search_space.x.normal.sd: is missing"),
        ("when: {kind: [plain]}", "▸when: kind", f"search_space.y.when: {group}'kind'"),
        ("kind: [plain]", "▸kind: plain", f"search_space.y.when.kind: {many}'plain'"),
        ("kind: [plain]", "▸kind: []", "search_space.y.when.kind: must have 1 or more entries, got []"),
        ("search: {searcher: random, scheduler: fifo, trials: 2}", "▸search: tpe", f"search: {group}'tpe'"),
        ("search: {searcher: random, scheduler: fifo, trials: 2}", "▸search: [1]", f"search: {group}[1]"),
        ("searcher: random", "▸searcher: 3", "search.searcher: must be a word or a group of settings, got 3"),
        ("searcher: random", "▸searcher: [tpe]", "search.searcher: must be a word or a group of settings"),
        ("scheduler: fifo", "▸scheduler: null", "search.scheduler: must be a word or a group of settings, got null"),
        ("scheduler: fifo", "scheduler: {▸asha: 3}", f"search.scheduler.asha: {group}3"),
        ("scheduler: fifo", "▸scheduler: {}", "takes one scheduler, got none; for example"),
        ("scheduler: fifo", "▸scheduler: {asha: {}, fifo: {}}", "takes one scheduler, got asha, fifo"),
        ("scheduler: fifo", "▸scheduler: {asha: {first_rung: a}}", "first_rung"),
        ("trials: 2", "trials: 2, ▸seed: 1.5", "search.seed: must be a whole number, got 1.5"),
        ("trials: 2", "trials: 2, ▸points: 3", f"search.points: {many}3"),
        ("trials: 2", "trials: 2, points: [▸3]", f"search.points.0: {group}3"),
    )  # fmt: skip
    for key, value, said in (
        ("resources", "3", group), ("workers", "[]", group), ("divergence", "word", group), ("disk", "20", group),
        ("registry", "model", group), ("constraints", "x < 1", many), ("constraints", "{x: 1}", many),
    ):  # fmt: skip
        yield bad("types", f"{TOY}▸{key}: {value}\n", f"{key}: {said}")
    yield bad("types", f"{TOY}constraints: [▸3]\n", f"constraints.0: {word}3")


def out_of_bounds() -> Iterator[Bad]:
    for group, key, value, said in (
        ("resources", "cpu", "0", "cpu is auto, a whole number of cores, or a share such as 0.5, got 0"),
        ("resources", "cpu", "-1", "cpu is auto, a whole number"), ("resources", "cpu", "1.5", "got 1.5"),
        ("resources", "gpu", "1.5", "gpu is auto, a share such as 0.5, or a whole number of GPUs, got 1.5"),
        ("resources", "gpu", "-1", "gpu is auto, a share"), ("resources", "gpu", "all", "got 'all'"),
        ("resources", "nodes", "0", "must be at least 1, got 0"),
        ("resources", "nodes", "2", "a trial on 2 machines needs a cluster, but ray.address is local; name one there"),
        ("workers", "startup", "0", "must be above 0, got 0"), ("workers", "lease", "-3", "must be above 0"),
        ("workers", "retries", "-1", "must be at least 0"), ("divergence", "factor", "1", "must be above 1, got 1"),
        ("divergence", "patience", "0", "must be at least 1"), ("divergence", "window", "0", "must be at least 1"),
        ("disk", "cap_gb", "0", "must be above 0"), ("disk", "keep", "0", "must be at least 1, got 0"),
        ("registry", "model", "a/b", "must match"), ("registry", "model", "''", "must match"),
        ("registry", "model", "Über", "must match"), ("registry", "model", "-a", "must match"),
        ("registry", "model", '"a\\n"', "must match"), ("registry", "model", "../a", "must match"),
    ):  # fmt: skip
        yield bad("bounds", f"{TOY}{group}: {{▸{key}: {value}}}\n", f"{group}.{key}: ")
        yield bad("bounds", f"{TOY}{group}: {{▸{key}: {value}}}\n", said)
    on_two = TEXT.replace("model: tiny", "▸num_processes: 3") + (
        "resources: {nodes: 2}\nray: {address: auto, storage: /shared}\n"
    )
    yield bad("bounds", on_two, "config.num_processes: must be a multiple of resources.nodes: 2, got 3; try 4")
    yield from changed(
        "bounds",
        TOY,
        ("trials: 2", "▸trials: 0", "search.trials: must be at least 1, got 0"),
        ("trials: 2", "▸trials: -1", "search.trials: must be at least 1, got -1"),
        ("trials: 2", "▸trials: 1000000", "search.trials: must be below 1000000, got 1000000"),
        ("search:", "confirm: {▸seeds: 1}\nsearch:", "confirm.seeds: must be at least 2, got 1"),
        ("search:", "confirm: {▸finalists: 0}\nsearch:", "confirm.finalists: must be at least 1, got 0"),
        ("search:", "budget: {▸noise_repeats: 1}\nsearch:", "budget.noise_repeats: must be at least 2, got 1"),
        (
            "search: {searcher: random, scheduler: fifo",
            "▸confirm: {}\nsearch: {searcher: random, scheduler: pbt",
            "pbt",
        ),
        ("trials: 2", "trials: 2, ▸seed: -1", "search.seed: must be at least 0, got -1"),
        ("trials: 2", "trials: 2, ▸seed: 4294967296", "search.seed: must be below 4294967296, got 4294967296"),
        (
            "search:",
            "▸resources: {nodes: 2, gpu: 0.5}\nsearch:",
            "gpu must be auto or a whole number beside nodes: 2, got 0.5; try 1",
        ),
        ("scheduler: fifo", "▸scheduler: {asha: {first_rung: 0}}", "`first_rung`"),
        ("scheduler: fifo", "▸scheduler: {asha: {reduction_factor: 1}}", "`reduction_factor`"),
        ("objective: {maximize: score}", "▸objective: {maximize: score, minimize: cost}", "takes one metric"),
        (
            "objective: {maximize: score}",
            "▸objective: {}",
            "takes one metric: {maximize: f1_weighted} or {minimize: loss}",
        ),
    )
    for key, value, said in (
        ("hidden_dropout", "1.5", "`hidden_dropout` must be in [0, 0.99] or None, got 1.5"),
        ("hidden_dropout", "-0.1", "must be in [0, 0.99]"), ("warmup_ratio", "2", "in [0, 1], got 2.0; try 0.0"),
        ("learning_rate", "0", "must be a number > 0"), ("learning_rate", "-1e-4", "must be a number > 0"),
        ("batch_size", "0", "must be a whole number >= 1, got 0; try 32"), ("max_epochs", "0", "a whole number >= 1"),
        ("weight_decay", "-1", "must be a number >= 0"), ("layer_decay", "1.5", "must be in (0, 1]"),
        ("ema_decay", "1.0", "must be in (0, 1) or None"), ("max_length", "4", "must be a whole number >= 8"),
        ("max_length", "600", "must be at most the model's 512, got 600"), ("adam_epsilon", "0", "must be a number >="),
        ("freeze_blocks", "5", "must be at most the model's 2 blocks, got 5; try 2"), ("model", "''", "must be a name"),
        ("model", "a" * 5000, "must be minilm, tiny, a folder or a hub name, got 'aaa"),
        ("model", "/" + "a" * 5000, "must name a folder that holds config.json"),
        ("model", "~nobody-of-that-name/x", "must name a folder that holds config.json"),
        ("eval_epochs", "0", "must be in [0.0001, 1e6]"), ("adam_beta1", "1", "must be in [0, 1)"),
    ):  # fmt: skip
        text = TEXT.replace("  model: tiny", f"  model: tiny\n  ▸{key}: {value}")
        if key in ("model", "learning_rate"):
            text = TEXT.replace("  model: tiny", f"  ▸{key}: {value}").replace("  learning_rate: {l", "  r_drop: {l")
        yield bad("bounds", text, said)


def ranges() -> Iterator[Bad]:
    def x(new: str, said: str) -> Bad:
        return bad("ranges", TOY.replace("  x: {uniform: [-5, 5]}", f"  ▸x: {new}"), said)

    for kind in ("uniform", "log_uniform", "integer", "log_integer"):
        yield x(f"{{{kind}: []}}", f"{kind} takes [low, high], got []")
        yield x(f"{{{kind}: [1]}}", f"{kind} takes [low, high], got [1")
        yield x(f"{{{kind}: [1, 2, 3]}}", f"{kind} takes [low, high], got [1")
        yield x(f"{{{kind}: [2, 1]}}", f"{kind} takes [low, high] with low < high, got [2")
        yield x(f"{{{kind}: [2, 1]}}", "turn them round")
        yield x(f"{{{kind}: [2, 2]}}", "write `constant: 2")
        yield x(f"{{{kind}: [1, 2], choice: [1, 2]}}", "takes exactly one of uniform, log_uniform, integer")
        if kind.startswith("log"):
            yield x(f"{{{kind}: [0, 5]}}", f"{kind} needs low > 0, got [0")
            yield x(f"{{{kind}: [-1, 5]}}", f"or use {kind[4:]}")
            yield x(f"{{{kind}: [1, 5], step: 1}}", f"step goes with uniform or integer, got {kind}")
    for kind in ("choice", "ordered_choice"):
        for values in ("[]", "[1]", "[1, 1]", "[a, b, a]"):
            yield x(f"{{{kind}: {values}}}", f"{kind} takes two or more different values, got ")
        yield x(f"{{{kind}: [1, 2], step: 1}}", "step goes with uniform or integer")
        yield x(f"{{{kind}: [1, 2], prior: 3}}", "prior 3 lies outside the range; give one of 1 or 2")
    yield x("{}", "takes exactly one of uniform, log_uniform, integer, log_integer, normal, choice, ordered_choice")
    yield x("{uniform: [0, 1], step: 0}", "step must be above 0 and at most 1, got 0")
    yield x("{uniform: [0, 1], step: -0.1}", "step must be above 0")
    yield x("{uniform: [0, 1], step: 2}", "step must be above 0 and at most 1, got 2")
    yield x("{integer: [0, 4], step: 1.5}", "step of integer must be a whole number, got 1.5; use uniform")
    yield x("{uniform: [0, 1], prior: 2}", "prior 2 lies outside the range; give one of 0.0 to 1.0")
    yield x("{uniform: [0, 1], prior: {at: 2}}", "prior 2 lies outside the range")
    yield x("{uniform: [0, 1], prior: word}", "prior 'word' lies outside the range")
    yield x("{uniform: [-5, 50]}", "`x` must be in [-10, 10], got 50.0; try 0")
    yield x("{uniform: [-1e308, 1e308]}", "uniform spans more than a number can hold")
    yield x("{log_uniform: [5e-324, 1e308]}", "log_uniform spans more than a number can hold")
    yield x("{uniform: [0, 1], step: 5e-324}", "makes more than 1,000,000,000 values of [0, 1]; leave it out")
    yield x("{choice: [1.0, word]}", "must be a number, got 'word'")
    yield x("{constant: 99}", "`x` must be in [-10, 10]")
    yield from changed(
        "ranges",
        TOY,
        ("uniform: [-5, 5]", "▸normal: {mean: 0, sd: 1, low: 2, high: 1}", "normal takes low < high, got 2 and 1"),
        ("uniform: [-5, 5]", "▸normal: {mean: 0, sd: 1, low: 9, high: 10}", "leave less than 0.1 % of the bell"),
        ("uniform: [-5, 5]", "normal: {mean: 0, ▸sd: 0}", "search_space.x.normal.sd: must be above 0, got 0"),
        ("uniform: [-5, 5]", "uniform: [0, 1], prior: {at: 1, ▸confidence: huge}", "must be one of low, medium, high"),
        ("uniform: [-5, 5]", "uniform: [0, 1], prior: {▸att: 1}", "att: is no key here"),
        ("  x: {", "  ▸xx: {", "search_space.xx: is no field of ToyConfig; did you mean x?"),
        ("  max_epochs: 3", "  max_epochs: 3\n  ▸x: 1.0", "config.x: is both fixed here and searched in search_space"),
        ("kind: [plain]", "▸x: [1.5]", "x is hardly ever just 1.5; give it a step, or a choice"),
        ("kind: [plain]", "▸x: [99]", "99 is no value of x: -5.0 to 5.0"),
        ("kind: [plain]", "▸kind: [true]", "True is no value of kind"),
        ("kind: {choice", "kind: {when: {▸y: [0.5]}, choice", "is hardly ever just 0.5"),
    )  # fmt: skip


def conditions() -> Iterator[Bad]:
    circle = TOY.replace("kind: [plain]", "kind: [plain]").replace(
        "  kind: {choice: [plain, fancy]}", "  kind: {choice: [plain, fancy], when: {x: [1]}}"
    )
    circle = circle.replace("x: {uniform: [-5, 5]}", "x: {choice: [1, 2], when: {kind: [plain]}}")
    yield bad("conditions", circle.replace("search_space:", "▸search_space:"), "conditions form a circle: kind, x, y")
    for text, said in (
        ("x", "needs one of <= < >= > == !=, got its end; for example a * b <= 512"),
        ("x <", "ends where a name or a number is due"),
        ("x < 1 < 2", "ends before '<'"),
        ("(x < 1", "bracket"),
        ("x ** 2 < 1", "where a name or a number is due"),
        ("__import__('os') < 1", "may hold names, numbers"),
        ("x; import os", "may hold names, numbers"),
        ("x < kind", "is not always a number"),
        ("xx < 1", "xx is neither searched nor a number in config; did you mean x?"),
        ("max_epoch < x", "max_epoch is neither searched nor a number in config; did you mean max_epochs?"),
        ("x > 99", "none of 10,000 random configurations meets all constraints"),
        ("x < 1 + " + "(" * 60 + "1" + ")" * 60, "is nested more than 50 deep"),
        ("x < " + "1 + " * 200 + "1", "is longer than 400 characters"),
        ("", "ends where a name or a number is due"),
    ):
        place = "▸constraints: ['" if "random configurations" in said else "constraints: [▸'"
        if said.startswith(("needs", "ends", "bracket", "where", "may", "is nested", "is longer")):
            place = "▸constraints: ['"
        quoted = text.replace("'", "''")
        yield bad("constraints", f"{TOY}{place}{quoted}']\n", said)
    for point, said in (
        ("▸z: 1", "z: is no searched parameter"),
        ("▸x: 99", "99 lies outside the range -5.0 to 5.0"),
        ("▸kind: plane", "'plane' lies outside the range plain or fancy"),
        ("kind: fancy, ▸y: 0.5", "does not apply at this point, by its `when`; leave it out"),
        ("▸x: [1]", "search.points.0.x: must be"),
    ):
        yield bad("points", TOY.replace("trials: 2", f"trials: 2, points: [{{{point}}}]"), said)


def names() -> Iterator[Bad]:
    for name in ("../evil", "/etc/passwd", "a/b", "a\\b", "..", ".", ".hidden", "-rf", "_a", "Toy", "tóy", "to y",
                 "a" * 64, "toy!", "toy\u200b", "~", "$HOME", "toy;ls", "토이", "con:", "*"):  # fmt: skip
        yield bad("names", TOY.replace("study: toy", f"▸study: '{name}'"), "study: a study's name must match [a-z0-9]")
    for name, said in (
        ("epochs", "must read `module:function`, got 'epochs'"), ("tests.toy", "must read `module:function`"),
        ("'tests.toy:'", "must read `module:function`"), ("':epochs'", "must read `module:function`"),
        ("tests.toy:epoch", "module 'tests.toy' has no 'epoch'; did you mean epochs?"),
        ("tests.toi:epochs", "no module 'tests.toi' to be found from"),
        ("tests.toy.epochs:x", "no module 'tests.toy.epochs' to be found"),
        ("train_fn.txt:epochs", "did you mean train_fn.text:epochs?"),
        ("trian_fn.text:epochs", "did you mean train_fn.text:epochs?"),
        ("train_fn.text:epoch", "did you mean epochs?"),
        ("train_fn.image:epochs", "did you mean train_fn.images:epochs?"),
        ("math:pi", "must"), ("math:sqrt", "must annotate config by a dataclass"), ("os:system", "must annotate"),
        ("os:path", "must annotate config"), ("builtins:print", "must"), ("builtins:int", "must"),
        ("tests.toy:ToyConfig", "must annotate config by a dataclass"), ("tests.toy:FINGERPRINT", "must"),
        ("'..toy:epochs'", "importing '..toy' failed"), ("'tests toy:epochs'", "no module 'tests toy'"),
        ("'a/b:c'", "no module 'a/b'"), ("'tests.toy:epochs:x'", "has no 'epochs:x'"),
    ):  # fmt: skip
        yield bad("trainables", TOY.replace("trainable: tests.toy:epochs", f"▸trainable: {name}"), "trainable: ")
        yield bad("trainables", TOY.replace("trainable: tests.toy:epochs", f"▸trainable: {name}"), said)


def left_out() -> Iterator[Bad]:
    for line in TOY.splitlines(keepends=True):
        key = line.partition(":")[0]
        if key in ("study", "trainable", "objective", "search"):
            yield bad("missing", MARK + TOY.replace(line, ""), f"{key}: is missing; docs/studies.md has an example")
    yield from changed(
        "missing",
        TOY,
        ("search: {searcher: random, scheduler: fifo, trials: 2}", "▸search: {}", "search.trials: is missing"),
        ("x: {uniform: [-5, 5]}", "▸x: {}", "takes exactly one of"),
    )
    space = TOY.index("search_space:"), TOY.index("search: ")
    yield bad("missing", MARK + TOY[: space[0]] + TOY[space[1] :], "search_space is empty, so trials must be 1, got 2")
    yield bad(
        "missing",
        TEXT.replace("config:\n  data: {source: docstrings}\n", "▸config:\n"),
        "data: is missing; TextConfig needs it",
    )
    yield bad(
        "missing",
        TEXT.replace("data: {source: docstrings}", "▸data: {}"),
        "exactly one must be given, got none of them",
    )
    yield bad("missing", TEXT.replace("source: docstrings", "▸source: digits, file: a"), "exactly one must be given")


def several() -> Iterator[Bad]:
    """The first fault is told, and where the others are."""
    text = TOY.replace("max_epochs: 3", "▸max_epoch: 3").replace("  x: {", "  xx: {")
    yield bad("several", text, "did you mean max_epochs?")
    text = TOY.replace("trials: 2", "trials: 0, seed: -1").replace("[-5, 5]", "[▸a, 5]")
    yield bad("several", text, "must be a number, got 'a' (2 more faults, in line 10)")
    text = TOY.replace("objective:", "▸objektive:") + "registy: {model: a}\n"
    yield bad("several", text, "did you mean objective? (1 more fault, in line 11)")


BAD = [
    one
    for family in (misspelt, values, no_text, no_yaml, keys_twice, numbers, wrong_types,
                   out_of_bounds, ranges, conditions, names, left_out, several)
    for one in family()
]  # fmt: skip
