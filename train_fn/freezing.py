"""Which weights stay as they were pretrained, for good or for some epochs."""

from torch.optim import Optimizer
from transformers import PreTrainedModel

from train_fn.architecture import check_blocks
from train_fn.config import Freeze
from train_fn.depth import is_head, known_blocks, parameter_depths

ROUNDING = 1e-9  # 3 * 0.1 / 0.1 is 3.0000000000000004, and 0.3 / 0.1 is 2.9999999999999996


def freeze(model: PreTrainedModel, *, what: Freeze, num_blocks: int) -> None:
    """For good: a part, or the first blocks and the embeddings below them (Lee et al. 2019, arXiv:1911.03090)."""
    check_blocks(model.config.model_type, known_blocks(model), freeze_blocks=num_blocks)
    depths = parameter_depths(model)
    for name, parameter in model.named_parameters():
        below = depths[name] <= num_blocks and num_blocks > 0
        embedding = what == "embeddings" and depths[name] == 0
        body = what == "backbone" and not is_head(name, model)
        if below or embedding or body:
            parameter.requires_grad = False


def lowest_unfrozen(top: int, epoch: float, unfreeze_every: float) -> int:
    """Gradual unfreezing (Howard & Ruder 2018, arXiv:1801.06146): the head first, then block by block down."""
    return top - int(epoch / unfreeze_every + ROUNDING)


def unfreeze(optimizer: Optimizer, epoch: float, unfreeze_every: float) -> None:
    """Let the parameters learn that are to learn at this epoch, out of those that may at all.

    A pure function of the position, so that a resumed run need not know what the one before it had unfrozen. What is
    frozen for good is in no group of the optimizer.
    """
    groups = optimizer.param_groups
    lowest = lowest_unfrozen(max(max(group["depths"]) for group in groups), epoch, unfreeze_every)
    for group in groups:
        for parameter, depth in zip(group["params"], group["depths"], strict=True):
            parameter.requires_grad = depth >= lowest
