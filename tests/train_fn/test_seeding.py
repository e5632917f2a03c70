import torch

from train_fn.seeding import generator, torch_stream


def draw(seed, purpose, *index):
    with torch_stream(seed, purpose, *index):
        return torch.rand(4).tolist()


def test_a_stream_follows_from_seed_purpose_and_index():
    assert draw(3, "dropout", 2) == draw(3, "dropout", 2)


def test_streams_differ_in_seed_purpose_and_index():
    draws = [draw(3, "dropout", 2), draw(4, "dropout", 2), draw(3, "weights", 2), draw(3, "dropout", 3)]
    assert len({tuple(numbers) for numbers in draws}) == 4


def test_seed_and_epoch_cannot_stand_in_for_each_other():
    assert draw(1, "dropout", 2) != draw(2, "dropout", 1)


def test_the_caller_s_stream_goes_on_as_if_nothing_had_been_drawn():
    torch.manual_seed(0)
    expected = torch.rand(2).tolist()
    torch.manual_seed(0)
    draw(3, "dropout", 2)
    assert torch.rand(2).tolist() == expected


def test_the_largest_seed_works():
    assert generator(2**63 - 1, "order").random() == generator(2**63 - 1, "order").random()
    draw(2**63 - 1, "weights", 0)
