"""How many bits the forward and backward passes work in; the weights they update are always fp32."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Literal

import torch

from train_fn.config import Precision

Resolved = Literal["fp32", "tf32", "bf16", "fp16"]

# what a saved model is scored in, however it was trained: in fewer bits a head that says years would round them
SAVED: Resolved = "fp32"

DTYPES: Mapping[str, torch.dtype] = {"bf16": torch.bfloat16, "fp16": torch.float16}


def resolve(precision: Precision, device: torch.device) -> Resolved:
    """What `auto` means on this device; ValueError for what the device cannot do."""
    if precision == "auto":
        if device.type == "cuda":
            return "bf16" if cuda_has_bf16() else "fp16"
        return "bf16" if processor_has_bf16() else "fp32"
    if precision == "tf32" and not (device.type == "cuda" and torch.cuda.get_device_capability(device) >= (8, 0)):
        raise unsupported(precision, device, "needs an NVIDIA GPU from Ampere on", "fp32")
    if precision == "bf16" and device.type == "cuda" and not cuda_has_bf16():
        raise unsupported(precision, device, "needs an NVIDIA GPU from Ampere on", "fp16")
    if precision == "fp16" and device.type not in ("cuda", "cpu"):
        raise unsupported(precision, device, "needs an NVIDIA GPU or a CPU", "fp32")
    return precision


def unsupported(precision: str, device: torch.device, rule: str, way_out: str) -> ValueError:
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else device.type
    return ValueError(f"`precision` {precision} {rule}, got {name}; try {way_out} or auto")


def cuda_has_bf16() -> bool:
    return torch.cuda.is_bf16_supported(including_emulation=False)


def processor_has_bf16() -> bool:
    """AVX512-BF16 or AMX. Without them torch emulates bf16, correctly but slower than fp32."""
    return torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()


def autocast(precision: Resolved, device: torch.device) -> torch.autocast:
    """Mixed precision of the forward pass (Micikevicius et al. 2017, arXiv:1710.03740)."""
    return torch.autocast(device.type, DTYPES.get(precision), enabled=precision in DTYPES)


@contextmanager
def products(precision: Resolved, device: torch.device) -> Iterator[None]:
    """Of fp32 matrices, forward and backward: rounded to 10 bits (tf32), or not at all; the caller's setting after.

    Convolutions, too, which torch would round by itself. A processor has no such products.
    """
    if device.type != "cuda":
        yield
        return
    # not `allow_tf32`: torch refuses to read it where somebody has set these
    settings = (torch.backends.cuda.matmul, torch.backends.cudnn.conv)  # type: ignore[attr-defined]
    before = [setting.fp32_precision for setting in settings]
    for setting in settings:
        setting.fp32_precision = "tf32" if precision == "tf32" else "ieee"
    try:
        yield
    finally:
        for setting, own in zip(settings, before, strict=True):
            setting.fp32_precision = own


def gradient_scaler(precision: Resolved, device: torch.device) -> torch.amp.GradScaler:
    """Only fp16 has so few exponent bits that small gradients vanish; for the others the scaler does nothing."""
    return torch.amp.GradScaler(device.type, enabled=precision == "fp16")
