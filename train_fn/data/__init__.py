"""Labelled texts: read, checked, split once, and the same rows for every trial."""

from train_fn.data.config import DataConfig as DataConfig
from train_fn.data.prepare import load as load
from train_fn.data.prepare import open_test as open_test
from train_fn.data.prepare import prepare as prepare
from train_fn.data.record import Examples as Examples
from train_fn.data.record import Prepared as Prepared
from train_fn.data.record import Splits as Splits
