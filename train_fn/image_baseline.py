"""The honest peer of a network on images: principal components of their pixels, and a classifier tuned on valid."""

from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import f1_score
from sklearn.svm import SVC
from threadpoolctl import threadpool_limits

from train_fn import data
from train_fn.data import ImageDataConfig, ImageExamples
from train_fn.image_pixels import pixels

SIZE = 32  # pixels of each side; more of them help neither classifier
MOST_ROWS = 10_000  # that are learned from: the time of an SVM grows with their square
COMPONENTS = (60, 120)
CLASSIFIERS: Mapping[str, Callable[..., Any]] = {
    "RBF SVM": SVC,
    "LogisticRegression": partial(LogisticRegression, max_iter=1_000),
}
C = {"RBF SVM": (1.0, 3.0, 10.0), "LogisticRegression": (0.1, 1.0)}  # inverse of the penalty


@dataclass(frozen=True, kw_only=True)
class ImageBaseline:
    """A classifier as fitted to the train split."""

    setting: Mapping[str, Any]
    score: float  # weighted F1 on the valid split
    components: PCA
    classifier: Any

    def predict(self, features: numpy.ndarray) -> numpy.ndarray:
        """Class ids."""
        predictions: numpy.ndarray = self.classifier.predict(self.components.transform(features))
        return predictions


def tuned_image_baseline(config: ImageDataConfig, num_workers: int) -> ImageBaseline:
    """The best on valid of a small grid fitted to train; cross-validated rows are tuned on the first fold."""
    splits = data.load_all(config)
    train, valid = splits["train"], splits.get("valid", splits["train"])
    learned, tuned = numpy.arange(len(train.targets)), numpy.arange(len(valid.targets))
    if config.folds > 1:
        fold = data.fold_of_rows(config)
        learned, tuned = numpy.flatnonzero(fold != 0), numpy.flatnonzero(fold == 0)
    learned = numpy.random.default_rng(0).permutation(learned)[:MOST_ROWS]
    with threadpool_limits(1):  # short vectors are slower on two
        fitted = fitted_baselines(
            features(train, learned, num_workers),
            train.targets[learned],
            features(valid, tuned, num_workers),
            valid.targets[tuned],
        )
        return max(fitted, key=lambda baseline: baseline.score)


def fitted_baselines(
    train: numpy.ndarray, train_targets: numpy.ndarray, valid: numpy.ndarray, valid_targets: numpy.ndarray
) -> Iterator[ImageBaseline]:
    for most in COMPONENTS:
        components = PCA(min(most, *train.shape), svd_solver="randomized", random_state=0).fit(train)
        for name, classifier in CLASSIFIERS.items():
            for c in C[name]:
                fitted = classifier(C=c).fit(components.transform(train), train_targets)
                guesses = fitted.predict(components.transform(valid))
                yield ImageBaseline(
                    setting={"components": components.n_components_, "classifier": name, "C": c},
                    score=float(f1_score(valid_targets, guesses, average="weighted", zero_division=0)),
                    components=components,
                    classifier=fitted,
                )


def features(examples: ImageExamples, rows: numpy.ndarray, num_workers: int) -> numpy.ndarray:
    """Pixels as numbers from 0 to 1, shape (rows, 3 * 32 * 32)."""
    with ThreadPoolExecutor(num_workers) as pool:
        read = list(pool.map(lambda row: pixels(examples.images[row], SIZE), rows.tolist()))
    return numpy.stack(read).reshape(len(rows), -1).astype(numpy.float32) / 255
