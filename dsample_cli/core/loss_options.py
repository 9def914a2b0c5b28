"""What the options of the losses may be, for a config and for the losses themselves."""

from collections.abc import Callable
from typing import Any, NamedTuple

from dsample_cli.core.names import did_you_mean
from dsample_cli.errors import ConfigError

CLASS_WEIGHTS = ("balanced", "one-minus-share", "effective-number")


class _Range(NamedTuple):
    is_inside: Callable[[Any], bool]
    words: str


_BELOW_ONE = _Range(lambda value: 0 <= value < 1, "a number from 0 to below 1")
_UP_TO_ONE = _Range(lambda value: 0 <= value <= 1, "a number from 0 to 1")
_POSITIVE = _Range(lambda value: 0 < value < float("inf"), "a number above 0")
_FINITE = _Range(lambda value: 0 <= value < float("inf"), "0 or more")

_RANGES: dict[str, _Range] = {
    "label_smoothing": _BELOW_ONE,
    "smoothing_many": _BELOW_ONE,
    "smoothing_few": _BELOW_ONE,
    "weight_beta": _BELOW_ONE,
    "focal_gamma": _FINITE,
    "f1_weight": _UP_TO_ONE,
    "tau": _FINITE,
    "vs_gamma": _FINITE,
    "dice_alpha": _FINITE,
    "dice_smooth": _FINITE,
    "seesaw_p": _FINITE,
    "seesaw_q": _FINITE,
    "equalization_share": _UP_TO_ONE,
    "equalization_drop": _UP_TO_ONE,
    "ldam_margin": _FINITE,
    "ldam_scale": _POSITIVE,
}
LOSS_OPTIONS = ("class_weight", *_RANGES)


def check_loss_options(**options: Any) -> None:
    """Refuse impossible values; None stands for an option that is not set.

    Raises:
        ConfigError: If a value is impossible; the message names its flag.

    Examples:
        >>> check_loss_options(tau=1.5, equalization_share=None)
        >>> check_loss_options(focal_gamma=-1)
        Traceback (most recent call last):
        ...
        dsample_cli.errors.ConfigError: --focal-gamma must be 0 or more, not -1.
    """
    for name, value in options.items():
        flag = name.replace("_", "-")
        if name == "class_weight":
            if value not in CLASS_WEIGHTS:
                raise ConfigError(
                    f"Unknown --{flag} '{value}'.", did_you_mean(value, CLASS_WEIGHTS)
                )
        elif value is not None and not _RANGES[name].is_inside(value):
            raise ConfigError(
                f"--{flag} must be {_RANGES[name].words}, not {value:g}.",
                f"See --{flag} in: dsample train --help",
            )
