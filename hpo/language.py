"""The language of the terminal. Sentences stand in English where they are said, and are the keys of other languages.

What is recorded stays English: the ledger, its reasons, JSON, logs, MLflow. A reason or an error is told in another
language where it is shown: it is recognised by the sentence that it was made from.
"""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache, cached_property
from string import Formatter

from hpo.errors import UsageError
from hpo.spelling import did_you_mean

LANGUAGES = ("en", "ko")
# Places of a sentence that hold others: one, one or none (such as `; did you mean`), or several that SEVERAL parts.
SENTENCES, WAY_OUT, REASONS = {"reason", "done", "champion"}, "way_out", "reasons"
WORDS = {"what", "unit"}  # places that hold words to be told anew, of the rule itself
SEVERAL = "; and "
PLURAL = re.compile(r"^(\\? [a-z]+?)((?<=ss)es|s)\b")  # behind a number; of one it is not there, as of `1 trial`
# Other places hold no `; `, which parts rule and way out, and at the beginning no `: `, which parts place and rule.
FREE = {"why", "wrong", "said", "differences", "params"}

asked_for: list[str] = []  # by `--lang`, the last one counts


@dataclass(frozen=True)
class Language:
    name: str
    said: Mapping[str, str] = field(default_factory=dict, repr=False)  # English -> this; of English there is none
    told_anew: Mapping[str, str] = field(default_factory=dict, repr=False)

    def say(self, sentence: str, /, **values: object) -> str:
        """In this language; in English where it has no such sentence."""
        return self.said.get(sentence, sentence).format(**values)

    def retell(self, told: str) -> str:
        """What was told in English, with its values as they were written there; else as it is."""
        for words, english in self._least_first:
            if words in told and (found := _pattern(english).fullmatch(told)):
                values = {name: self._retold(name, value) for name, value in found.groupdict().items()}
                return _filled(self.told_anew[english], values)
        return told

    def _retold(self, name: str, value: str) -> str:
        if name == REASONS:
            return "; ".join(map(self.retell, value.split(SEVERAL)))
        return self.retell(value) if name in {*SENTENCES, *WORDS, WAY_OUT} else value

    @cached_property
    def _least_first(self) -> list[tuple[str, str]]:
        """Each sentence behind its longest words that are always there, by which most are told apart without a pattern.

        What fits least first: sentences that begin with a place, or have few words, fit more than is meant.
        """

        def fits_least(english: str) -> tuple[bool, int]:
            return english.startswith("{"), -sum(len(words) for words, _ in parts(english))

        return [(max(_always(one), key=len), one) for one in sorted(self.told_anew, key=fits_least)]


ENGLISH = Language("en")


@cache
def language(name: str) -> Language:
    """UsageError where it is none that hpo speaks."""
    refuse_unknown(name)
    if name == "en":
        return ENGLISH
    from hpo import korean  # only for those who read it

    return Language(name, korean.SAID, korean.TOLD_ANEW)


def of_terminal() -> Language:
    """What `--lang` asks for, else what the terminal speaks."""
    return language(asked_for[-1] if asked_for else language_of(os.environ))


def ask_for(name: str | None) -> None:
    """By `--lang`; UsageError where it is none that hpo speaks."""
    if name is not None:
        refuse_unknown(name)
        asked_for.append(name)


def refuse_unknown(name: str) -> None:
    if name not in LANGUAGES:
        raise UsageError(f"--lang must be one of {', '.join(LANGUAGES)}, got {name!r}{did_you_mean(name, LANGUAGES)}")


def language_of(environment: Mapping[str, str]) -> str:
    """What the terminal speaks, where hpo speaks it too; else English."""
    spoken = next((environment[name] for name in ("LC_ALL", "LC_MESSAGES", "LANG") if environment.get(name)), "")
    return spoken[:2] if spoken[:2] in LANGUAGES else "en"


@cache
def parts(sentence: str) -> list[tuple[str, str | None]]:
    """Its words, each with the name of the place behind it; None behind the last."""
    return [(words, name) for words, name, _, _ in Formatter().parse(sentence)]


def _always(english: str) -> list[str]:
    """Its words but for what a plural adds."""
    return [words for told, _ in parts(english) for words in PLURAL.sub(r"\1\n", told, count=1).split("\n")]


@cache
def _pattern(english: str) -> re.Pattern[str]:
    seen: set[str] = set()
    made = ""
    for words, name in parts(english):
        made += PLURAL.sub(r"\1(?:\2)?", re.escape(words), count=1)
        if name in seen:
            made += f"(?P={name})"
        elif name:
            seen.add(name)
            made += f"(?P<{name}>{_held(name, leads=not made)})"
    return re.compile(made, re.DOTALL)


def _held(name: str, leads: bool) -> str:
    if name == WAY_OUT:
        return "(?:; .+)?"
    if name in {*SENTENCES, *FREE, REASONS}:
        return ".+?"
    return "(?:(?!; |: ).)+?" if leads else "(?:(?!; ).)+?"


def _filled(sentence: str, values: Mapping[str, str]) -> str:
    return "".join(words + (values[name] if name else "") for words, name in parts(sentence))
