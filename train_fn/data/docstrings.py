"""The embedded data set: which installed package does this summary sentence come from?"""

import ast
import re
from collections import defaultdict
from collections.abc import Iterator
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

PACKAGES = {  # label, which is also the name of the distribution -> name of the package that is imported
    "optuna": "optuna",
    "pandas": "pandas",
    "scikit-learn": "sklearn",
    "scipy": "scipy",
    "sqlalchemy": "sqlalchemy",
}
NOT_THEIR_OWN = {  # folders with tests, or with code of other projects
    *("tests", "testing", "_testing", "externals", "_external", "_vendored"),
    *("array_api_compat", "array_api_extra", "cobyqa", "pyprima", "_uarray", "highspy"),
}
# Any word with a package's name in it, so that OptunaWarning and `pandas_dtype` go too, and the import aliases.
GIVE_AWAY = re.compile(
    r"(?:\b(?:an?|the) )?(?:\w*(?:pandas|scikit-?learn|sklearn|scipy|sqlalchemy|optuna)\w*|\b(?:pd|sa)\b)",
    re.IGNORECASE,
)
# Markup as a reader of the rendered page sees it. It would give the package away: every fourth sentence of SQLAlchemy
# has a role with a path, such as :class:`_orm.Mapper`; of a role only the title or the last name is kept.
MARKUP = (
    (re.compile(r":[\w:+-]+:`([^`<]+?) *<[^`]*>`"), r"\1"),
    (re.compile(r":[\w:+-]+:`[~!.]?(?:\w+\.)*([^`]*)`"), r"\1"),
    (re.compile(r"`{1,2}([^`]+)`{1,2}_{0,2}"), r"\1"),
    (re.compile(r"(?<![\w*])(\*{1,2})(\w[^*]*)\1(?![\w*])"), r"\2"),
)
SENTENCE_END = re.compile(r"(?<=[.!?])(?<!e\.g\.)(?<!i\.e\.)\s+(?=[A-Z`:*\"'(\[])")
MIN_WORDS = 4  # "Return self." says nothing about where it comes from


def docstrings() -> dict[str, list[str]]:
    """Columns `text` and `label`, in the order of packages, files and lines; no text occurs twice."""
    labels_of = defaultdict(set)
    for label, package in PACKAGES.items():
        for path in source_files(package):
            for sentence in summaries(path.read_text(encoding="utf-8")):
                labels_of[sentence].add(label)
    label_of = {text: min(labels) for text, labels in labels_of.items() if len(labels) == 1}  # under two: says nothing
    return {"text": list(label_of), "label": list(label_of.values())}


def package_versions() -> dict[str, str]:
    """The identity of the data set: other versions, other sentences."""
    return {label: version(label) for label in PACKAGES}


def source_files(package: str) -> list[Path]:
    spec = find_spec(package)  # finds the folder without importing the package
    assert spec is not None and spec.submodule_search_locations  # all five are dependencies of this project
    root = Path(spec.submodule_search_locations[0])
    return [path for path in sorted(root.rglob("*.py")) if NOT_THEIR_OWN.isdisjoint(path.relative_to(root).parts)]


def summaries(source: str) -> Iterator[str]:
    """The masked summary sentence of each function and class that has one worth reading."""
    for definition in definitions(ast.parse(source)):
        sentence = summary(ast.get_docstring(definition) or "")
        if len(sentence.split()) >= MIN_WORDS and "---" not in sentence:  # "Parameters ---": there is no summary
            yield sentence


def definitions(node: ast.AST) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef]:
    """Functions and classes in the order of the source, at any depth; passes over expressions, unlike ast.walk."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield child
        if isinstance(child, ast.stmt):
            yield from definitions(child)


def summary(docstring: str) -> str:
    """First sentence of the first paragraph, on one line, without markup and without the names of the packages."""
    paragraph = " ".join(docstring.strip().split("\n\n")[0].split())
    sentence = SENTENCE_END.split(paragraph)[0]
    for markup, text in MARKUP:
        sentence = markup.sub(text, sentence)
    return GIVE_AWAY.sub("the library", sentence)
