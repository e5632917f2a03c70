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


FP32 = (torch.backends.cuda.matmul, torch.backends.cudnn.conv)


def of_fp32():
    return [setting.fp32_precision for setting in FP32]


@pytest.fixture
def _settings_come_back():
    before = of_fp32()
    yield
    torch.set_float32_matmul_precision("highest")
    for setting, own in zip(FP32, before, strict=True):
        setting.fp32_precision = own


@pytest.mark.usefixtures("_settings_come_back")
@pytest.mark.parametrize(("precision", "inside"), [("fp32", "ieee"), ("bf16", "ieee"), ("tf32", "tf32")])
@pytest.mark.parametrize("own", ["none", "ieee", "tf32"])
def test_products_and_convolutions_are_as_precise_as_said_and_then_as_the_caller_had_them(precision, inside, own):
    for setting in FP32:
        setting.fp32_precision = own
    before = of_fp32()
    with products(precision, torch.device("cuda")):
        assert of_fp32() == [inside, inside]
    assert of_fp32() == before


@pytest.mark.usefixtures("_settings_come_back")
@pytest.mark.parametrize("own", ["highest", "high", "medium"])
@pytest.mark.parametrize("precision", ["fp32", "tf32"])
def test_a_caller_who_speaks_of_products_in_the_older_way_finds_his_own(precision, own):
    torch.set_float32_matmul_precision(own)
    with products(precision, torch.device("cuda")):
        pass
    assert torch.get_float32_matmul_precision() == own


@pytest.mark.usefixtures("_settings_come_back")
def test_on_a_processor_nothing_is_set():
    before = of_fp32()
    with products("fp32", CPU):
        assert of_fp32() == before
