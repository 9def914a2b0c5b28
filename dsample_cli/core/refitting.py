"""What a refit is asked to do: one flat, validated record of options."""

from dataclasses import dataclass

from dsample_cli.core.names import look_up
from dsample_cli.errors import ConfigError

# Names of the heads and of the ways to resample features; training/refit.py and
# training/feature_resampling.py hold the functions.
HEAD_NAMES = ("crt", "lws", "ncm", "tau-norm", "disalign")
RESAMPLE_NAMES = ("smote", "smote-enn", "smote-tomek", "enn", "oss", "oversample", "ftl")


@dataclass(frozen=True)
class RefitConfig:
    """Options of `dsample refit`; see its --help for their meaning.

    Raises:
        ConfigError: On construction, if a value is impossible; the message names the option.
    """

    head: str = "crt"
    resample: str | None = None
    epochs: int | None = None
    lr: float | None = None
    rho: float = 1.0
    seed: int | None = None

    def __post_init__(self) -> None:
        look_up(dict.fromkeys(HEAD_NAMES), self.head, "head")
        if self.resample is not None:
            look_up(dict.fromkeys(RESAMPLE_NAMES), self.resample, "resampling")
            if self.head == "tau-norm":
                raise ConfigError(
                    "--resample does not act on --head tau-norm, which no training row is used "
                    "for.",
                    "Leave it out, or use --head crt.",
                )
        is_possible = {
            "epochs": (self.epochs is None or self.epochs >= 1, "at least 1"),
            "lr": (self.lr is None or 0 < self.lr < float("inf"), "above 0"),
            "rho": (0 <= self.rho < float("inf"), "0 or more"),
            "seed": (self.seed is None or self.seed >= 0, "0 or more"),
        }
        for option, (is_fine, wanted) in is_possible.items():
            if not is_fine:
                raise ConfigError(
                    f"--{option} must be {wanted}, not {getattr(self, option)}.",
                    f"See --{option} in: dsample refit --help",
                )
