"""TF-IDF and logistic regression: the floor that an encoder is to rise above."""

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from dsample_cli.evaluation.metrics import summary_metrics

Probabilities: TypeAlias = NDArray[np.float32]
# A scipy CSR matrix, a row per text.
Matrix: TypeAlias = Any

PLAIN, BALANCED = "plain", "balanced"
MODELS = (PLAIN, BALANCED)
FIGURES = ("accuracy", "macro_f1", "balanced_accuracy")
# Words and single symbols: of a pair "no ." differs from "no ?".
WORD = r"(?u)\w+|[^\w\s]"
WORD_NGRAMS, CHARACTER_NGRAMS = (1, 2), (2, 3)
# An n-gram that one training text has alone says nothing of others.
FEWEST_TEXTS = 2
# Runs of characters that a larger share of the texts has, and more than so many texts, tell little
# and take most of the time.
MOST_TEXTS_SHARE, MANY_TEXTS = 0.1, 20
REGULARIZATION = 1e-5
# Passes over the training rows: from 5, of many rows and classes, to 20; up to 100 where the rows
# are so few that fewer steps would not do.
FEWEST_PASSES, ENOUGH_PASSES, MOST_PASSES = 5, 20, 100
FEWEST_STEPS, MOST_CLASS_STEPS = 20_000, 3_000_000
PREDICTED_ROWS = 5_000
MOST_THREADS = 4


def cross_validate(
    texts: Sequence[str],
    codes: NDArray[np.integer],
    n_classes: int,
    folds: NDArray[np.integer],
    models: Sequence[str] = MODELS,
) -> dict[str, Probabilities]:
    """Predict each text by models that were fitted without its fold.

    Features are words and pairs of words, and runs of 2 and 3 characters within words, so that
    languages that join words to their endings fare well too: (1 + log count) * idf, each of the two
    kinds scaled to the same length. What a fold is predicted with, vocabulary and idf too, is of
    the other folds alone. The logistic regressions, one of each class against the rest, are fitted
    by stochastic gradient descent; `balanced` weighs each class by 1 / its rows.

    Args:
        texts: N texts.
        codes: Label id of each, shape [N].
        n_classes: C.
        folds: Fold of each text, shape [N]; at least two folds have rows.
        models: Of `MODELS`.

    Returns:
        Model -> probability of each class, shape [N, C]; 0 of a class that only the fold has.

    Raises:
        ValueError: If all rows are in one fold.

    Examples:
        >>> texts = ["good film", "bad film", "good plot", "bad plot"] * 3
        >>> found = cross_validate(texts, np.array([1, 0] * 6), 2, np.arange(12) // 4)
        >>> found["plain"].argmax(axis=1).tolist()
        [1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0]
    """
    codes, folds = np.asarray(codes), np.asarray(folds)
    counts = _Ngrams().learn(texts)
    found = {model: np.zeros((len(codes), n_classes), np.float32) for model in models}
    for fold in np.unique(folds):
        held_out = folds == fold
        if held_out.all():
            raise ValueError("there must be two folds that have rows")
        known = [block[~held_out] for block in counts]
        weights = _learn_weights(known)
        train = _weigh(known, weights)
        asked = _weigh([block[held_out] for block in counts], weights)
        for model in models:
            fitted = _fit(train, codes[~held_out], model)
            found[model][held_out] = _predict(fitted, asked, n_classes)
    return found


def fit_and_predict(
    texts: Sequence[str],
    codes: NDArray[np.integer],
    n_classes: int,
    held_out: Mapping[str, Sequence[str]],
    model: str = PLAIN,
) -> dict[str, NDArray[np.int64]]:
    """Fit one of the models on some texts and label others with it.

    Args:
        texts: To fit on.
        codes: Their label ids, of at least two classes.
        n_classes: C.
        held_out: Name -> texts to label.
        model: One of `MODELS`.

    Returns:
        Name -> label id of each text.

    Raises:
        ValueError: If there is one class only.

    Examples:
        >>> known = ["good film", "bad film", "good plot", "bad plot"]
        >>> fit_and_predict(known, np.array([1, 0, 1, 0]), 2, {"test": ["good", "bad"]})
        {'test': array([1, 0])}
    """
    ngrams = _Ngrams()
    counts = ngrams.learn(texts)
    weights = _learn_weights(counts)
    fitted = _fit(_weigh(counts, weights), np.asarray(codes), model)

    def label(asked: Sequence[str]) -> Iterator[NDArray[np.int64]]:
        yield np.empty(0, np.int64)
        for first in range(0, len(asked), PREDICTED_ROWS):
            features = _weigh(ngrams.count(asked[first : first + PREDICTED_ROWS]), weights)
            yield _predict(fitted, features, n_classes).argmax(axis=1)

    return {name: np.concatenate([*label(asked)]) for name, asked in held_out.items()}


def figures(
    codes: NDArray[np.integer], predicted: NDArray[np.integer], n_classes: int
) -> dict[str, float]:
    """The metrics that a baseline is told by, see `FIGURES`.

    Args:
        codes: True label ids, shape [N].
        predicted: Predicted ones, shape [N].
        n_classes: C.
    """
    metrics = summary_metrics(codes, predicted, n_classes)
    return {name: metrics[name] for name in FIGURES}


def majority_figures(codes: NDArray[np.integer], n_classes: int) -> dict[str, float]:
    """What predicting the commonest class for all rows gives.

    Args:
        codes: True label ids, shape [N].
        n_classes: C.

    Examples:
        >>> majority_figures(np.array([0, 0, 0, 1]), 2)["accuracy"]
        0.75
    """
    commonest = int(np.bincount(codes, minlength=n_classes).argmax())
    return figures(codes, np.full(len(codes), commonest), n_classes)


class _Ngrams:
    """Counts the n-grams of texts, of words and of characters."""

    def __init__(self) -> None:
        from sklearn.feature_extraction.text import CountVectorizer

        self._counters = (
            CountVectorizer(token_pattern=WORD, ngram_range=WORD_NGRAMS, dtype=np.float32),
            CountVectorizer(analyzer="char_wb", ngram_range=CHARACTER_NGRAMS, dtype=np.float32),
        )

    def learn(self, texts: Sequence[str]) -> list[Matrix]:
        """Take the n-grams of some texts as the vocabulary, and count them."""
        return [counter.fit_transform(texts).tocsr() for counter in self._counters]

    def count(self, texts: Sequence[str]) -> list[Matrix]:
        """Count the n-grams that are known."""
        return [counter.transform(texts).tocsr() for counter in self._counters]


@dataclass(frozen=True)
class _Weights:
    """Which n-grams count, and their inverse document frequency, 0 of those that do not."""

    kept: NDArray[np.bool_]
    idf: NDArray[np.float32]


def _learn_weights(blocks: Sequence[Matrix]) -> list[_Weights]:
    """Weights of the n-grams of words and of characters."""
    words, characters = blocks
    most = max(MOST_TEXTS_SHARE * characters.shape[0], MANY_TEXTS)
    return [_weights_of(words, words.shape[0]), _weights_of(characters, most)]


def _weights_of(counts: Matrix, most_texts: float) -> _Weights:
    """idf = 1 + ln((1 + texts) / (1 + texts that have it)), as scikit-learn's TfidfVectorizer."""
    n_texts = np.bincount(counts.indices, minlength=counts.shape[1])
    kept = (n_texts >= FEWEST_TEXTS) & (n_texts <= most_texts)
    if not kept.any():
        kept = n_texts > 0
    idf = 1 + np.log((1 + counts.shape[0]) / (1 + n_texts[kept]))
    return _Weights(kept, idf.astype(np.float32))


def _weigh(blocks: Sequence[Matrix], weights: Sequence[_Weights]) -> Matrix:
    from scipy.sparse import diags_array, hstack
    from sklearn.preprocessing import normalize

    weighed = []
    for counts, weight in zip(blocks, weights, strict=True):
        used = counts[:, weight.kept]
        used.data = 1 + np.log(used.data)
        weighed.append(normalize(used @ diags_array(weight.idf)))
    return hstack(weighed, format="csr", dtype=np.float32)


def _fit(features: Matrix, codes: NDArray[np.integer], model: str) -> Any:
    from sklearn.dummy import DummyClassifier
    from sklearn.linear_model import SGDClassifier

    if len(np.unique(codes)) == 1:
        return DummyClassifier(strategy="prior").fit(features, codes)
    fitted = SGDClassifier(
        loss="log_loss",
        alpha=REGULARIZATION,
        max_iter=_passes(len(codes), len(np.unique(codes))),
        tol=None,  # exactly so many passes
        class_weight="balanced" if model == BALANCED else None,
        random_state=0,
        n_jobs=min(MOST_THREADS, os.cpu_count() or 1),  # threads, a class each
    )
    return fitted.fit(features, codes)


def _passes(n_rows: int, n_classes: int) -> int:
    """How often the training rows are gone through.

    Examples:
        >>> _passes(100, 2), _passes(5_000, 2), _passes(3_000, 150), _passes(10_000, 150)
        (100, 20, 6, 5)
    """
    n_models = 1 if n_classes == 2 else n_classes
    affordable = min(ENOUGH_PASSES, MOST_CLASS_STEPS // (n_rows * n_models))
    return int(np.clip(FEWEST_STEPS // n_rows, max(affordable, FEWEST_PASSES), MOST_PASSES))


def _predict(fitted: Any, features: Matrix, n_classes: int) -> Probabilities:
    found = np.zeros((features.shape[0], n_classes), np.float32)
    found[:, fitted.classes_] = fitted.predict_proba(features)
    return found
