import pytest
import torch

from train_fn.precision import autocast, gradient_scaler, processor_has_bf16, resolve

CPU = torch.device("cpu")


def test_auto_takes_bf16_only_where_the_processor_has_it():
    assert resolve("auto", CPU) == ("bf16" if processor_has_bf16() else "fp32")


@pytest.mark.parametrize("precision", ["fp32", "bf16", "fp16"])
def test_a_named_precision_is_kept(precision):
    assert resolve(precision, CPU) == precision


@pytest.mark.parametrize(
    ("precision", "dtype"), [("fp32", torch.float32), ("bf16", torch.bfloat16), ("fp16", torch.float16)]
)
def test_matrices_are_multiplied_in_the_named_precision(precision, dtype):
    with autocast(precision, CPU):
        assert (torch.ones(2, 2) @ torch.ones(2, 2)).dtype == dtype


@pytest.mark.parametrize(("precision", "enabled"), [("fp32", False), ("bf16", False), ("fp16", True)])
def test_only_fp16_scales_its_gradients(precision, enabled):
    assert gradient_scaler(precision, CPU).is_enabled() == enabled
