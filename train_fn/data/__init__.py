"""Labelled rows: read, cleaned, checked, split once, and the same for every trial."""

from train_fn.data.config import CleaningConfig as CleaningConfig
from train_fn.data.config import DataConfig as DataConfig
from train_fn.data.config import ImageDataConfig as ImageDataConfig
from train_fn.data.config import TableDataConfig as TableDataConfig
from train_fn.data.config import TextDataConfig as TextDataConfig
from train_fn.data.prepare import fold_of_rows as fold_of_rows
from train_fn.data.prepare import load as load
from train_fn.data.prepare import load_all as load_all
from train_fn.data.prepare import open_test as open_test
from train_fn.data.prepare import prepare as prepare
from train_fn.data.record import Examples as Examples
from train_fn.data.record import ImageExamples as ImageExamples
from train_fn.data.record import Prepared as Prepared
from train_fn.data.record import Splits as Splits
from train_fn.data.record import TableExamples as TableExamples
from train_fn.data.record import TextExamples as TextExamples
