"""Points that are compared in several objectives at once, larger being better in each: who is best, and by how much.

A point dominates another that it is nowhere worse than, and somewhere better. What nothing dominates is the Pareto
front; how far a front has come is the volume that it dominates, the one measure that grows with every better front
(Zitzler and Thiele 1998, PPSN V).
"""

from collections.abc import Sequence

Point = tuple[float, ...]


def dominates(one: Point, other: Point) -> bool:
    return one != other and all(mine >= theirs for mine, theirs in zip(one, other, strict=True))


def nondominated(points: Sequence[Point]) -> list[int]:
    """Indices of the front, the best in the first objective first; equal points stand there all, in their order.

    In that order no point dominates one before it, so that each is compared with the front so far alone.
    """
    found: list[int] = []
    for index in sorted(range(len(points)), key=lambda one: ([-value for value in points[one]], one)):
        if not any(dominates(points[other], points[index]) for other in found):
            found.append(index)
    return found


def hypervolume(points: Sequence[Point], reference: Point) -> float:
    """Of the space between the reference and the points; one that is not beyond it in all objectives counts nothing.

    By slices along the last objective (Knowles 2002), down to areas of two: n^(m-2) areas for n points in m objectives.
    """
    beyond = [point for point in points if all(value > least for value, least in zip(point, reference, strict=True))]
    if len(reference) == 1:
        return max((point[0] - reference[0] for point in beyond), default=0.0)
    beyond.sort(key=lambda point: -point[-1])
    if len(reference) == 2:
        return _area(beyond, reference)
    volume = 0.0
    for index, point in enumerate(beyond):
        below = beyond[index + 1][-1] if index + 1 < len(beyond) else reference[-1]
        if point[-1] > below:
            volume += (point[-1] - below) * hypervolume([one[:-1] for one in beyond[: index + 1]], reference[:-1])
    return volume


def _area(points: Sequence[Point], reference: Point) -> float:
    """Of points in falling order of the second objective: each adds what reaches farther than those above it."""
    area, reached = 0.0, reference[0]
    for first, second in points:
        if first > reached:
            area += (first - reached) * (second - reference[1])
            reached = first
    return area
