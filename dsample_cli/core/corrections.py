"""Corrections of a trained classifier's logits: one scale and one bias a class.

A correction is fitted on validation logits and names what it works on in its signature: `logits`,
`labels`, `value` (how good predictions are), `log_carried` and `log_data` (log of the prior that
the model carries and of the data's class shares), `head_norms` and `head_bias` (of the last layer).
All are affine in the logits, class by class, so that they can be folded into that layer.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dsample_cli.core.class_scores import Floats

# (labels, predicted labels) -> how good they are, higher is better.
Value = Callable[[NDArray[np.integer], NDArray[np.integer]], float]

# Numbers that are worked on at once: what lies in a processor's cache is not read from memory
# again, and no temporary is as large as the logits.
_CELLS = 1 << 17

# Of temperatures, how exactly the logarithm of one is found, and in how many steps at most.
_LOWEST, _HIGHEST, _TOLERANCE, _MOST_STEPS = 0.05, 20.0, 1e-10, 200


@dataclass(frozen=True)
class Correction:
    """corrected[c] = scale[c] logits[c] + bias[c].

    Attributes:
        scale: Shape [C].
        bias: Shape [C].
        strengths: What was fitted, by name.
    """

    scale: Floats
    bias: Floats
    strengths: dict[str, float]

    def __call__(self, logits: NDArray[np.floating]) -> NDArray[np.floating]:
        """Corrected logits, shape [N, C], of the type of the logits."""
        corrected = np.empty(logits.shape, np.result_type(logits, np.float32))
        for of_part, part in zip(_parts(corrected), self._in_parts(logits), strict=True):
            of_part[...] = part
        return corrected

    def labels(self, logits: NDArray[np.floating]) -> NDArray[np.int64]:
        """The label id of the highest corrected logit of each row, shape [N]."""
        parts = [part.argmax(axis=1) for part in self._in_parts(logits)]
        return np.concatenate([np.empty(0, np.int64), *parts])

    def _in_parts(self, logits: NDArray[np.floating]) -> Iterator[Floats]:
        """Corrected logits of some rows after the other, each over those before."""
        for part, room in _parts_with_room(logits):
            np.multiply(part, self.scale, out=room)
            room += self.bias
            yield room

    def then(self, other: "Correction") -> "Correction":
        """This correction followed by another.

        Examples:
            >>> half = Correction(np.full(2, 0.5), np.zeros(2), {})
            >>> shift = Correction(np.ones(2), np.array([0.0, 1.0]), {})
            >>> shift.then(half)(np.array([[2.0, 2.0]]))
            array([[1. , 1.5]])
        """
        return Correction(
            self.scale * other.scale,
            self.bias * other.scale + other.bias,
            self.strengths | other.strengths,
        )


def no_correction(n_classes: int) -> Correction:
    """Leave logits as they are."""
    return Correction(np.ones(n_classes), np.zeros(n_classes), {})


def logit_adjust(
    logits: Floats,
    labels: NDArray[np.integer],
    value: Value,
    log_carried: Floats,
    log_data: Floats,
) -> Correction:
    """Take out of the logits what the training's class shares put in.

    corrected[c] = logits[c] - a log q[c] - b log pi[c]

    with the prior q that the model carries and the data's shares pi. a = 1, b = 0 is the textbook's
    rule; but rare examples that were drawn again and again are over-fitted, not learned, which
    favours the data's large classes even after balanced draws. So both strengths, 0 to 2, are
    fitted.

    When: Macro metrics, or a deployment whose class shares differ from the training's.
    Cost: None: it is folded into the last layer.
    Risk: Two numbers fitted on few validation examples of rare classes.

    Args:
        logits: Of the validation rows, shape [N, C].
        labels: Their label ids, shape [N].
        value: How good predictions are.
        log_carried: log q, shape [C].
        log_data: log pi, shape [C].

    References:
        Menon et al., Long-Tail Learning via Logit Adjustment, ICLR 2021 (one strength).
    """

    def adjusted(a: float, b: float) -> Correction:
        bias = -a * log_carried - b * log_data
        strengths = {"strength_carried": float(a), "strength_data": float(b)}
        return Correction(np.ones(len(bias)), bias - bias.mean(), strengths)

    def value_of(pair: tuple[float, float]) -> float:
        return value(labels, adjusted(*pair).labels(logits))

    coarse = np.arange(0, 2.01, 0.5)
    a, b = _best(value_of, [(x, y) for x in coarse for y in coarse])
    steps = (-0.25, 0.0, 0.25)
    around = [(a + x, b + y) for x in steps for y in steps]
    near = [pair for pair in around if min(pair) >= 0 and max(pair) <= 2]
    return adjusted(*_best(value_of, near))


def tau_norm(
    logits: Floats,
    labels: NDArray[np.integer],
    value: Value,
    head_norms: Floats,
    head_bias: Floats,
) -> Correction:
    """Divide each class's weights in the last layer by a power of their norm, and drop the bias.

    corrected[c] = (logits[c] - bias[c]) / norm[c]^tau

    When: Rare classes have visibly smaller weights.
    Cost: None: it is folded into the last layer.
    Risk: A fine-tuned head has nearly equal norms: then it does nothing but drop the bias.

    Args:
        logits: Of the validation rows, shape [N, C].
        labels: Their label ids, shape [N].
        value: How good predictions are.
        head_norms: Norm of each class's weights, shape [C].
        head_bias: Bias of each class, shape [C].

    References:
        Kang et al., Decoupling, ICLR 2020.
    """

    def normed(tau: float) -> Correction:
        scale = head_norms ** (-tau)
        # A common factor changes no prediction but would change how sure the model is.
        scale = scale / np.exp(np.log(scale).mean())
        return Correction(scale, -scale * head_bias, {"tau": tau})

    taus = [(round(0.1 * k, 1),) for k in range(21)]
    (tau,) = _best(lambda t: value(labels, normed(*t).labels(logits)), taus)
    return normed(tau)


def thresholds(logits: Floats, labels: NDArray[np.integer], value: Value) -> Correction:
    """Give each class a threshold of its own, tuned one after the other.

    corrected[c] = logits[c] - log theta[c]: the class of the highest p[c] / theta[c]

    Two or three rounds over the classes; log theta from -3 to 3; the largest class is fixed.

    When: Much validation data of every class.
    Cost: None: it is folded into the last layer.
    Risk: One number a class: below about 30 validation examples each it fits noise.

    Args:
        logits: Of the validation rows, shape [N, C].
        labels: Their label ids, shape [N].
        value: How good predictions are.

    References:
        Per-class thresholds; see Menon et al., ICLR 2021, for the theory.
    """
    n_classes = logits.shape[1]
    bias = np.zeros(n_classes)
    support = np.bincount(labels, minlength=n_classes)
    free = [int(c) for c in np.argsort(support) if support[c]][:-1]
    best = value(labels, logits.argmax(axis=1))
    for _ in range(3):
        before = best
        for c in free:
            # The best of the other classes settles each row: c wins where its margin exceeds -bias.
            others = logits + bias
            others[:, c] = -np.inf
            rival = others.argmax(axis=1)
            margin = logits[:, c] - others[np.arange(len(labels)), rival]
            for candidate in np.arange(-3, 3.01, 0.25):
                lead = margin + candidate
                # Logits in bf16 are often equal; then argmax takes the first.
                wins = (lead > 0) | ((lead == 0) & (c < rival))
                found = value(labels, np.where(wins, c, rival))
                if found > best + 1e-12:
                    best, bias[c] = found, candidate
        if best <= before:
            break
    return Correction(np.ones(n_classes), bias, {})


def temperature(
    logits: NDArray[np.floating],
    labels: NDArray[np.integer],
    row_weights: NDArray[np.floating] | None = None,
) -> Correction:
    """Divide all logits by one number, so that probabilities mean what they say.

    corrected[c] = logits[c] / T, T with the least cross-entropy to the labels, of which 1 / (N + 2)
    is spread over the other classes

    When: The probabilities are used, not just the labels. No label changes.
    Cost: None: it is folded into the last layer.
    Risk: One number cannot mend classes that are wrongly sure in different ways.

    Args:
        logits: Of the validation rows, shape [N, C].
        labels: Their label ids, shape [N].
        row_weights: Weight of each class's rows, shape [C], to stand for other class shares.

    References:
        Guo et al., On Calibration of Modern Neural Networks, ICML 2017. The spread part is of
        Platt, Probabilistic Outputs for Support Vector Machines, 1999: that a few rows are all
        right does not make the model certain.
    """
    rows, n_classes = logits.shape
    weights = None if row_weights is None else row_weights[labels]
    doubt = 1 / (rows + 2)
    of_label = logits[np.arange(rows), labels]
    of_others = (logits.sum(axis=1) - of_label) / max(1, n_classes - 1)
    # How far the label is ahead of the others on average; nothing where all logits are equal.
    lead = of_label - of_others

    def slope(inverse: float) -> float:
        """Derivative of the mean loss in 1/T: the mean logit under the model, less the label's."""
        losses = _mean_logits(logits, inverse) - of_label + doubt * lead
        return float(np.average(losses, weights=weights))

    number = 1 / _root(slope, 1 / _HIGHEST, 1 / _LOWEST)
    return Correction(np.full(n_classes, 1 / number), np.zeros(n_classes), {"temperature": number})


def _mean_logits(logits: NDArray[np.floating], inverse: float) -> Floats:
    """Mean of each row's logits under softmax(inverse logits), shape [N]."""
    means = [np.empty(0)]
    for part, weights in _parts_with_room(logits):
        _below_highest(part, out=weights)
        weights *= inverse
        np.exp(weights, out=weights)
        means.append(np.einsum("nc,nc->n", weights, part) / weights.sum(axis=1))
    return np.concatenate(means)


def _root(slope: Callable[[float], float], low: float, high: float) -> float:
    """Where a rising function is 0, between two numbers above 0, or the end that is nearer to it.

    The regula falsi of Illinois over the logarithms: about ten evaluations, of which each may be a
    pass over all logits.
    """
    if (at_low := slope(low)) >= 0:
        return low
    if (at_high := slope(high)) <= 0:
        return high
    left, right, last, was_low = np.log(low), np.log(high), np.inf, None
    for _ in range(_MOST_STEPS):
        middle = (left * at_high - right * at_low) / (at_high - at_low)
        value = slope(float(np.exp(middle)))
        if value == 0 or abs(middle - last) < _TOLERANCE:
            return float(np.exp(middle))
        # An end that stays where it is counts half, or it would stay for ever.
        if value < 0:
            left, at_low, at_high = middle, value, at_high / (2 if was_low is True else 1)
        else:
            right, at_high, at_low = middle, value, at_low / (2 if was_low is False else 1)
        last, was_low = middle, value < 0
    return float(np.exp(last))


CORRECTIONS: dict[str, Callable[..., Correction]] = {
    "logit-adjust": logit_adjust,
    "tau-norm": tau_norm,
    "thresholds": thresholds,
    "temperature": temperature,
}


def softmax(logits: NDArray[np.floating]) -> NDArray[np.float64]:
    """Probabilities of logits, shape [N, C]."""
    probabilities = np.empty(logits.shape, np.float64)
    for part, of_part in zip(_parts(logits), _parts(probabilities), strict=True):
        _below_highest(part, out=of_part)
        np.exp(of_part, out=of_part)
        of_part /= of_part.sum(axis=1, keepdims=True)
    return probabilities


def label_probabilities(logits: NDArray[np.floating], labels: NDArray[np.integer]) -> Floats:
    """Probability of each row's label, shape [N]; those of the other classes are not kept."""
    found = [
        softmax(part)[np.arange(len(part)), of_part]
        for part, of_part in zip(_parts(logits), _parts(labels, logits.shape[1]), strict=True)
    ]
    return np.concatenate([np.empty(0), *found])


def log_losses(logits: NDArray[np.floating], labels: NDArray[np.integer]) -> Floats:
    """Negative log-likelihood of each label, shape [N].

    Examples:
        >>> log_losses(np.array([[2, 1, 0.1]]) / 2, np.array([0])).round(6)
        array([0.689777])
    """
    losses = [np.empty(0)]
    of_parts = _parts(labels, logits.shape[1])
    for (part, shifted), of_part in zip(_parts_with_room(logits), of_parts, strict=True):
        _below_highest(part, out=shifted)
        of_label = shifted[np.arange(len(of_part)), of_part]
        losses.append(np.log(np.exp(shifted, out=shifted).sum(axis=1)) - of_label)
    return np.concatenate(losses)


def _below_highest(part: NDArray[np.floating], out: Floats) -> None:
    """Logits less their row's highest, whose exponentials are finite, in double precision."""
    np.subtract(part, part.max(axis=1, keepdims=True), out=out, dtype=np.float64)


def _parts(rows: NDArray[Any], n_classes: int | None = None) -> list[NDArray[Any]]:
    """Views of some rows each, which together have so many classes' numbers as fit a cache."""
    size = max(1, _CELLS // max(1, n_classes or rows.shape[1]))
    return [rows[start : start + size] for start in range(0, len(rows), size)]


def _parts_with_room(rows: NDArray[Any]) -> Iterator[tuple[NDArray[Any], Floats]]:
    """Parts of rows, each with room for as many numbers: the same, as new room costs more."""
    parts = _parts(rows)
    room = np.empty_like(parts[0], dtype=np.float64) if parts else np.empty(0)
    for part in parts:
        yield part, room[: len(part)]


def _best(value_of: Callable[[Any], float], candidates: Iterable[tuple[float, ...]]) -> Any:
    """The candidate of the highest value; among equals the one nearest to doing nothing."""
    ordered = sorted(candidates, key=lambda c: (sum(c), c))
    values = [value_of(c) for c in ordered]
    return ordered[int(np.argmax(values))]
