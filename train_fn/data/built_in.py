"""Data sets that come with installed packages: no network, no files."""

from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from train_fn.data.config import DataConfig, ImageDataConfig
from train_fn.data.docstrings import docstrings, package_versions
from train_fn.data.table import Table

if TYPE_CHECKING:
    import pandas as pd

FROM_SCIKIT_LEARN = ("digits", "iris", "wine", "breast_cancer", "diabetes")
BUILT_IN = ("docstrings", *FROM_SCIKIT_LEARN)
DIGIT_MAXIMUM = 16  # of a pixel


def read_built_in(name: str, kind: type[DataConfig]) -> Table:
    if name == "docstrings":
        import pandas as pd

        return Table(frame=pd.DataFrame(docstrings()), place=name)
    return Table(frame=images_of_digits() if (name, kind) == ("digits", ImageDataConfig) else columns(name), place=name)


def built_in_versions(name: str) -> dict[str, str]:
    """What the rows depend on."""
    return package_versions() if name == "docstrings" else {"scikit-learn": version("scikit-learn")}


def images_of_digits() -> "pd.DataFrame":
    """1,797 handwritten digits: grey bytes of shape (8, 8), and their names "0" to "9"."""
    import numpy as np
    import pandas as pd
    from sklearn.datasets import load_digits

    digits = load_digits()
    bytes = np.round(digits.images * (255 / DIGIT_MAXIMUM)).astype(np.uint8)
    return pd.DataFrame({"image": list(bytes), "label": [str(digit) for digit in digits.target]}, dtype=object)


def columns(name: str) -> "pd.DataFrame":
    """A column for each feature, blanks in its name as `_`, in its own unit; the target, or its class, is `label`."""
    from sklearn import datasets

    options: dict[str, Any] = {"scaled": False} if name == "diabetes" else {}
    found = getattr(datasets, f"load_{name}")(as_frame=True, **options)
    table: pd.DataFrame = found.data.rename(columns=lambda feature: feature.replace(" ", "_"))
    if name == "diabetes":
        return table.assign(label=found.target)
    return table.assign(label=[str(found.target_names[target]) for target in found.target])
