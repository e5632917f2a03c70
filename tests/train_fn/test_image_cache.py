"""Four ways to keep decoded images, of the same pixels."""

import subprocess
import sys
import threading

import numpy
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from train_fn import image_cache
from train_fn.errors import DataError
from train_fn.image_cache import CHUNK, OPENED, automatic, open_images
from train_fn.image_pixels import pixels
from train_fn.read_ahead import BATCHES, ReadAhead

WAYS = ("none", *OPENED)
SIZE = 12


@pytest.fixture(scope="session")
def photos(tmp_path_factory):
    """300 images, more than a chunk holds: JPEG and PNG, wide and high, in colour, grey and with a palette."""
    folder, random = tmp_path_factory.mktemp("photos"), numpy.random.default_rng(0)
    paths = []
    for index in range(300):
        height, width = random.integers(5, 40, 2)
        picture = Image.fromarray(random.integers(0, 256, (height, width, 3), dtype=numpy.uint8))
        picture = picture.convert(("RGB", "L", "P", "RGBA")[index % 4])
        jpeg = picture.mode in ("RGB", "L") and index % 8 < 4
        paths.append(folder / f"{index}.{'jpg' if jpeg else 'png'}")
        picture.save(paths[-1])
    return paths


@pytest.fixture
def opened(photos, tmp_path):
    def open_one(way, images=photos, size=SIZE, **others):
        settings = {"num_workers": 2, "limit_gb": 1.0} | others
        return open_images({"train": images}, tmp_path / "images" / "a", size=size, way=way, **settings)["train"]

    return open_one


@pytest.fixture(scope="session")
def four(photos, tmp_path_factory):
    folder = tmp_path_factory.mktemp("four")
    return {
        way: open_images({"train": photos}, folder / "images" / "a", size=SIZE, way=way, num_workers=2, limit_gb=1.0)
        for way in WAYS
    }


def test_all_ways_give_the_pixels_of_the_files_bit_for_bit(four, photos):
    expected = numpy.stack([pixels(path, SIZE) for path in photos])
    assert expected.shape == (300, SIZE, SIZE, 3) and expected.dtype == numpy.uint8
    for way in WAYS:
        assert numpy.array_equal(four[way]["train"].take(numpy.arange(300)), expected), way


@settings(deadline=None, max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.integers(0, 299), min_size=1, max_size=40), st.booleans())
def test_any_rows_in_any_order_come_back_alike(four, rows, expected):
    rows = numpy.array(rows)
    for opened in four.values():
        opened["train"].expect([rows] if expected else [])
    first, *others = [opened["train"].take(rows) for opened in four.values()]
    assert all(numpy.array_equal(first, other) for other in others)


def test_the_pixels_are_those_of_a_processor_of_transformers(photos):
    from transformers import ViTImageProcessorPil
    from transformers.image_utils import load_image

    processor = ViTImageProcessorPil(size={"height": SIZE, "width": SIZE}, do_normalize=False, do_rescale=False)
    for path in photos[:8]:
        picture = load_image(str(path)) if path.suffix == ".jpg" else Image.open(path).convert("RGBA").convert("RGB")
        theirs = processor(picture)["pixel_values"][0]
        assert numpy.array_equal(pixels(path, SIZE), numpy.moveaxis(theirs, 0, 2))


def test_a_photo_taken_sideways_stands_upright(tmp_path):
    picture = Image.fromarray(numpy.arange(2 * 4 * 3, dtype=numpy.uint8).reshape(2, 4, 3))
    exif = picture.getexif()
    exif[0x0112] = 6  # the camera was turned by a quarter
    picture.save(tmp_path / "sideways.png", exif=exif)
    picture.rotate(-90, expand=True).save(tmp_path / "upright.png")
    assert numpy.array_equal(pixels(tmp_path / "sideways.png", 4), pixels(tmp_path / "upright.png", 4))


def test_an_array_of_the_right_size_is_its_own_cache(opened, tmp_path):
    images = numpy.random.default_rng(0).integers(0, 256, (5, SIZE, SIZE, 3), dtype=numpy.uint8)
    for way in ("auto", *WAYS):
        assert numpy.array_equal(opened(way, images).take(numpy.array([4, 0])), images[[4, 0]])
    assert not (tmp_path / "images").exists()


def test_an_array_of_another_size_is_brought_to_ours_as_files_are(opened, photos, tmp_path):
    images = numpy.random.default_rng(0).integers(0, 256, (5, 20, 16, 3), dtype=numpy.uint8)
    for index, image in enumerate(images):
        Image.fromarray(image).save(tmp_path / f"{index}.png")
    files = [tmp_path / f"{index}.png" for index in range(5)]
    rows = numpy.arange(5)
    assert numpy.array_equal(opened("array", images).take(rows), opened("none", files).take(rows))


@pytest.mark.parametrize("way", list(OPENED))
def test_what_is_kept_is_not_decoded_again(opened, monkeypatch, way):
    first = opened(way).take(numpy.arange(10))
    monkeypatch.setattr(image_cache, "pixels", None)
    assert numpy.array_equal(opened(way).take(numpy.arange(10)), first)


def test_chunks_hold_so_many_images_each(opened, tmp_path):
    opened("chunks")
    kept = sorted((tmp_path / "images" / "a-chunks" / "train").iterdir())
    assert [len(numpy.load(path)) for path in kept] == [CHUNK, 300 - CHUNK]


@pytest.mark.parametrize("way", list(OPENED))
def test_an_image_that_cannot_be_read_leaves_nothing_behind(opened, photos, tmp_path, way):
    broken = tmp_path / "broken.jpg"
    broken.write_bytes(photos[0].read_bytes()[:100])
    with pytest.raises(DataError, match=f"an image must be readable, got {broken}"):
        opened(way, [*photos[:270], broken])
    assert [path for path in (tmp_path / "images").iterdir() if path.suffix != ".lock"] == []


def test_without_a_cache_a_broken_image_is_told_when_it_is_taken(opened, photos, tmp_path):
    (tmp_path / "none.png").write_text("no image")
    images = opened("none", [photos[0], tmp_path / "none.png"])
    images.expect([numpy.array([0, 1])])
    images.take(numpy.array([0]))
    with pytest.raises(DataError, match="an image must be readable"):
        images.take(numpy.array([1]))


def test_a_disk_without_room_is_told_before_anything_is_decoded(opened, monkeypatch):
    monkeypatch.setattr(image_cache, "free_bytes", lambda path: 1000)
    monkeypatch.setattr(image_cache, "pixels", None)
    with pytest.raises(
        DataError, match="`image_cache` array needs 0.0 GB on the disk .*; make room there, or try none"
    ):
        opened("array")


def test_auto_chooses_by_what_there_is_room_for(tmp_path, monkeypatch):
    entry = tmp_path / "images" / "a"
    monkeypatch.setattr(image_cache, "free_bytes", lambda path: 100e9)
    monkeypatch.setattr("os.sysconf", {"SC_PAGE_SIZE": 4096, "SC_PHYS_PAGES": 2_500_000}.__getitem__)  # 10 GB
    assert automatic(entry, int(1e9), limit_gb=20) == "array"
    assert automatic(entry, int(8e9), limit_gb=20) == "chunks"  # more than half of the memory
    assert automatic(entry, int(30e9), limit_gb=20) == "none"  # more than the cache may hold
    assert automatic(entry, int(60e9), limit_gb=100) == "none"  # more than half of the disk
    entry.with_name("a-files").mkdir(parents=True)
    assert automatic(entry, int(30e9), limit_gb=20) == "files"  # which are there


SCRIPT = """
import sys
from pathlib import Path
import numpy
from train_fn import image_cache
decode, count = image_cache.pixels, []
image_cache.pixels = lambda *arguments: count.append(1) or decode(*arguments)
paths = sorted(Path(sys.argv[1]).iterdir())
found = image_cache.open_images(
    {"train": paths}, Path(sys.argv[2]) / "images" / "a", size=12, way=sys.argv[3], num_workers=1, limit_gb=1.0
)
print(len(count), int(found["train"].take(numpy.arange(len(paths))).sum()))
"""


@pytest.mark.parametrize("way", ["auto", "files", "chunks"])
def test_of_eight_processes_one_decodes_and_all_see_the_same(photos, tmp_path, way):
    arguments = [sys.executable, "-c", SCRIPT, str(photos[0].parent), str(tmp_path), way]
    together = [subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True) for _ in range(8)]
    told = [process.communicate(timeout=120)[0].split() for process in together]
    assert sorted(int(count) for count, _ in told) == [0] * 7 + [300]
    assert len({total for _, total in told}) == 1


def test_rows_are_read_before_they_are_asked_for():
    begun = [threading.Event() for _ in range(100)]

    def read(row):
        begun[row].set()
        return numpy.array(row)

    ahead = ReadAhead(read, num_workers=2)
    rows = numpy.arange(100)
    ahead.expect(numpy.split(rows, 25))  # batches of 4
    assert all(event.wait(10) for event in begun[: BATCHES * 4])
    assert not any(event.is_set() for event in begun[BATCHES * 4 :])
    assert ahead.take(rows[:4]).tolist() == [0, 1, 2, 3]
    assert all(event.wait(10) for event in begun[: BATCHES * 4 + 4])


def test_what_was_not_expected_is_read_all_the_same_and_the_rest_goes_on():
    read = []
    ahead = ReadAhead(lambda row: read.append(row) or numpy.array(row), num_workers=1)
    ahead.expect([numpy.array([0, 1]), numpy.array([2, 3])])
    assert ahead.take(numpy.array([0, 1])).tolist() == [0, 1]
    assert ahead.take(numpy.array([0])).tolist() == [0]  # the step is taken again, in smaller parts
    assert ahead.take(numpy.array([1])).tolist() == [1]
    assert ahead.take(numpy.array([2, 3])).tolist() == [2, 3]
    assert sorted(read) == [0, 0, 1, 1, 2, 3]


def test_a_new_order_takes_the_place_of_the_old():
    ahead = ReadAhead(numpy.array, num_workers=1)
    ahead.expect([numpy.arange(50)])
    ahead.expect([numpy.array([7, 7, 3])])
    assert ahead.take(numpy.array([7, 7, 3])).tolist() == [7, 7, 3]
