"""From a class score's options to the weights that a run draws with."""

from dataclasses import dataclass

from dsample_cli.core.class_scores import CLASS_SCORES, Counts, Floats, class_weights
from dsample_cli.core.config import AUTO, TrainConfig
from dsample_cli.core.signatures import option_names
from dsample_cli.core.temperature import auto_temperature, temperature_for_minority_share


@dataclass(frozen=True)
class ResolvedScore:
    """Weights of the classes, with the temperature that made them.

    Attributes:
        weights: Per-example weight of each class, shape [C].
        temperature: Its number, None when the score has none.
    """

    weights: Floats
    temperature: float | None


def resolve_score(
    score: str,
    counts: Counts,
    temperature: str | float = AUTO,
    minority_share: float | None = None,
) -> ResolvedScore:
    """Compute a score's weights, choosing its temperature where that is left open.

    Raises:
        ConfigError: If the score is unknown or an option impossible.
    """
    if "temperature" not in option_names(CLASS_SCORES.get(score, class_weights)):
        return ResolvedScore(class_weights(score, counts), None)
    if minority_share is not None:
        number = temperature_for_minority_share(counts, minority_share)
    elif temperature == AUTO:
        number = auto_temperature(counts)
    else:
        number = float(temperature)
    return ResolvedScore(class_weights(score, counts, number), number)


def resolve_config_score(config: TrainConfig, counts: Counts) -> ResolvedScore:
    """Weights of the score that a run's config describes."""
    return resolve_score(config.score, counts, config.temperature, config.minority_share)
