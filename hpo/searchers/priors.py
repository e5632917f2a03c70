"""What a person thinks of where the best values lie, as a density and as a configuration to begin with."""

import numpy as np

from hpo.domains import Value
from hpo.searchers.drawing import at_point
from hpo.searchers.parzen import Parzen, around, choices
from hpo.space import Space

# as in NePS (Mallik et al. 2023): a deviation in shares of the range; of a choice how often to once of each other value
WIDTHS = {"low": 0.5, "medium": 0.25, "high": 0.125}
TIMES = {"low": 2.0, "medium": 4.0, "high": 6.0}


def prior_density(space: Space) -> Parzen:
    """A bell around each prior; flat for a parameter without one."""
    priors = [space[name].prior for name in space.varied]
    cells = choices(space)
    return around(
        np.array([space[n].domain.share(p.at) if p else np.nan for n, p in zip(space.varied, priors, strict=True)]),
        np.array([WIDTHS[p.confidence] if p else np.nan for p in priors]),
        cells,
        # `times` to 1 as a kernel's own value to each of the others
        np.array([c / (TIMES[p.confidence] - 1) if p else 1.0 for p, c in zip(priors, cells.tolist(), strict=True)]),
    )


def prior_centre(space: Space, seed: int) -> dict[str, Value] | None:
    """The configuration at all priors, the rest drawn; None where it breaks a constraint."""
    share = np.random.default_rng(seed).random(len(space.varied))
    centre = prior_density(space).centres[0]
    params = at_point(space, np.where(np.isnan(centre), share, centre))
    return params if space.allows(params) else None


def has_priors(space: Space) -> bool:
    return any(space[name].prior for name in space.varied)
