import pytest
import torch

from train_fn.losses import cross_entropy

LOGITS = torch.randn(6, 4, generator=torch.Generator().manual_seed(0))
TARGETS = torch.tensor([0, 3, 1, 1, 2, 0])


@pytest.mark.parametrize("smoothing", [0.0, 0.1, 0.5])
def test_label_smoothing_is_the_formula_of_the_paper(smoothing):
    expected = 0.0
    for row, target in zip(LOGITS.log_softmax(dim=1).tolist(), TARGETS.tolist(), strict=True):
        wanted = [smoothing / 4 + (1 - smoothing) * (index == target) for index in range(4)]
        expected -= sum(share * log_probability for share, log_probability in zip(wanted, row, strict=True))
    assert cross_entropy(LOGITS, TARGETS, smoothing).item() == pytest.approx(expected, abs=1e-5)


def test_parts_of_a_batch_add_up_to_it():
    parts = cross_entropy(LOGITS[:1], TARGETS[:1], 0.1) + cross_entropy(LOGITS[1:], TARGETS[1:], 0.1)
    torch.testing.assert_close(parts, cross_entropy(LOGITS, TARGETS, 0.1))


def test_half_precision_logits_give_a_full_precision_loss():
    assert cross_entropy(LOGITS.bfloat16(), TARGETS, 0.0).dtype == torch.float32
