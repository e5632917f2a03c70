import numpy
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageEnhance, ImageFilter, ImageOps

from train_fn import image_augmentation
from train_fn.image_augmentation import OPERATIONS, augment, rand_augment, random_crop, random_flip

SIZE = 17
NAMES = [operation.__name__ for operation in OPERATIONS]


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def photos(rows=4, seed=0):
    """Smooth colours with noise, of unlike brightness and contrast."""
    random = generator(seed)
    coarse = torch.rand(rows, 3, 4, 4, generator=random)
    smooth = torch.nn.functional.interpolate(coarse, size=(SIZE, SIZE), mode="bilinear")
    reach = torch.linspace(0.3, 1, rows)[:, None, None, None]
    noise = 0.1 * torch.rand(rows, 3, SIZE, SIZE, generator=random)
    return (255 * (smooth * reach + noise)).clamp(0, 255).to(torch.uint8)


def as_pillow(image):
    return Image.fromarray(image.permute(1, 2, 0).numpy())


def as_tensor(picture):
    return torch.from_numpy(numpy.array(picture)).permute(2, 0, 1)


def warped(matrix):
    """Pillow's own way to say where each pixel comes from, around the centre."""
    a, b, c, d = matrix
    middle = SIZE / 2
    x, y = middle - a * middle - b * middle, middle - c * middle - d * middle
    return lambda picture, x0=0.0, y0=0.0: picture.transform(
        picture.size, Image.Transform.AFFINE, (a, b, x + x0, c, d, y + y0), Image.Resampling.BILINEAR
    )


def enhanced(enhancer):
    return lambda picture, level: enhancer(picture).enhance(1 + 0.9 * level)


PILLOW = {
    "identity": lambda picture, level: picture,
    "rotate": lambda picture, level: picture.rotate(30 * level, Image.Resampling.BILINEAR),
    "shear_x": lambda picture, level: warped((1, 0.3 * level, 0, 1))(picture),
    "shear_y": lambda picture, level: warped((1, 0, 0.3 * level, 1))(picture),
    "translate_x": lambda picture, level: warped((1, 0, 0, 1))(picture, x0=SIZE * 150 / 331 * level),
    "translate_y": lambda picture, level: warped((1, 0, 0, 1))(picture, y0=SIZE * 150 / 331 * level),
    "brightness": enhanced(ImageEnhance.Brightness),
    "saturation": enhanced(ImageEnhance.Color),
    "contrast": enhanced(ImageEnhance.Contrast),
    "sharpness": enhanced(ImageEnhance.Sharpness),
    "posterize": lambda picture, level: ImageOps.posterize(picture, 8 - round(4 * abs(level))),
    "solarize": lambda picture, level: ImageOps.solarize(picture, 255 * (1 - abs(level))),
    "auto_contrast": lambda picture, level: ImageOps.autocontrast(picture),
    "equalize": lambda picture, level: ImageOps.equalize(picture),
}


@pytest.mark.parametrize("level", [-1.0, -0.37, 0.0, 0.5, 1.0])
@pytest.mark.parametrize("name", NAMES)
def test_each_operation_does_what_pillow_does(name, level):
    images = photos()
    images[:, :, [0, 1, -2, -1]] = images[:, :, :, [0, 1, -2, -1]] = 0  # Pillow cuts at the rim where we fade to black
    found = getattr(image_augmentation, name)(images, torch.full((len(images),), level))
    expected = torch.stack([as_tensor(PILLOW[name](as_pillow(image), level)) for image in images])
    assert (found.int() - expected.int()).abs().max() <= (4 if name == "rotate" else 2)


def test_the_border_and_the_inside_of_a_sharpened_image_are_those_of_the_smoothing_filter():
    image = photos(1)
    smooth = image_augmentation.sharpness(image, torch.tensor([-1 / 0.9]))  # factor 0: nothing but the smoothed one
    expected = as_tensor(as_pillow(image[0]).filter(ImageFilter.SMOOTH))
    assert (smooth[0].int() - expected.int()).abs().max() <= 1


@pytest.mark.parametrize("name", NAMES)
def test_an_operation_sees_each_image_alone(name):
    images, levels = photos(), torch.tensor([-1.0, -0.2, 0.4, 0.9])
    operation = getattr(image_augmentation, name)
    alone = torch.cat([operation(images[row : row + 1], levels[row : row + 1]) for row in range(4)])
    assert torch.equal(operation(images, levels), alone)
    assert operation(images, levels).dtype == torch.uint8


@pytest.mark.parametrize("name", ["posterize", "solarize", "auto_contrast", "equalize"])
def test_an_image_of_one_colour_is_left_whole(name):
    flat = torch.full((1, 3, SIZE, SIZE), 77, dtype=torch.uint8)
    assert getattr(image_augmentation, name)(flat, torch.zeros(1)).unique().tolist() == [77]


def test_no_operation_changes_the_batch_it_is_given():
    images = photos()
    for operation in OPERATIONS:
        operation(images, torch.ones(4))
    augment(images, generator(), flip=1.0, crop=0.5, layers=3, magnitude=30)
    assert torch.equal(images, photos())


def test_a_flip_of_probability_1_mirrors_all_and_of_half_about_half():
    images = photos(1).expand(1000, -1, -1, -1)
    assert torch.equal(random_flip(images, generator(), 1.0), images.flip(3))
    mirrored = (random_flip(images, generator(), 0.5) == images.flip(3)).flatten(1).all(dim=1)
    assert 450 < mirrored.sum() < 550


@pytest.mark.parametrize("smallest", [0.08, 0.5, 0.9])
def test_a_crop_keeps_its_share_of_the_area_and_stays_inside(monkeypatch, smallest):
    matrices = []
    monkeypatch.setattr(image_augmentation, "warp", lambda images, matrix, padding: matrices.append(matrix) or images)
    random_crop(photos(1).expand(5000, -1, -1, -1), generator(), smallest)
    width, height = matrices[0][:, 0], matrices[0][:, 4]
    assert (width * height).min() == pytest.approx(smallest, abs=0.01)
    assert (width * height).min() >= smallest - 1e-6 and (width * height).max() <= 1
    assert (width / height).max() <= 4 / 3 + 1e-6 and (height / width).max() <= 4 / 3 + 1e-6
    for side, centre in ((width, matrices[0][:, 2]), (height, matrices[0][:, 5])):
        assert ((centre.abs() + side) <= 1 + 1e-6).all()
        assert (centre.abs() > 0.5 * (1 - side)).float().mean() == pytest.approx(0.5, abs=0.03)


def test_a_crop_enlarges_what_it_keeps():
    ramp = torch.arange(SIZE, dtype=torch.uint8).expand(200, 3, SIZE, SIZE)  # each column one brighter
    cropped = random_crop(ramp, generator(), 0.3).int()
    reach = cropped[:, :, :, -1] - cropped[:, :, :, 0]
    assert (reach >= 0).all() and reach.min() < 0.7 * SIZE
    assert cropped.min() >= 0 and cropped.max() < SIZE


@settings(deadline=None, max_examples=20)
@given(st.integers(0, 2**31), st.integers(1, 3), st.floats(0, 30))
def test_the_same_generator_gives_the_same_images(seed, layers, magnitude):
    knobs = {"flip": 0.5, "crop": 0.5, "layers": layers, "magnitude": magnitude}
    first, again = (augment(photos(), generator(seed), **knobs) for _ in range(2))
    assert torch.equal(first, again)
    assert first.shape == (4, 3, SIZE, SIZE) and first.dtype == torch.uint8


def test_another_generator_gives_other_images():
    assert not torch.equal(rand_augment(photos(), generator(0), 2, 9), rand_augment(photos(), generator(1), 2, 9))


def test_all_off_gives_the_same_images_and_draws_nothing():
    random = generator()
    found = augment(photos(), random, flip=0.0, crop=1.0, layers=0, magnitude=9)
    assert torch.equal(found, photos())
    assert torch.equal(random.get_state(), generator().get_state())


def test_every_operation_is_drawn_about_as_often_and_each_way(monkeypatch):
    seen = {}

    def counted(name):
        def operation(images, levels):
            seen[name] = levels
            return images

        return operation

    monkeypatch.setattr(image_augmentation, "OPERATIONS", [counted(name) for name in NAMES])
    rand_augment(photos(1).expand(14_000, -1, -1, -1), generator(), 1, 15)
    assert {name: len(levels) for name, levels in seen.items()} == pytest.approx(dict.fromkeys(NAMES, 1000), rel=0.15)
    for levels in seen.values():
        assert levels.unique().tolist() == [-0.5, 0.5]
        assert levels.mean().abs() < 0.06


def test_a_greater_magnitude_moves_the_images_further():
    def moved(magnitude):
        images = photos(8).repeat(40, 1, 1, 1)
        return (rand_augment(images, generator(), 2, magnitude).int() - images.int()).abs().float().mean()

    assert moved(3) < moved(10) < moved(30)
