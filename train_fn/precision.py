"""How many bits the forward and backward passes work in; the weights they update are always fp32."""

from collections.abc import Mapping
from typing import Literal

import torch

from train_fn.config import Precision

DTYPES: Mapping[str, torch.dtype] = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}


def resolve(precision: Precision, device: torch.device) -> Literal["fp32", "bf16", "fp16"]:
    """What `auto` means on this device."""
    if precision != "auto":
        return precision
    if device.type == "cuda":
        return "bf16" if torch.cuda.is_bf16_supported(including_emulation=False) else "fp16"
    return "bf16" if processor_has_bf16() else "fp32"


def processor_has_bf16() -> bool:
    """AVX512-BF16 or AMX. Without them torch emulates bf16, correctly but slower than fp32."""
    return torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()


def autocast(precision: str, device: torch.device) -> torch.autocast:
    """Mixed precision (Micikevicius et al. 2018, arXiv:1710.03740)."""
    return torch.autocast(device.type, DTYPES[precision], enabled=precision != "fp32")


def gradient_scaler(precision: str, device: torch.device) -> torch.amp.GradScaler:
    """Only fp16 has so few exponent bits that small gradients vanish; for the others the scaler does nothing."""
    return torch.amp.GradScaler(device.type, enabled=precision == "fp16")
