import pytest
import torch

from train_fn.target_scale import last_layer, target_scale

NUMBERS = torch.tensor([120.0, 80.0, 300.0, 100.0])
INPUTS = {"input_ids": torch.tensor([[1, 4, 9, 3]])}


@pytest.mark.parametrize(
    "architecture", ["bert", "roberta", "distilbert", "electra", "albert", "modernbert", "deberta-v2"]
)
def test_a_head_that_took_the_scale_in_speaks_in_the_unit_of_the_data(architecture, small_architecture, random_model):
    described = small_architecture(architecture)
    described.num_labels = 1
    model = random_model(described).eval()
    scale = target_scale(NUMBERS, model)
    assert scale.scaled(NUMBERS).mean().item() == pytest.approx(0, abs=1e-6)
    assert scale.scaled(NUMBERS).std(correction=0).item() == pytest.approx(1)
    expected = scale.unscaled(model(**INPUTS).logits)
    model.load_state_dict(scale.into_head(model, model.state_dict()))
    torch.testing.assert_close(model(**INPUTS).logits, expected)


def test_a_head_without_a_bias_is_not_asked_to_add_the_mean(small_architecture, random_model):
    described = small_architecture("bert")
    described.num_labels = 1
    model = random_model(described)
    last_layer(model)[1].bias = None
    assert target_scale(NUMBERS, model).mean == 0
