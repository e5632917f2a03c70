import pytest
import torch

from train_fn.setup import begin
from train_fn.text import train
from train_fn.token_dropout import hide_tokens

IDS = torch.randint(5, 100, (200, 50), generator=torch.Generator().manual_seed(0))


def test_tokens_are_hidden_in_their_share_and_special_ones_never():
    ids = IDS.clone()
    ids[:, 0] = 2
    torch.manual_seed(0)
    hidden = hide_tokens(ids, 0.3, mask_id=4, special_ids=(0, 2, 3))
    assert (hidden[:, 0] == 2).all()
    assert (hidden[:, 1:] == 4).float().mean() == pytest.approx(0.3, abs=0.02)
    kept = hidden != 4
    assert torch.equal(hidden[kept], ids[kept])


def test_the_same_generator_hides_the_same():
    def draw():
        torch.manual_seed(1)
        return hide_tokens(IDS, 0.5, mask_id=4, special_ids=())

    assert torch.equal(draw(), draw())


def test_training_texts_lose_tokens_and_valid_ones_do_not(toy):
    setup, _ = begin(toy(token_dropout=0.5))
    rows = torch.arange(20).numpy()
    (first, _), (second, _) = setup.train.collate(rows), setup.train.collate(rows)
    assert not torch.equal(first["input_ids"], second["input_ids"])
    assert torch.equal(first["attention_mask"], second["attention_mask"])
    valid, _ = setup.valid.collate(rows)
    assert not (valid["input_ids"] == setup.train.mask_id).any()


def test_it_changes_what_is_learned_and_a_run_is_still_repeatable(toy):
    losses = [train(toy(max_epochs=1, token_dropout=p))[-1].metrics["loss"] for p in (0.0, 0.3, 0.3)]
    assert losses[0] != losses[1] == losses[2]
