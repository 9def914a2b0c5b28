"""Resample pooled features before a head is refitted on them.

A resampling takes features [N, D], label ids [N] (every class occurs) and a seed, and returns a
`Resampled`. Those of imbalanced-learn need the extra `resampling`; they are applied so that classes
with one or two examples are treated as well as can be, and told of.
"""

import warnings
from collections.abc import Callable
from importlib import import_module
from typing import Any, NamedTuple

import numpy as np
from numpy.random import RandomState
from numpy.typing import NDArray

from dsample_cli.core.class_scores import Counts, Floats
from dsample_cli.core.heads import class_means
from dsample_cli.core.imbalance import frequency_groups
from dsample_cli.core.names import look_up
from dsample_cli.core.sampling import draw_resampled, index_classes
from dsample_cli.errors import MissingExtraError

Features = NDArray[np.floating]
Labels = NDArray[np.integer]

_SMOTE_NEIGHBOURS, _ENN_NEIGHBOURS = 5, 3
# Share of the variance within classes that transferred differences keep.
_TRANSFERRED_VARIANCE = 0.95
# Beyond this much memory, classes are filled up to equal parts of it instead of the largest class.
_MOST_BYTES = 2 << 30


class Resampled(NamedTuple):
    """Resampled rows.

    Attributes:
        features: Shape [M, D].
        labels: Shape [M].
        told: What became of classes that are too small -> their label ids.
    """

    features: Features
    labels: Labels
    told: dict[str, list[int]]


Resampling = Callable[[Features, Labels, int | RandomState], Resampled]


def smote(features: Features, labels: Labels, seed: int | RandomState) -> Resampled:
    """Fill classes up with points between an example and one of its neighbours in the class.

    x' = x + u (x_neighbour - x), u ~ U(0, 1), one of min(5, n[c] - 1) nearest of the class; every
    class up to the size of the largest

    When: Rare classes that form one cloud each.
    Cost: Features as many as the largest class has, times the number of classes.
    Risk: Neighbours in hundreds of dimensions are often bridges to another kind of text. A class of
        one example is repeated; one of two is drawn out to a line.

    References:
        Chawla et al., SMOTE, JAIR 2002.
    """
    counts = np.bincount(labels)
    target = _target(counts, features)
    new_features, new_labels = [features], [labels]
    for neighbours in range(1, _SMOTE_NEIGHBOURS + 1):
        wanted = {
            c: int(target)
            for c, n in enumerate(counts.tolist())
            if min(_SMOTE_NEIGHBOURS, n - 1) == neighbours and n < target
        }
        if wanted:
            sampler = _imblearn("over_sampling", "SMOTE")(
                sampling_strategy=wanted, k_neighbors=neighbours, random_state=seed
            )
            filled, codes = _fit_resample(sampler, features, labels)
            new_features.append(filled[len(features) :])
            new_labels.append(codes[len(labels) :])
    singles = np.flatnonzero((counts == 1) & (counts < target))
    of_singles = np.flatnonzero(np.isin(labels, singles))
    repeated = np.repeat(of_singles, target - 1)
    told = {
        "classes of one example are repeated": singles.tolist(),
        "classes of two examples are drawn out to a line": np.flatnonzero(counts == 2).tolist(),
    }
    return Resampled(
        np.concatenate([*new_features, features[repeated]]),
        np.concatenate([*new_labels, labels[repeated]]),
        told,
    )


def smote_enn(features: Features, labels: Labels, seed: int | RandomState) -> Resampled:
    """Fill classes up by smote, then clean all of them by enn.

    kept(x) = its 3 nearest neighbours, made-up ones among them, all have its label

    When: Classes that overlap after smote.
    Cost: As smote, and a search of neighbours among all features.
    Risk: Those of smote; and what lies between two classes is taken out, the hardest examples too.

    References:
        Batista et al., A Study of the Behavior of Several Methods for Balancing Machine Learning
        Training Data, SIGKDD Explorations 2004.
    """
    filled = smote(features, labels, seed)
    cleaned = _cleaned_by_neighbours(filled.features, filled.labels, np.unique(labels))
    return cleaned._replace(told=filled.told | cleaned.told)


def smote_tomek(features: Features, labels: Labels, seed: int | RandomState) -> Resampled:
    """Fill classes up by smote, then take out pairs of neighbours of different classes.

    dropped(x) = it and an x' of another class are each other's nearest neighbours

    When: As smote-enn, but gentler.
    Cost: As smote, and a search of neighbours among all features.
    Risk: Those of smote.

    References:
        Batista et al., Balancing Training Data for Automated Annotation of Keywords, WOB 2003;
        Tomek, Two Modifications of CNN, IEEE SMC 1976.
    """
    filled = smote(features, labels, seed)
    cleaner = _imblearn("under_sampling", "TomekLinks")(sampling_strategy="all")
    cleaned = _kept(cleaner, filled.features, filled.labels)
    return cleaned._replace(told=filled.told | cleaned.told)


def edited_neighbours(features: Features, labels: Labels, seed: int | RandomState) -> Resampled:
    """Drop examples whose nearest neighbours are of other classes, but for the smallest class.

    kept(x) = its 3 nearest neighbours all have its label

    When: Noisy labels.
    Cost: A search of neighbours among all features.
    Risk: Takes out rare examples among frequent ones, which are the ones to learn. Classes of fewer
        than 4 examples are left alone, for they never have 3 neighbours of their own.

    References:
        Wilson, Asymptotic Properties of Nearest Neighbor Rules Using Edited Data, IEEE SMC 1972.
    """
    targets, small = _larger_classes(labels, _ENN_NEIGHBOURS + 1)
    cleaned = _cleaned_by_neighbours(features, labels, targets)
    told = {"classes of fewer than 4 examples are left as they are": small.tolist()}
    return cleaned._replace(told=told | cleaned.told)


def one_sided_selection(features: Features, labels: Labels, seed: int | RandomState) -> Resampled:
    """Keep the smallest class, and of the others the examples at its border.

    kept(x) = it is the example of its class that was drawn as the seed, or 1-NN on the seed and
    the smallest class gets it wrong; then Tomek links are dropped as by smote-tomek

    When: Two classes, the large one redundant.
    Cost: A search of neighbours for each class.
    Risk: Throws most of the data away; with many classes hardly more than the borders to the
        smallest one is left.

    References:
        Kubat and Matwin, Addressing the Curse of Imbalanced Training Sets: One-Sided Selection,
        ICML 1997.
    """
    targets, _ = _larger_classes(labels, 2)
    if not len(targets):
        return Resampled(features, labels, {})
    sampler = _imblearn("under_sampling", "OneSidedSelection")(
        sampling_strategy=targets.tolist(), random_state=seed
    )
    return _kept(sampler, features, labels)


def oversample(features: Features, labels: Labels, seed: int | RandomState) -> Resampled:
    """Repeat examples until every class is as large as the largest.

    n'[c] = max n; each example once, the rest drawn with replacement

    When: As a check of what the others add: class-balanced draws do the same already.
    Cost: Features as many as the largest class has, times the number of classes.
    Risk: None of its own.

    References:
        Random over-sampling; see He and Garcia, Learning from Imbalanced Data, TKDE 2009.
    """
    index = index_classes(labels, int(labels.max()) + 1)
    sizes = np.maximum(index.counts, _target(index.counts, features))
    rows = draw_resampled(index, sizes, _generator(seed))
    return Resampled(features[rows], labels[rows], {})


def feature_transfer(features: Features, labels: Labels, seed: int | RandomState) -> Resampled:
    """Fill smaller classes up with the differences between the examples of large classes.

    x' = m[c] + Q Q^T (x - m[k]), with x a random example of a class k of the many group, m the
    class means, Q the leading eigenvectors of the covariance within the classes of that group

    When: Classes with a few examples, one even: they borrow their spread from the large ones.
    Cost: Features as many as the largest class has, times the number of classes.
    Risk: Supposes that all classes vary alike. Where the encoder has learned the training data by
        heart, the large classes hardly spread.

    References:
        Yin et al., Feature Transfer Learning for Face Recognition with Under-Represented Data, CVPR
        2019.
    """
    counts = np.bincount(labels)
    is_head = np.array([group == "many" for group in frequency_groups(counts)])
    means = class_means(features, labels, len(counts))
    rows = np.flatnonzero(is_head[labels])
    basis = _leading_directions(features[rows] - means[labels[rows]])
    missing = np.where(is_head, 0, np.maximum(_target(counts, features) - counts, 0))
    new_labels = np.repeat(np.arange(len(counts)), missing)
    donors = _generator(seed).choice(rows, size=len(new_labels))
    transferred = transfer(features[donors], means[labels[donors]], means[new_labels], basis)
    return Resampled(
        np.concatenate([features, transferred.astype(features.dtype)]),
        np.concatenate([labels, new_labels.astype(labels.dtype)]),
        {},
    )


FEATURE_RESAMPLINGS: dict[str, Resampling] = {
    "smote": smote,
    "smote-enn": smote_enn,
    "smote-tomek": smote_tomek,
    "enn": edited_neighbours,
    "oss": one_sided_selection,
    "oversample": oversample,
    "ftl": feature_transfer,
}
_WITHOUT_EXTRA = ("oversample", "ftl")


def find_resampling(name: str) -> Resampling:
    """The resampling of that name.

    Raises:
        ConfigError: If there is none.
        MissingExtraError: If it needs imbalanced-learn, which is not installed.
    """
    found = look_up(FEATURE_RESAMPLINGS, name, "resampling")
    if name not in _WITHOUT_EXTRA:
        _imblearn("over_sampling", "SMOTE")
    return found


def transfer(x: Features, own_mean: Features, other_mean: Features, basis: Floats) -> Floats:
    """Move points from around one mean to around another, along some directions only.

    x' = other_mean + Q Q^T (x - own_mean)

    Args:
        x: Shape [M, D].
        own_mean: Of the class of each point, shape [M, D].
        other_mean: Of the class that each point goes to, shape [M, D].
        basis: Q, shape [D, K], orthonormal columns.

    Examples:
        >>> x, own, other = np.array([[3.0, 2.0]]), np.array([[1.0, 1.0]]), np.array([[0.0, 5.0]])
        >>> transfer(x, own, other, np.array([[1.0], [0.0]])).tolist()
        [[2.0, 5.0]]
    """
    return np.asarray(other_mean + (x - own_mean) @ basis @ basis.T, dtype=np.float64)


def _leading_directions(differences: Features) -> Floats:
    """Orthonormal directions that hold most of the variance, shape [D, K]."""
    values, vectors = np.linalg.eigh(differences.T @ differences)
    falling = np.maximum(values[::-1], 0)
    share = np.cumsum(falling) / max(falling.sum(), np.finfo(np.float64).tiny)
    size = int(np.searchsorted(share, _TRANSFERRED_VARIANCE)) + 1
    return np.asarray(vectors[:, ::-1][:, :size], dtype=np.float64)


def _larger_classes(labels: Labels, fewest: int) -> tuple[Labels, Labels]:
    """All classes but the smallest: those with at least so many examples, and those with fewer."""
    counts = np.bincount(labels)
    others = np.delete(np.arange(len(counts)), counts.argmin())
    is_large = counts[others] >= fewest
    return others[is_large], others[~is_large]


def _cleaned_by_neighbours(features: Features, labels: Labels, targets: Labels) -> Resampled:
    """Edited nearest neighbours for some classes."""
    if len(labels) <= _ENN_NEIGHBOURS or not len(targets):
        return Resampled(features, labels, {})
    cleaner = _imblearn("under_sampling", "EditedNearestNeighbours")(
        sampling_strategy=targets.tolist(), n_neighbors=_ENN_NEIGHBOURS, kind_sel="all"
    )
    return _kept(cleaner, features, labels)


def _kept(sampler: Any, features: Features, labels: Labels) -> Resampled:
    """What an under-sampler keeps, in order; a class of which it would keep nothing stays whole."""
    _fit_resample(sampler, features, labels)
    is_kept = np.zeros(len(labels), dtype=bool)
    is_kept[sampler.sample_indices_] = True
    gone = np.setdiff1d(labels, labels[is_kept])
    is_kept |= np.isin(labels, gone)
    told = {"classes of which nothing would be left stay as they are": gone.tolist()}
    return Resampled(features[is_kept], labels[is_kept], told)


def _fit_resample(sampler: Any, features: Features, labels: Labels) -> tuple[Features, Labels]:
    with warnings.catch_warnings():
        # Where classes have few examples, scikit-learn suspects that the labels are quantities.
        warnings.simplefilter("ignore", UserWarning)
        return sampler.fit_resample(features, labels)


def _target(counts: Counts, features: Features) -> int:
    """Examples up to which classes are filled: those of the largest, as far as memory goes."""
    rows = _MOST_BYTES // (features.shape[1] * features.itemsize)
    return int(min(counts.max(), max(1, rows // len(counts))))


def _generator(seed: int | RandomState) -> np.random.Generator:
    return np.random.default_rng(seed if isinstance(seed, int) else seed.randint(2**31))


def _imblearn(module: str, name: str) -> Any:
    """A sampler of imbalanced-learn."""
    try:
        return getattr(import_module(f"imblearn.{module}"), name)
    except ImportError as error:
        raise MissingExtraError(
            "This --resample needs imbalanced-learn, which is not installed.",
            "Install it: pip install 'dsample-cli[resampling]'",
        ) from error
