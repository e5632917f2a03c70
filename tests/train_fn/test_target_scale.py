import copy

import pytest
import torch

from train_fn.config import TextConfig
from train_fn.data import TextDataConfig
from train_fn.errors import DataError
from train_fn.setup import begin
from train_fn.target_scale import last_layer, target_scale

NUMBERS = torch.tensor([120.0, 80.0, 300.0, 100.0], dtype=torch.float64)
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
    torch.testing.assert_close(model(**INPUTS).logits.double(), expected, rtol=1e-5, atol=1e-4)


def test_a_head_without_a_bias_is_not_asked_to_add_the_mean(small_architecture, random_model):
    described = small_architecture("bert")
    described.num_labels = 1
    model = random_model(described)
    last_layer(model)[1].bias = None
    assert target_scale(NUMBERS, model).mean == 0


def test_what_a_head_took_in_can_be_taken_from_it(small_architecture, random_model):
    described = small_architecture("bert")
    described.num_labels = 1
    model = random_model(described).eval()
    scale, ours = target_scale(NUMBERS, model), copy.deepcopy(model)
    model.load_state_dict(scale.into_head(model, model.state_dict()))
    scale.take_from_head(model)
    torch.testing.assert_close(model(**INPUTS).logits, ours(**INPUTS).logits)


@pytest.mark.parametrize(
    ("numbers", "rule"),
    [
        ([5.0, 5.0], "must differ by more than fp32 can tell at their size"),
        ([0.0, 0.0], "must differ by more than fp32 can tell at their size"),
        ([1.7e9, 1.7e9 + 30], "must differ by more than fp32 can tell at their size"),
        ([1e39, -1e39], "must be of a size that fp32 can hold"),
        ([1e-39, 3e-39], "must be of a size that fp32 can hold"),
    ],
)
def test_numbers_that_a_saved_model_could_not_tell_apart_are_refused(numbers, rule, small_architecture, random_model):
    described = small_architecture("bert")
    described.num_labels = 1
    with pytest.raises(DataError, match=rule) as error:
        target_scale(torch.tensor(numbers, dtype=torch.float64), random_model(described))
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("numbers", [[1.7e9, 1.8e9], [1990.0, 2020.0], [1e-9, 2e-9], [1e20, 3e20]])
def test_numbers_of_any_usual_size_are_taken(numbers, small_architecture, random_model):
    described = small_architecture("bert")
    described.num_labels = 1
    scaled = target_scale(torch.tensor(numbers, dtype=torch.float64), random_model(described)).scaled
    assert scaled(torch.tensor(numbers, dtype=torch.float64)).tolist() == pytest.approx([-1, 1])


def test_dates_in_exact_seconds_reach_training(tmp_path):
    """fp32 would round them to 128 s."""
    dates = [1_700_000_000 + row * 1_000_003 for row in range(60)]
    (tmp_path / "dates.csv").write_text(
        "text,label\n" + "".join(f"apple {row},{date}\n" for row, date in enumerate(dates)), encoding="utf-8"
    )
    data = TextDataConfig(file=str(tmp_path / "dates.csv"), task="regression", cache=str(tmp_path))
    setup, _ = begin(TextConfig(data=data, model="tiny"))
    assert setup.train.targets.dtype == torch.float32
    seconds = setup.scale.unscaled(setup.train.targets)
    assert set(setup.valid.targets.tolist()) <= set(dates)
    assert all(min(abs(date - second) for date in dates) < 3 for second in seconds.tolist())
