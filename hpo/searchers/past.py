"""An earlier study as a guide: good configurations lie where its good trials were denser than its others.

Its scores count by their order alone, since another task has another scale. How far it is believed follows from how
well that ratio of densities ranks the trials of the new study: hpo/searchers/guided.py.
"""

import math
from collections.abc import Sequence

import numpy as np

from hpo.searchers.drawing import at_point
from hpo.searchers.guided import Guide
from hpo.searchers.parzen import choices, fit
from hpo.space import Params, Space

GOOD = 0.15  # of its trials
MOST_GOOD = 25
NARROWEST = 0.1  # width of a kernel in shares of the range: on another task the best lies near by, not there


def past_guide(study: str, configurations: Sequence[Params], space: Space) -> Guide:
    """`configurations` are the earlier trials, best first; a parameter that one lacks is left open."""
    domains = {name: space[name].domain for name in space.varied}
    points = np.array(
        [[domains[n].share(params[n]) if n in params else math.nan for n in space.varied] for params in configurations]
    ).reshape(-1, len(space.varied))
    count = min(math.ceil(GOOD * len(points)), MOST_GOOD)
    centre = at_point(space, np.nan_to_num(points[0], nan=0.5))
    cells = choices(space)
    return Guide(
        source=f"study {study}",
        density=fit(points[:count], cells, NARROWEST),
        centre=centre if space.allows(centre) else None,
        against=fit(points[count:], cells, NARROWEST),
    )
