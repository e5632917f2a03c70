"""The honest peer of a fine-tuned model: TF-IDF and a linear classifier, tuned on the valid split."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from itertools import product
from typing import Any, Literal

from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_union
from sklearn.svm import LinearSVC
from threadpoolctl import threadpool_limits

from train_fn.data import Splits, TextDataConfig, TextExamples, load
from train_fn.metrics.classification import METRICS

Metric = Literal["accuracy", "f1_weighted", "f1_macro"]


@dataclass(frozen=True, kw_only=True)
class Baseline:
    """A linear model as fitted to the train split."""

    setting: Mapping[str, Any]
    score: float  # on the valid split, by the metric it was tuned for
    predict: Callable[[list[str]], list[str]]  # `whole_texts` -> labels


def tuned_linear_baseline(config: TextDataConfig, metric: Metric = "f1_weighted") -> Baseline:
    """The best on valid of a small grid fitted to train: what a search gets, at a hundredth of its price."""
    # one thread: the solver's vectors are short, and on two busy cores two threads took 42 s where one took 6 s
    with threadpool_limits(1):
        return max(fitted_baselines(load(config), METRICS[metric]), key=lambda baseline: baseline.score)


def fitted_baselines(splits: Splits, measure: Callable[[Any, Any], float]) -> Iterator[Baseline]:
    for features, new_vectorizer in FEATURES.items():
        vectorizer = new_vectorizer()
        train = vectorizer.fit_transform(whole_texts(splits.train))
        valid = vectorizer.transform(whole_texts(splits.valid))
        for (name, new_classifier), weights in product(CLASSIFIERS.items(), CLASS_WEIGHTS):
            for c in C[name]:
                classifier = new_classifier(C=c, class_weight=weights).fit(train, splits.train.targets)
                yield Baseline(
                    setting={"features": features, "classifier": name, "C": c, "class_weight": weights},
                    score=float(measure(splits.valid.targets, classifier.predict(valid))),
                    predict=partial(predict, vectorizer, classifier, splits.labels),
                )


def whole_texts(examples: TextExamples) -> list[str]:
    """Both texts of a pair, with a token between them, so that no two words meet across it."""
    if examples.pairs is None:
        return examples.texts
    return [f"{text} | {pair}" for text, pair in zip(examples.texts, examples.pairs, strict=True)]


def predict(vectorizer: Any, classifier: Any, labels: tuple[str, ...], texts: list[str]) -> list[str]:
    return [labels[class_id] for class_id in classifier.predict(vectorizer.transform(texts))]


# a word may be one letter or one sign, unlike scikit-learn's default: Korean has such words (and emoji are signs)
words = partial(TfidfVectorizer, ngram_range=(1, 2), sublinear_tf=True, token_pattern=r"\w+|[^\w\s]")
characters = partial(TfidfVectorizer, ngram_range=(3, 5), sublinear_tf=True, analyzer="char_wb")
FEATURES: dict[str, Callable[[], Any]] = {
    "words 1-2": words,
    "characters 3-5": characters,
    "words 1-2 and characters 3-5": lambda: make_union(words(), characters()),
}

CLASSIFIERS: dict[str, Callable[..., Any]] = {
    "LinearSVC": partial(LinearSVC, random_state=0, max_iter=10_000),
    "LogisticRegression": partial(LogisticRegression, max_iter=1_000, tol=1e-3),
}
C = {"LinearSVC": (0.1, 0.3, 1.0, 3.0), "LogisticRegression": (10.0,)}  # inverse of the penalty
CLASS_WEIGHTS = (None, "balanced")
