"""Which of the right names a wrong one was meant to be."""

from collections.abc import Iterable

MOST_SHOWN = 12  # names, where none is near


def did_you_mean(wrong: str, right: Iterable[str], elsewhere: Iterable[str] = ()) -> str:
    """`; did you mean learning_rate?`, or the names there are when none is near.

    `elsewhere` are names in other groups, such as `data.seed`: what stands in the wrong one may be among them.
    """
    names = sorted(map(str, right))
    if near := nearest(wrong, names) or nearest(wrong, elsewhere):
        return f"; did you mean {near}?"
    shown = ", ".join(names[:MOST_SHOWN]) + (f" and {len(names) - MOST_SHOWN} more" if len(names) > MOST_SHOWN else "")
    return f"; there are {shown}" if names else ""


def nearest(wrong: str, right: Iterable[str]) -> str:
    """The name that the fewest slips of the finger lead from; "" where it takes more than two in five letters.

    Of names equally near, one of the same length is more likely. Of `data.seed` the last part may stand alone.
    """
    most = max(1, 2 * len(wrong) // 5)
    found = [
        (slips(_plain(wrong), _plain(form)), abs(len(form) - len(wrong)), form != name, name)
        for name in right
        for form in {name, name.rpartition(".")[2]}
        if abs(len(form) - len(wrong)) <= most
    ]
    return min(found)[-1] if found and min(found)[0] <= most else ""


def slips(one: str, other: str) -> int:
    """Letters left out, put in, replaced, or swapped with their neighbour (Damerau 1964, CACM 7(3))."""
    before: list[int] = []
    row = list(range(len(other) + 1))
    for i, a in enumerate(one, start=1):
        above, row_above = row, before
        row = [i]
        for j, b in enumerate(other, start=1):
            least = min(above[j] + 1, row[j - 1] + 1, above[j - 1] + (a != b))
            if i > 1 and j > 1 and a == other[j - 2] and one[i - 2] == b:
                least = min(least, row_above[j - 2] + 1)
            row.append(least)
        before = above
    return row[-1]


def _plain(name: str) -> str:
    return name.casefold().replace("-", "_").replace(" ", "_")
