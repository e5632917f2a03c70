import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from train_fn.mixing import beta, cutmix, mix, mixup

CLASSES = 5


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def batch(rows=6, size=8):
    """Each image of one value of its own, and of a class of its own as far as there are such."""
    images = torch.arange(1.0, rows + 1)[:, None, None, None].expand(rows, 3, size, size).clone()
    return images, torch.nn.functional.one_hot(torch.arange(rows) % CLASSES, CLASSES).float()


@settings(deadline=None, max_examples=50)
@given(st.integers(0, 2**31), st.integers(1, 7), st.floats(0.1, 5), st.sampled_from([mixup, cutmix]))
def test_targets_stay_shares_that_add_up_to_one_and_rows_to_what_they_were(seed, rows, alpha, method):
    images, targets = batch(rows)
    mixed, soft = method(images, targets, generator(seed), alpha)
    assert mixed.shape == images.shape and (soft >= 0).all()
    torch.testing.assert_close(soft.sum(dim=1), torch.ones(rows))
    torch.testing.assert_close(soft.sum(dim=0), targets.sum(dim=0))


@settings(deadline=None, max_examples=50)
@given(st.integers(0, 2**31), st.floats(0.1, 5), st.sampled_from([mixup, cutmix]))
def test_an_image_holds_of_each_class_what_its_target_says(seed, alpha, method):
    """In the mean over its pixels: of mixup in each of them, of CutMix by area."""
    images = torch.eye(CLASSES)[:, :, None, None].expand(CLASSES, CLASSES, 8, 8)  # a channel for each class
    mixed, soft = method(images, torch.eye(CLASSES), generator(seed), alpha)
    torch.testing.assert_close(mixed.mean(dim=(2, 3)), soft)


def test_mixup_is_the_formula_of_the_paper():
    images, targets = torch.randn(6, 3, 8, 8, generator=generator(3)), batch()[1]
    mixed, soft = mixup(images, targets, generator(7), 0.4)
    again = generator(7)
    share, others = beta(0.4, again), torch.randperm(6, generator=again)
    torch.testing.assert_close(
        mixed, torch.stack([share * images[i] + (1 - share) * images[others[i]] for i in range(6)])
    )
    torch.testing.assert_close(
        soft, torch.stack([share * targets[i] + (1 - share) * targets[others[i]] for i in range(6)])
    )
    assert 0 < share < 1 and others.tolist() != list(range(6))


def test_cutmix_pastes_one_box_and_nothing_else():
    boxes = 0
    for seed in range(50):
        mixed, _ = cutmix(*batch(), generator(seed), 1.0)
        changed = mixed != batch()[0]
        for image in changed:
            rows, columns = image.any(dim=(0, 2)).nonzero(), image.any(dim=(0, 1)).nonzero()
            if len(rows):
                inside = image[:, rows.min() : rows.max() + 1, columns.min() : columns.max() + 1]
                assert inside.all() and image.sum() == inside.numel()
                boxes += 1
    assert boxes > 100


@pytest.mark.parametrize("alpha", [0.2, 1.0, 3.0])
def test_shares_follow_the_beta_distribution(alpha):
    random = generator()
    drawn = [beta(alpha, random) for _ in range(2000)]
    assert stats.kstest(drawn, stats.beta(alpha, alpha).cdf).pvalue > 0.01


def test_where_both_are_on_each_batch_gets_one_of_them():
    def kind(seed):
        mixed, _ = mix(*batch(), generator(seed), mixup_alpha=1.0, cutmix_alpha=1.0)
        return "mixup" if not torch.equal(mixed, mixed.round()) else "cutmix"  # CutMix keeps each pixel's value

    kinds = [kind(seed) for seed in range(300)]
    assert 110 < kinds.count("mixup") < 190


def test_off_changes_and_draws_nothing():
    random, (images, targets) = generator(), batch()
    mixed, soft = mix(images, targets, random, mixup_alpha=0.0, cutmix_alpha=0.0)
    assert mixed is images and soft is targets
    assert torch.equal(random.get_state(), generator().get_state())


def test_the_batch_that_was_given_stays_as_it_was():
    images, targets = batch()
    for method in (mixup, cutmix):
        method(images, targets, generator(), 1.0)
    assert torch.equal(images, batch()[0]) and torch.equal(targets, batch()[1])
