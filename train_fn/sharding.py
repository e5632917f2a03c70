"""A model that does not fit one GPU: each process holds a share of every weight, gradient and moment.

ZeRO (Rajbhandari et al. 2019, arXiv:1910.02054), by torch's `fully_shard` (FSDP2; Zhao et al. 2023, arXiv:2304.11277):
a block's weights are gathered just before they are used, and let go after.
"""

import re

import torch
from torch.distributed.fsdp import FSDPModule, fully_shard
from torch.distributed.tensor import DTensor, distribute_tensor
from transformers import PreTrainedModel

BLOCK = re.compile(r"\.(?:layers?|h|blocks?)\.\d+$")


def shard(model: PreTrainedModel) -> None:
    """In place: block by block, and what is left as one."""
    for name, module in model.named_modules():
        if BLOCK.search(name):
            fully_shard(module)
    fully_shard(model)
    for module in model.modules():
        if isinstance(module, FSDPModule):
            # sums, not means: the loss is divided by the weight of the whole batch already
            module.set_gradient_divide_factor(1.0)
            module.set_force_sum_reduction_for_comms(True)


def is_sharded(model: PreTrainedModel) -> bool:
    return isinstance(model, FSDPModule)


def whole(tensor: torch.Tensor) -> torch.Tensor:
    """Gathered from all processes, which must all ask; any other tensor as it is."""
    return tensor.full_tensor() if isinstance(tensor, DTensor) else tensor


def gathered(tensor: torch.Tensor) -> torch.Tensor:
    """The same on the host, for a device may have no room for many of them."""
    return tensor.full_tensor().cpu() if isinstance(tensor, DTensor) else tensor


def like(tensor: torch.Tensor, parameter: torch.Tensor) -> torch.Tensor:
    """This process's share of a tensor that all have, if the parameter is shared so."""
    if isinstance(parameter, DTensor) and tensor.shape == parameter.shape:
        tensor = tensor.to(parameter.device)
        return distribute_tensor(tensor, parameter.device_mesh, parameter.placements, src_data_rank=None)
    return tensor
