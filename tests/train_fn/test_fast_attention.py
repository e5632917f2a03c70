import copy
import json

import pytest
import torch

from tests.train_fn import small_models
from train_fn.config import TrainingConfig
from train_fn.dropout import FIELDS, set_dropouts
from train_fn.fast_attention import NAME, attention, make_attention_fast
from train_fn.text import epochs

NONE_DROPPED = 1e-6  # less than half of what a unit is drawn from, so that all are kept, on the path with dropout
QUIET = {"hidden_dropout": 0.0, "attention_dropout": NONE_DROPPED, "classifier_dropout": 0.0}


@pytest.fixture(
    params=[name for name in small_models.SMALL_MODELS if "attention_dropout" in FIELDS.get(name, ())],
)
def pair(request):
    """Two equal models in training, with torch's attention and with ours."""
    config = small_models.architecture(request.param)
    knobs = {name: rate for name, rate in QUIET.items() if name in FIELDS[request.param]}
    set_dropouts(config, TrainingConfig(**knobs))
    theirs = small_models.build(config)
    if theirs.config._attn_implementation != "sdpa":
        theirs.set_attn_implementation("sdpa") if theirs._supports_sdpa else pytest.skip("has no such attention")
    ours = copy.deepcopy(theirs)
    make_attention_fast(ours)
    assert ours.config._attn_implementation == NAME
    return theirs.train(), ours.train()


def test_where_nothing_is_dropped_outputs_and_gradients_are_torch_s(pair):
    theirs, ours = pair
    inputs = small_models.inputs(theirs.config)
    if "attention_mask" in inputs:
        inputs["attention_mask"][0, -2:] = 0
    expected, got = (model(**inputs).logits for model in pair)
    torch.testing.assert_close(got, expected, atol=1e-5, rtol=1e-4)
    expected.square().sum().backward(), got.square().sum().backward()
    for (name, one), two in zip(theirs.named_parameters(), ours.parameters(), strict=True):
        if one.grad is not None:
            torch.testing.assert_close(two.grad, one.grad, atol=1e-4, rtol=1e-3, msg=name)


def test_in_bf16_gradients_are_as_near_to_fp32_as_torch_s():
    module = torch.nn.Module()
    module.is_causal = False
    inputs = torch.randn(3, 8, 4, 48, 16, generator=torch.Generator().manual_seed(0))
    mask = torch.ones(8, 1, 48, 48, dtype=torch.bool)
    mask[::2, :, :, -7:] = False

    def gradient(dtype: torch.dtype, dropout: float) -> torch.Tensor:
        given = inputs.to(dtype, copy=True).requires_grad_()
        attention(module, *given, mask, dropout=dropout)[0].float().square().sum().backward()
        return given.grad.float()

    exact = gradient(torch.float32, 0.0)
    ours, theirs = ((gradient(torch.bfloat16, rate) - exact).square().mean().sqrt() for rate in (NONE_DROPPED, 0.0))
    assert ours < 1.5 * theirs


def test_dropout_keeps_the_mean():
    torch.manual_seed(0)
    query, key, value = torch.randn(3, 2, 4, 6, 8)
    mask = torch.ones(2, 1, 6, 6, dtype=torch.bool)
    mask[0, :, :, -1] = False
    module = torch.nn.Module()
    module.is_causal = False
    expected = attention(module, query, key, value, mask)[0]
    drawn = torch.stack([attention(module, query, key, value, mask, dropout=0.3)[0] for _ in range(3_000)])
    torch.testing.assert_close(drawn.mean(dim=0), expected, atol=0.06, rtol=0)
    assert not torch.equal(drawn[0], drawn[1])


def test_a_saved_model_does_not_know_of_it(toy, tmp_path):
    report = next(epochs(toy(attention_dropout=0.1)))
    report.save(tmp_path)
    assert NAME not in json.dumps(json.loads((tmp_path / "model" / "config.json").read_text()))
