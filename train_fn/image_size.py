"""How a pretrained model learns to see images of another size."""

import copy

import torch
from torch.nn import functional
from transformers import PreTrainedModel


def resized(model: PreTrainedModel, size: int) -> PreTrainedModel:
    """The same weights for images of `size` x `size` pixels; the positions of patches are interpolated.

    Dosovitskiy et al. 2020 (arXiv:2010.11929), section 3.2. Raises a ValueError where other weights depend on the size,
    as in BEiT; convolutions take any.
    """
    own = getattr(model.config, "image_size", size)
    if own in (size, [size, size], (size, size)):
        return model
    architecture = copy.deepcopy(model.config)
    architecture.image_size = size
    new = type(model)._from_config(architecture, dtype=torch.float32)
    wanted = {name: tensor.shape for name, tensor in new.state_dict().items()}
    weights = {}
    for name, tensor in model.state_dict().items():
        if tensor.shape != wanted[name]:
            if not name.endswith("position_embeddings"):
                raise ValueError(
                    f"`image_size` must be {own} for this model of type {model.config.model_type}, got {size}: "
                    "other weights than positions depend on it; leave it out"
                )
            tensor = interpolated(tensor, wanted[name][1])
        weights[name] = tensor
    new.load_state_dict(weights)
    if hasattr(model, "drawn"):
        new.drawn = model.drawn
    return new


def interpolated(positions: torch.Tensor, count: int) -> torch.Tensor:
    """From (1, tokens, width) to (1, count, width): a few tokens of no patch come first, then a square of patches."""
    grid, new_grid = int(positions.shape[1] ** 0.5), int(count**0.5)
    others = positions.shape[1] - grid**2
    patches = positions[:, others:].unflatten(1, (grid, grid)).movedim(3, 1)
    patches = functional.interpolate(patches, (new_grid, new_grid), mode="bicubic", align_corners=False)
    return torch.cat([positions[:, :others], patches.flatten(2).transpose(1, 2)], dim=1)
