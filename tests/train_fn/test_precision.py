import pytest
import torch

from train_fn.precision import autocast, gradient_scaler, processor_has_bf16, products, resolve
from train_fn.text import epochs

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


@pytest.mark.parametrize("precision", ["tf32", "bf16", "fp16"])
def test_what_the_device_cannot_do_is_refused_in_one_line(precision):
    if precision == "tf32":
        with pytest.raises(
            ValueError, match="`precision` tf32 needs an NVIDIA GPU from Ampere on, got cpu; try fp32 or auto"
        ):
            resolve(precision, CPU)
    elif precision == "fp16":
        with pytest.raises(
            ValueError, match="`precision` fp16 needs an NVIDIA GPU or a CPU, got mps; try fp32 or auto"
        ):
            resolve(precision, torch.device("mps"))
    else:
        assert resolve(precision, CPU) == "bf16"


def test_gradients_are_clipped_after_the_scaler_s_factor_is_taken_out(toy, no_dropout):
    """Their norm is that of fp32, not 65,536 times as large."""
    half, full = (next(epochs(toy(precision=precision, max_epochs=1, **no_dropout))) for precision in ("fp16", "fp32"))
    assert half.metrics["grad_norm"] == pytest.approx(full.metrics["grad_norm"], rel=0.05)


@pytest.mark.parametrize("precision", ["fp32", "tf32"])
def test_products_leave_the_caller_s_setting_as_it_was(precision):
    before = torch.backends.cuda.matmul.allow_tf32
    with products(precision):
        assert torch.backends.cuda.matmul.allow_tf32 == (precision == "tf32")
    assert torch.backends.cuda.matmul.allow_tf32 == before
