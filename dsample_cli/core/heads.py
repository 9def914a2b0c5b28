"""Classification heads as arrays: what makes logits of a text's pooled features.

A head is called with the features h that the model's last layer reads, shape [N, D], and with the
logits z that this layer makes of them, shape [N, C]. Only a linear head is something that the last
layer of a model can hold; the others are kept beside it.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dsample_cli.core.class_scores import Counts, Floats
from dsample_cli.core.corrections import Correction, temperature

# Squared distances of unit vectors are below 4; times this they are logits that tell classes apart.
_USUAL_SHARPNESS = 20.0
_SMALLEST_NORM = 1e-12


@dataclass(frozen=True)
class LinearHead:
    """logits[c] = weight[c] . h + bias[c].

    Attributes:
        weight: Shape [C, D].
        bias: Shape [C]; None where the layer has none.
    """

    weight: Floats
    bias: Floats | None

    def __call__(
        self, features: NDArray[np.floating], logits: NDArray[np.floating] | None = None
    ) -> Floats:
        """Logits of pooled features, shape [N, C]."""
        product = features.astype(np.float64) @ self.weight.T
        return product if self.bias is None else product + self.bias

    def corrected(self, correction: Correction) -> "LinearHead":
        """The head whose logits are corrected; a layer without bias keeps none."""
        weight = self.weight * correction.scale[:, None]
        if self.bias is None:
            return LinearHead(weight, None)
        return LinearHead(weight, self.bias * correction.scale + correction.bias)

    @property
    def norms_and_bias(self) -> tuple[Floats, Floats]:
        """Norm of each class's weights and its bias (0 without), shape [C] each."""
        norms = np.linalg.norm(self.weight, axis=1)
        return norms, np.zeros(len(norms)) if self.bias is None else self.bias


@dataclass(frozen=True)
class NearestMean:
    """logits[c] = -sharpness |x - means[c]|^2, with x = (h - center) / |h - center|.

    Attributes:
        center: Shape [D].
        means: Shape [C, D].
        sharpness: Positive.
    """

    center: Floats
    means: Floats
    sharpness: float

    def __call__(
        self, features: NDArray[np.floating], logits: NDArray[np.floating] | None = None
    ) -> Floats:
        """Logits of pooled features, shape [N, C]."""
        return -self.sharpness * squared_distances(unit_rows(features - self.center), self.means)


@dataclass(frozen=True)
class GatedAlignment:
    """logits[c] = (1 + s factor[c]) z[c] + s shift[c], with s = sigmoid(gate . h + offset).

    Attributes:
        factor: Shape [C].
        shift: Shape [C].
        gate: Shape [D].
        offset: A number.
    """

    factor: Floats
    shift: Floats
    gate: Floats
    offset: float

    def __call__(self, features: NDArray[np.floating], logits: NDArray[np.floating]) -> Floats:
        """Logits of pooled features and of the last layer's logits, shape [N, C]."""
        trust = np.tanh((features.astype(np.float64) @ self.gate + self.offset) / 2) / 2 + 0.5
        aligned = (1 + trust[:, None] * self.factor) * logits + trust[:, None] * self.shift
        return np.asarray(aligned, dtype=np.float64)


@dataclass(frozen=True)
class CosineHead:
    """logits[c] = sharpness cos(weight[c], h).

    Attributes:
        weight: Shape [C, D]; only its directions count.
        sharpness: Positive.
    """

    weight: Floats
    sharpness: float

    def __call__(
        self, features: NDArray[np.floating], logits: NDArray[np.floating] | None = None
    ) -> Floats:
        """Logits of pooled features, shape [N, C]."""
        return self.sharpness * unit_rows(features) @ unit_rows(self.weight).T

    def linear(self, feature_length: float, has_bias: bool) -> LinearHead:
        """The linear head with the same logits for features of this length.

        Those of another length have logits that are larger or smaller by one factor for all
        classes: the label stays.
        """
        weight = unit_rows(self.weight) * (self.sharpness / feature_length)
        return LinearHead(weight, np.zeros(len(weight)) if has_bias else None)


# Heads that no last layer can hold.
BesideHead = NearestMean | GatedAlignment | CosineHead
Head = LinearHead | BesideHead


def nearest_mean(
    features: NDArray[np.floating], labels: NDArray[np.integer], center: Floats, n_classes: int
) -> NearestMean:
    """The head that takes the class of the nearest mean: features centred, then of length 1.

    Args:
        features: Of the training rows, shape [N, D].
        labels: Their label ids, shape [N]; every class occurs.
        center: What is taken from each feature, shape [D].
        n_classes: C.
    """
    means = [
        unit_rows(rows - center).mean(axis=0) for rows in _by_class(features, labels, n_classes)
    ]
    return NearestMean(center, np.stack(means), _USUAL_SHARPNESS)


def sharpened(
    head: NearestMean, features: NDArray[np.floating], labels: NDArray[np.integer]
) -> NearestMean:
    """The same head with the sharpness under which the labels are most probable."""
    divisor = temperature(head(features), labels).strengths["temperature"]
    return NearestMean(head.center, head.means, head.sharpness / divisor)


def class_means(
    features: NDArray[np.floating], labels: NDArray[np.integer], n_classes: int
) -> Floats:
    """Mean of each class's rows, shape [C, D].

    Examples:
        >>> class_means(np.array([[2.0], [4.0], [1.0]]), np.array([0, 0, 1]), 2).tolist()
        [[3.0], [1.0]]
    """
    of_classes = _by_class(features, labels, n_classes)
    return np.stack([rows.mean(axis=0, dtype=np.float64) for rows in of_classes])


def _by_class(
    features: NDArray[np.floating], labels: NDArray[np.integer], n_classes: int
) -> Iterator[NDArray[np.floating]]:
    """The rows of each class, one class after the other."""
    order = np.argsort(labels, kind="stable")
    ends = np.cumsum(np.bincount(labels, minlength=n_classes))
    for rows in np.split(order, ends[:-1]):
        yield features[rows]


def squared_distances(points: NDArray[np.floating], means: NDArray[np.floating]) -> Floats:
    """Squared distance of each point to each mean, shape [N, C].

    Examples:
        >>> squared_distances(np.array([[0.5, 0.9]]), np.array([[2, 0], [0, 1], [-1, -1]])).round(2)
        array([[3.06, 0.26, 5.86]])
    """
    products = points @ means.T
    of_points, of_means = (points**2).sum(axis=1), (means**2).sum(axis=1)
    return np.asarray(of_points[:, None] - 2 * products + of_means, dtype=np.float64)


def unit_rows(rows: NDArray[np.floating]) -> Floats:
    """Rows divided by their length; a row of zeros stays."""
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    return np.asarray(rows / np.maximum(lengths, _SMALLEST_NORM), dtype=np.float64)


def rarity_weights(counts: Counts, rho: float) -> Floats:
    """Weight of each class, pi[c]^-rho, normalised to sum 1; shape [C].

    Examples:
        >>> rarity_weights(np.array([60, 30, 10]), 1.2).round(6)
        array([0.084152, 0.193331, 0.722516])
    """
    weights = (counts / counts.sum()) ** -rho
    return np.asarray(weights / weights.sum(), dtype=np.float64)
