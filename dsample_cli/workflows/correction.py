"""Choose the correction of a trained model: fitted on validation logits, taken if it helps."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dsample_cli.core.class_scores import Counts, Floats
from dsample_cli.core.config import AUTO, TrainConfig
from dsample_cli.core.corrections import (
    CORRECTIONS,
    Correction,
    Value,
    log_losses,
    no_correction,
    temperature,
)
from dsample_cli.core.epochs import epoch_lengths
from dsample_cli.core.priors import carried_prior, learning_rates, parse_target_prior, target_prior
from dsample_cli.core.reweighting import epoch_weights
from dsample_cli.core.scores import Score
from dsample_cli.core.selection import SELECTION_METRICS
from dsample_cli.core.signatures import input_names
from dsample_cli.errors import ConfigError, RunError
from dsample_cli.evaluation.cross_fitting import Fit, Gain, cross_fit, measure_gain, metric_value
from dsample_cli.runs.files import read_json
from dsample_cli.workflows.double_correction import loss_weights

NONE, UNIFORM = "none", "uniform"


@dataclass(frozen=True)
class Wish:
    """What the user asked for, and what is known of the model.

    Attributes:
        method: One of `core.config.CORRECT_NAMES`.
        target: Class shares that predictions are meant for, shape [C]; None for the validation
            rows as they are, which for macro metrics means uniform.
        metric: Key of the summary metric that decides.
        carried: Prior that the model carries, shape [C].
        counts: Training examples per class, shape [C].
        head: Norm and bias of each class in the last layer, for tau-norm.
    """

    method: str
    target: Floats | None
    metric: str
    carried: Floats
    counts: Counts
    head: tuple[Floats, Floats] | None


@dataclass(frozen=True)
class Choice:
    """The correction that was taken.

    Attributes:
        wish: What was asked for.
        method: What was taken: "none", or names of corrections joined by "+".
        correction: To apply to the model's logits.
        gain: What the asked correction is worth on rows that it was not fitted on; None when
            nothing was tried.
        prior: Class prior that the corrected model stands for, shape [C].
        validation: Logits of the validation rows, each corrected without having been fitted on;
            None without validation.
    """

    wish: Wish
    method: str
    correction: Correction
    gain: Gain | None
    prior: Floats
    validation: NDArray[np.floating] | None

    def to_json(self, names: Sequence[str], is_folded: bool) -> dict[str, Any]:
        """The entry `correction` of run.json."""
        wish, correction = self.wish, self.correction
        answer: dict[str, Any] = {
            "asked": wish.method,
            "method": self.method,
            "folded": is_folded and self.method != NONE,
            "strengths": correction.strengths,
            "target_prior": None if wish.target is None else _by_label(names, wish.target),
            "carried_prior": _by_label(names, wish.carried),
            "scale": _by_label(names, correction.scale),
            "bias": _by_label(names, correction.bias),
        }
        if self.gain is not None:
            answer["metric"] = wish.metric
            answer["before"] = self.gain.before
            answer["cross_fitted"] = self.gain.after
            answer["standard_error"] = self.gain.error
        return answer


def choose_correction(
    wish: Wish, logits: NDArray[np.floating] | None, labels: NDArray[np.integer] | None
) -> Choice:
    """Fit the asked correction; under `auto` take it only when its cross-fitted gain is no luck.

    Args:
        wish: What was asked for.
        logits: Of the validation rows, uncorrected, shape [N, C]; None without validation data.
        labels: Their label ids, shape [N].

    Raises:
        ConfigError: If a correction is asked for that cannot be fitted.
    """
    nothing = no_correction(len(wish.counts))
    if logits is None or labels is None:
        require_validation(wish.method, False)
        return Choice(wish, NONE, nothing, None, wish.carried, None)
    if wish.method == NONE:
        return Choice(wish, NONE, nothing, None, wish.carried, logits)
    name = "logit-adjust" if wish.method == AUTO else wish.method
    weights = _row_weights(wish, labels)
    fit = _fit(name, wish, weights)
    held_out = cross_fit(fit, logits, labels)
    gain = measure_gain(logits, held_out, labels, wish.metric, weights)
    if wish.method != AUTO:
        prior = _served(wish) if name == "logit-adjust" else wish.carried
        return Choice(wish, name, fit(logits, labels), gain, prior, held_out)
    method, correction, prior, kept = [], nothing, wish.carried, logits
    served_weights = None
    if gain.is_beyond_noise:
        method, correction = [name], fit(logits, labels)
        prior, kept = _served(wish), held_out
        served_weights = weights

    def calibrate(values: NDArray[np.floating], labels: NDArray[np.integer]) -> Correction:
        return temperature(values, labels, served_weights)

    calibrated = cross_fit(calibrate, kept, labels)
    if _is_better_calibrated(kept, calibrated, labels, served_weights):
        method.append("temperature")
        correction = correction.then(calibrate(correction(logits), labels))
        kept = calibrated
    return Choice(wish, "+".join(method) or NONE, correction, gain, prior, kept)


def require_validation(method: str, has_validation: bool) -> None:
    """Check that a correction can be fitted.

    Raises:
        ConfigError: If it is asked for without validation data.
    """
    if not has_validation and method not in (AUTO, NONE):
        raise ConfigError(
            f"--correct {method} is fitted on validation data, and there is none.",
            "Give some with --val FILE or --val-size 0.2, or use --correct none.",
        )


def require_class_norms(method: str, has_norms: bool) -> None:
    """Check that a model has what a correction of its class weights needs.

    Raises:
        ConfigError: If the correction is asked for and the head has no class weights whose lengths
            count.
    """
    if method == "tau-norm" and not has_norms:
        raise ConfigError(
            "--correct tau-norm needs a model whose last layer is linear: the class weights of a "
            "cosine head have no lengths to divide by, and other heads no such weights.",
            "Use --correct logit-adjust.",
        )


def make_wish(
    config: TrainConfig,
    names: Sequence[str],
    counts: Counts,
    score: Score,
    records: Sequence[dict[str, Any]],
    best_epoch: int,
    head: tuple[Floats, Floats] | None,
) -> Wish:
    """What a run's config asks for, with the prior that its epochs and its loss left in the model.

    Weights in the loss count as draws, those of single epochs too: balanced softmax, which takes
    out what was drawn, leaves a uniform prior.

    Raises:
        RunError: If the records are not those of the epochs up to the best.
    """
    lengths = epoch_lengths(counts, score, config.make_schedule(), config.planned_epochs)
    rates = learning_rates(lengths, config.lr_schedule, config.lr_warmup)[: best_epoch + 1]
    shares = _expected_shares(names, records, best_epoch)
    weighted = [s * epoch_weights(config, e, counts, s) for e, s in enumerate(shares)]
    drawn = carried_prior(shares, rates)
    carried = carried_prior(np.array(weighted), rates) * loss_weights(config, counts, drawn)
    return Wish(
        config.correct,
        read_target_prior(config.target_prior, names, counts),
        _metric(config.select_on),
        carried / carried.sum(),
        counts,
        head,
    )


def _expected_shares(
    names: Sequence[str], records: Sequence[dict[str, Any]], best_epoch: int
) -> Floats:
    """The shares that the epochs up to the best drew by, shape [E, C]."""
    try:
        judged = records[: best_epoch + 1]
        shares = [[record["expected"][name] for name in names] for record in judged]
        return np.array(shares, dtype=np.float64).reshape(best_epoch + 1, len(names))
    except (KeyError, TypeError, ValueError):
        raise RunError(
            "The run's epochs.jsonl is damaged: the class shares of its epochs are not whole.",
            "Restore the file, or train it again: dsample train --config RUN/config.toml",
        ) from None


def read_carried_prior(manifest: dict[str, Any]) -> Floats:
    """The prior that a run's uncorrected model carries, as the run recorded it, shape [C]."""
    recorded = manifest["correction"]["carried_prior"]
    return np.array([recorded[name] for name in manifest["labels"]])


def wished_value(wish: Wish, labels: NDArray[np.integer]) -> Value:
    """How good predictions of the validation rows with these labels are, by what is wished for."""
    return metric_value(wish.metric, len(wish.counts), _row_weights(wish, labels))


def read_target_prior(text: str, names: Sequence[str], counts: Counts) -> Floats | None:
    """Class shares that a user typed or named a file of; None for uniform, the default.

    Raises:
        ConfigError: If they are no distribution over the labels.
    """
    if text == UNIFORM:
        return None
    if text.endswith(".json"):
        content = read_json_shares(text)
        return target_prior(content, names)
    return parse_target_prior(text, names, counts)


def read_json_shares(path: str) -> dict[str, float]:
    """A JSON object of label -> share.

    Raises:
        ConfigError: If the file holds something else.
    """
    try:
        content = read_json(Path(path))
    except RunError as error:
        raise ConfigError(error.message, "Check the path of --target-prior.") from None
    is_shares = isinstance(content, dict) and all(
        isinstance(v, int | float) for v in content.values()
    )
    if not is_shares:
        raise ConfigError(
            f"{path} holds no class shares.", 'Write a JSON object: {"spam": 0.1, "ham": 0.9}'
        )
    return {str(label): float(share) for label, share in content.items()}


def prior_shift(manifest: dict[str, Any], text: str | None) -> tuple[Floats, Floats] | None:
    """The prior that a run's model stands for and the one that a user asks for; None for its own.

    Raises:
        RunError: If the run does not say which prior its model has.
        ConfigError: If the text is no distribution over its labels.
    """
    if text is None:
        return None
    names, counts = manifest["labels"], np.array(manifest["train_counts"])
    if "prior" not in manifest:
        raise RunError(
            f"Run {manifest['run']} does not say which class prior its model carries.",
            f"Make a run that does with: dsample correct --run {manifest['run']}",
        )
    asked = read_target_prior(text, names, counts)
    uniform = np.full(len(names), 1 / len(names))
    own = np.array([manifest["prior"][name] for name in names])
    return own, uniform if asked is None else asked


def _fit(name: str, wish: Wish, row_weights: NDArray | None) -> Fit:
    """The correction called `name` as a function of logits and labels."""
    n_classes = len(wish.counts)
    inputs: dict[str, Any] = {
        "value": metric_value(wish.metric, n_classes, row_weights),
        "log_carried": np.log(wish.carried),
        "log_data": np.log(wish.counts / wish.counts.sum()),
    }
    require_class_norms(name, wish.head is not None)
    if wish.head is not None:
        inputs["head_norms"], inputs["head_bias"] = wish.head
    needed = [n for n in input_names(CORRECTIONS[name]) if n not in ("logits", "labels")]
    shift = np.zeros(n_classes)
    if wish.target is not None and name == "logit-adjust":
        shift = np.log(wish.target) - np.log(wish.target).mean()
    to_target = Correction(np.ones(n_classes), shift, {})

    def fit(logits: NDArray[np.floating], labels: NDArray[np.integer]) -> Correction:
        # The strengths are fitted on what will be served: the target's share is added first.
        aimed = logits if wish.target is None else to_target(logits)
        fitted = CORRECTIONS[name](aimed, labels, *(inputs[n] for n in needed))
        return to_target.then(fitted)

    return fit


def _row_weights(wish: Wish, labels: NDArray[np.integer]) -> NDArray | None:
    """Weights of each class's validation rows that make them stand for the target's shares."""
    if wish.target is None:
        return None
    support = np.bincount(labels, minlength=len(wish.counts))
    return np.where(support > 0, wish.target / np.maximum(support, 1) * len(labels), 0.0)


def _served(wish: Wish) -> Floats:
    return np.full(len(wish.counts), 1 / len(wish.counts)) if wish.target is None else wish.target


def _is_better_calibrated(
    raw: NDArray[np.floating],
    calibrated: NDArray[np.floating],
    labels: NDArray[np.integer],
    row_weights: NDArray | None,
) -> bool:
    """Whether the log-loss falls by more than luck would have it."""
    gains = log_losses(raw, labels) - log_losses(calibrated, labels)
    weights = np.ones(len(labels)) if row_weights is None else row_weights[labels]
    mean = np.average(gains, weights=weights)
    error = np.sqrt((weights**2 * (gains - mean) ** 2).sum()) / weights.sum()
    return bool(mean > 1.28 * error)


def _metric(select_on: str) -> str:
    """The summary metric that --select-on watches; macro-F1 when it watches the loss."""
    key = SELECTION_METRICS[select_on][0]
    return "macro_f1" if key == "loss" else key


def _by_label(names: Sequence[str], values: Floats) -> dict[str, float]:
    return dict(zip(names, values.tolist(), strict=True))
