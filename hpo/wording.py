"""Values and trials in words: the same on the live screen and in every table."""

from collections.abc import Sequence

from hpo.confirmation import Confirmation
from hpo.history import Trial
from hpo.language import ENGLISH, Language


def short(value: object) -> str:
    """Four significant digits are enough to recognise a number by."""
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def count(number: float, of: str, language: Language = ENGLISH) -> str:
    """`1 epoch`, `1,000 epochs`."""
    several = f"{of}es" if of.endswith("s") else f"{of}s"
    shown = f"{number:,.0f}" if float(number).is_integer() else f"{number:.4g}"
    return language.say(f"{{count}} {of if shown == '1' else several}", count=shown)


def any_of(names: Sequence[str]) -> str:
    *others, last = names
    return f"{', '.join(others)} or {last}" if others else last


def printable(text: str) -> str:
    """What would move the cursor of a terminal, or turn the direction of writing, as an escape."""
    return "".join(one if one.isprintable() else one.encode("unicode_escape").decode() for one in text)


def duration(seconds: float, language: Language = ENGLISH) -> str:
    """In the unit that a person would say it in: 0.3 s, 40 s, 12 min, 3.5 h, 2.1 days."""
    if seconds < 90:
        whole = seconds >= 9.5 or seconds < 0.0005  # which is 0 to a person, not 1e-05
        return language.say("{time} s", time=f"{seconds:.0f}" if whole else f"{seconds:.1g}")
    if seconds < 5400:
        return language.say("{time} min", time=f"{seconds / 60:.0f}")
    if seconds < 48 * 3600:
        return language.say("{time} h", time=f"{seconds / 3600:.1f}")
    return language.say("{time} days", time=f"{seconds / 86400:.1f}")


def describe(trial: Trial, language: Language = ENGLISH) -> str:
    params = ", ".join(f"{name}={printable(short(value))}" for name, value in trial.params.items())
    return params or language.say("as configured")


def confirmed(found: Confirmation, metric: str, language: Language = ENGLISH) -> list[str]:
    """What is known of the finalists, a sentence a line."""
    if found.pending:
        runs = len(found.finalists) * len(found.seeds)
        return [
            language.say(
                "not confirmed yet: {pending} of {runs} runs with fresh seeds to come",
                pending=found.pending,
                runs=runs,
            )
        ]
    winner, best = found.winner, found.finalists[0]
    if winner is None or winner.confirmed is None or winner.optimism is None:
        return [
            language.say(
                "not confirmed: no finalist came to its end with every seed; trial {trial:03d} {reason}",
                trial=best.trial,
                reason=language.retell(best.reason),
            )
        ]
    score, lines = winner.confirmed, []
    lines.append(
        language.say(
            "confirmed: trial {trial:03d}, {metric} {mean:.4f} ({low:.4f} to {high:.4f} with 95 % certainty, "
            "{seeds} fresh seeds); the search had {search:.4f}: optimism gap {optimism:+.4f}",
            trial=winner.trial,
            metric=metric,
            mean=score.mean,
            low=score.low,
            high=score.high,
            seeds=len(found.seeds),
            search=winner.search,
            optimism=winner.optimism,
        )
    )
    if found.alike:
        lines.append(
            language.say(
                "these seeds cannot tell trial {trial:03d}, the best mean, from {others}",
                trial=best.trial,
                others=", ".join(f"{trial:03d}" for trial in found.alike),
            )
        )
    if found.cheapest:
        lines.append(
            language.say(
                "trial {trial:03d} is chosen as the cheapest of these: {time} a run, against {other}",
                trial=winner.trial,
                time=duration(winner.seconds or 0.0, language),
                other=duration(best.seconds or 0.0, language),
            )
        )
    return lines


def run_name(run: Trial, language: Language = ENGLISH) -> str:
    """`trial 007`, and of a repeat of it `trial 007 with seed 1234`."""
    if run.confirms is None:
        return language.say("trial {trial:03d}", trial=run.number)
    return language.say("trial {trial:03d} with seed {seed}", trial=run.confirms, seed=run.seed)
