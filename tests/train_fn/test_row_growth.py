"""What a trial costs its worker beside the training does not grow with the rows: counted in lines of Python."""

from collections.abc import Callable
from functools import partial
from random import Random

import pytest

from tests.counted_lines import Lines
from train_fn.batches import training_batches
from train_fn.config import TextConfig
from train_fn.data import TextDataConfig
from train_fn.setup import begin

FEW, MANY = 300, 3_000
MOST = 1.1  # times as much; what looks at each row would be near 10
WORDS = "apple pear plum fig cherry car bus train tram bicycle red blue green pink grey".split()


@pytest.fixture(scope="module")
def configs(tmp_path_factory: pytest.TempPathFactory) -> list[TextConfig]:
    """Of few rows and of many, prepared and made into tokens, as all trials but the first find them."""

    def config(rows: int) -> TextConfig:
        folder, chance = tmp_path_factory.mktemp("rows"), Random(0)
        lines = [f"{' '.join(chance.choices(WORDS, k=12))},{'ab'[row % 2]}" for row in range(rows)]
        (folder / "rows.csv").write_text("\n".join(["text,label", *lines]))
        data = TextDataConfig(file=str(folder / "rows.csv"), cache=str(folder / "cache"), near_duplicates="ignore")
        return TextConfig(data=data, model="tiny", batch_size=16, precision="fp32")

    both = [config(FEW), config(MANY)]
    for one in both:
        begin(one)
    return both


def lines_of(work: Callable[[], object]) -> int:
    lines = Lines()
    with lines.counting():
        work()
    return lines.count


def test_a_trial_of_ten_times_the_rows_begins_in_as_many_lines(configs: list[TextConfig]) -> None:
    few, many = [lines_of(partial(begin, one)) for one in configs]
    assert many / few < MOST


def test_an_epoch_of_ten_times_the_rows_is_put_in_order_in_as_many_lines_for_each_batch(
    configs: list[TextConfig],
) -> None:
    def each(config: TextConfig) -> float:
        rows = begin(config)[0].train
        return lines_of(lambda: training_batches(rows, config, 0)) / len(training_batches(rows, config, 0))

    few, many = map(each, configs)
    assert many / few < MOST


def test_a_batch_out_of_ten_times_the_rows_is_put_together_in_as_many_lines(configs: list[TextConfig]) -> None:
    def each(config: TextConfig) -> int:
        rows = begin(config)[0].train
        batch = training_batches(rows, config, 0)[0]
        return lines_of(lambda: rows.collate(batch))

    few, many = map(each, configs)
    assert many / few < MOST
