"""The pages of `--help`, in the language of the terminal: typer lays them out, this says each sentence anew."""

import re
from collections.abc import Sequence
from typing import Any
from unicodedata import east_asian_width

import typer
from typer.core import TyperGroup

from hpo.language import of_terminal

FILLER = "\0"  # behind a letter that is two columns wide: typer counts letters
SET_BY_TYPER = re.compile(r"(.*?)(?:  )?(\[(?:required|default: [^]]*|[^] ]*<=[^] ]*)\])?", re.DOTALL)


class Page(typer.Context.formatter_class):  # type: ignore[misc, valid-type]  # typer's own, under a name that is not private
    def __init__(self, **sizes: Any) -> None:
        super().__init__(**sizes)
        self.say = of_terminal().say

    def write_usage(self, prog: str, args: str = "", prefix: str | None = None) -> None:
        super().write_usage(prog, args, widened(self.say("Usage: ")))

    def write_heading(self, heading: str) -> None:
        super().write_heading(self.say(heading))

    def write_text(self, text: str) -> None:
        super().write_text(widened("\n\n".join(map(self.say, paragraphs(text)))))

    def write_dl(self, rows: Sequence[tuple[str, str]], col_max: int = 30, col_spacing: int = 2) -> None:
        super().write_dl([(name, widened(self._explained(text))) for name, text in rows], col_max, col_spacing)

    def getvalue(self) -> str:
        return super().getvalue().replace(FILLER, "")

    def _explained(self, text: str) -> str:
        """What an option is for, with what typer adds to it."""
        found = SET_BY_TYPER.fullmatch(text)
        assert found is not None
        said = self.say(found[1])
        return f"{said}  {of_terminal().retell(found[2])}" if found[2] else said


class Context(typer.Context):
    formatter_class = Page


def tell_in_language(group: TyperGroup) -> None:
    """Of the group and its verbs; among all verbs, each is told by its first sentence, whole."""
    for command in (group, *group.commands.values()):
        command.context_class = Context
        command.short_help = paragraphs(command.help or "")[0]


def paragraphs(text: str) -> list[str]:
    return [" ".join(paragraph.split()) for paragraph in text.split("\n\n")]


def widened(text: str) -> str:
    return "".join(letter + FILLER * (east_asian_width(letter) in "WF") for letter in text)
