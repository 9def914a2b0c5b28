"""What a training run is asked to do: one flat, validated record of options.

The command line, environment variables and config files all end here. Field names are the option
names with underscores; `to_options` writes what `dsample train --config` reads back.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any

from dsample_cli.core.loss_options import LOSS_OPTIONS, check_loss_options
from dsample_cli.core.names import did_you_mean
from dsample_cli.core.read_options import ReadOptions
from dsample_cli.core.schedules import Schedule, parse_schedule, schedule_names
from dsample_cli.core.selection import SELECTION_METRICS
from dsample_cli.errors import ConfigError

AUTO = "auto"

# A plan has a line for each epoch.
MOST_EPOCHS = 10_000
# Of whole numbers: what the libraries below take as seeds, lengths and counts.
_LARGEST = 2**31 - 1

_EXAMPLES_IN_ALL, _FEWEST_EPOCHS, _MOST_EPOCHS = 60_000, 3, 16

CORRECT_NAMES = (AUTO, "none", "logit-adjust", "tau-norm", "thresholds", "temperature")
# Names of the losses; training/losses.py holds the functions, which need torch.
LOSS_NAMES = (
    "ce",
    "label-aware-smoothing",
    "weighted",
    "focal",
    "soft-f1",
    "balanced-softmax",
    "logit-adjusted",
    "vs",
    "dice",
    "seesaw",
    "equalization",
    "ldam",
)
# Their functions are in training/optimizers.py.
OPTIMIZER_NAMES = ("adamw", "adam", "adafactor")
DEVICE_NAMES = (AUTO, "cpu", "cuda", "mps")
PRECISION_NAMES = (AUTO, "fp32", "bf16", "fp16")
# What a training can report its epochs to; each is the name of a package.
TRACKERS = ("tensorboard", "wandb", "mlflow")
# Options that are typed each time: no run stores them, and no file sets them.
TYPED_ONLY = ("trust_remote_code",)
# Their functions are in training/contrastive.py.
CONTRASTIVE_FORMS = ("supervised", "balanced")


@dataclass(frozen=True)
class TrainConfig:
    """Options of `dsample train`; see its --help for their meaning.

    Raises:
        ConfigError: On construction, if a value is impossible; the message names the option.
    """

    data: str
    val: str | None = None
    test: str | None = None
    val_size: float = 0.2
    test_size: float = 0.0
    text_column: tuple[str, ...] = ()
    label_column: str | None = None
    group_column: str | None = None
    labels: str | None = None
    unknown_labels: str = "error"
    encoding: str | None = None
    delimiter: str | None = None
    max_bytes: str | None = None

    model: str = "minilm"
    tokenizer: str | None = None
    trust_remote_code: bool = False
    max_length: int = 128
    truncation_side: str = "right"
    dropout: float | None = None
    freeze_embeddings: bool = False
    freeze_layers: int = 0
    lora: int = 0
    lora_alpha: float | None = None

    score: str = "softmax"
    temperature: str | float = AUTO
    minority_share: float | None = None
    power: float = 0.25
    beta: str | float = AUTO
    score_warmup: int | None = None
    hard_share: float = 0.5
    easy_start: float = 0.5
    pressure: float = 100.0
    active_bias: str = "variance"
    window: int = 10
    schedule: str = "cyclic"
    cycle: int = 3
    warmup_epochs: int | None = None
    switch_start: str = "weighted"
    defer: float = 0.8
    dcl_decay: float = 0.9
    order: str = "shuffled"
    loss: str = "ce"
    correct: str = AUTO
    target_prior: str = "uniform"
    label_smoothing: float = 0.1
    smoothing_many: float = 0.4
    smoothing_few: float = 0.1
    class_weight: str = "balanced"
    weight_beta: float = 0.999
    focal_gamma: float = 2.0
    f1_weight: float = 0.5
    tau: float = 1.0
    vs_gamma: float = 0.3
    dice_alpha: float = 0.01
    dice_smooth: float = 1.0
    seesaw_p: float = 0.8
    seesaw_q: float = 2.0
    equalization_share: float | None = None
    equalization_drop: float = 0.9
    ldam_margin: float = 0.5
    ldam_scale: float = 30.0
    drw: bool = False
    drw_start: float = 0.8
    drw_beta: float = 0.9999
    contrastive: float = 0.0
    contrastive_form: str = "supervised"
    contrastive_temperature: float | None = None

    epochs: str | int = AUTO
    batch_size: int = 32
    grad_accum: int = 1
    lr: str | float = AUTO
    head_lr_factor: str | float = AUTO
    lr_schedule: str = "linear"
    lr_warmup: float = 0.2
    optimizer: str = "adamw"
    weight_decay: float = 0.1
    grad_clip: float = 1.0
    patience: int = 0
    select_on: str = "macro-f1"
    seed: int = 42
    device: str = AUTO
    precision: str = AUTO
    gradient_checkpointing: bool = False
    compile: bool = False
    workers: int = 0
    groups: str | None = None
    keep_checkpoints: bool = False
    checkpoint_steps: int = 0
    record_draws: bool = False
    report_to: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        self._check_names()
        self._check_numbers()
        _ = self.read_options
        check_loss_options(**self.loss_options)
        self.make_schedule()

    def make_schedule(self) -> Schedule:
        """Build the schedule that the options describe."""
        return parse_schedule(
            self.schedule,
            self.planned_epochs,
            cycle=self.cycle,
            warmup_epochs=self.planned_warmup_epochs,
            switch_start=self.switch_start,
            defer=self.defer,
            dcl_decay=self.dcl_decay,
        )

    @property
    def planned_epochs(self) -> int:
        """Epochs as a number; the most that auto takes while it is not settled."""
        return _MOST_EPOCHS if isinstance(self.epochs, str) else self.epochs

    @property
    def planned_warmup_epochs(self) -> int:
        """Warmup epochs as asked for; half of the planned epochs otherwise."""
        return self.planned_epochs // 2 if self.warmup_epochs is None else self.warmup_epochs

    @property
    def planned_score_warmup(self) -> int:
        """Epochs before an example score acts: as asked for, else a fifth of the planned ones."""
        if self.score_warmup is not None:
            return self.score_warmup
        return max(1, round(self.planned_epochs / 5))

    @property
    def loss_options(self) -> dict[str, Any]:
        """Options of all losses, by name."""
        return {name: getattr(self, name) for name in LOSS_OPTIONS}

    @property
    def planned_lora_alpha(self) -> float:
        """Alpha of LoRA as asked for; twice the rank otherwise."""
        return 2.0 * self.lora if self.lora_alpha is None else self.lora_alpha

    @property
    def has_cosine_head(self) -> bool:
        """Whether the last layer is trained as a cosine head: a margin needs bounded logits."""
        return self.loss == "ldam"

    def is_reweighted(self, epoch: int) -> bool:
        """Whether --drw weighs the losses of an epoch; of the last epoch it always does."""
        last = self.planned_epochs - 1
        return self.drw and epoch >= min(round(self.drw_start * self.planned_epochs), last)

    @property
    def read_options(self) -> ReadOptions:
        """How the data files are written, and how much of one is read."""
        return ReadOptions(self.encoding, self.delimiter, self.max_bytes)

    @property
    def schedule_names(self) -> list[str]:
        """Names of the schedules that --schedule combines."""
        return schedule_names(self.schedule)

    @property
    def group_thresholds(self) -> tuple[int, int] | None:
        """--groups HIGH,LOW as numbers."""
        return None if self.groups is None else parse_thresholds(self.groups)

    def to_options(self) -> dict[str, Any]:
        """Options as a config file holds them: kebab-case names, nothing that is unset."""
        options = {name.replace("_", "-"): value for name, value in asdict(self).items()}
        return {
            name: list(value) if isinstance(value, tuple) else value
            for name, value in options.items()
            if value is not None and value != () and name.replace("-", "_") not in TYPED_ONLY
        }

    @classmethod
    def from_options(cls, options: Mapping[str, Any]) -> "TrainConfig":
        """Read what `to_options` wrote.

        Raises:
            ConfigError: If a name is unknown or a value impossible.
        """
        names = [f.name for f in fields(cls) if f.name not in TYPED_ONLY]
        values = {name.replace("-", "_"): value for name, value in options.items()}
        for name in values:
            if name not in names:
                raise ConfigError(f"Unknown option '{name}'.", did_you_mean(name, names))
        for name in ("text_column", "report_to"):
            if isinstance(values.get(name), list):
                values[name] = tuple(values[name])
        return cls(**values)

    def _check_names(self) -> None:
        # Imported here: numpy is slow to load, and --help reads this module for the defaults.
        from dsample_cli.core.sampling import ORDERS
        from dsample_cli.core.scores import parse_score

        parse_score(self.score)
        for option, choices in {
            "order": ORDERS,
            "loss": LOSS_NAMES,
            "contrastive_form": CONTRASTIVE_FORMS,
            "correct": CORRECT_NAMES,
            "select_on": tuple(SELECTION_METRICS),
            "unknown_labels": ("error", "drop"),
            "truncation_side": ("right", "left"),
            "lr_schedule": ("linear", "cosine", "constant"),
            "optimizer": OPTIMIZER_NAMES,
            "device": DEVICE_NAMES,
            "precision": PRECISION_NAMES,
        }.items():
            value = getattr(self, option)
            if value not in choices:
                flag = option.replace("_", "-")
                raise ConfigError(f"Unknown --{flag} '{value}'.", did_you_mean(value, choices))
        for tracker in self.report_to:
            if tracker not in TRACKERS:
                hint = did_you_mean(tracker, (*TRACKERS, "none"))
                raise ConfigError(f"Unknown --report-to '{tracker}'.", hint)
        if self.groups is not None:
            parse_thresholds(self.groups)

    def _check_numbers(self) -> None:
        for option, lowest in {
            "batch_size": 1,
            "grad_accum": 1,
            "freeze_layers": 0,
            "lora": 0,
            "workers": 0,
            "max_length": 4,
            "patience": 0,
            "seed": 0,
            "window": 1,
            "checkpoint_steps": 0,
        }.items():
            _require(self, option, getattr(self, option) >= lowest, f"at least {lowest}")
        has_epochs = self.epochs == AUTO or (
            not isinstance(self.epochs, str) and 1 <= self.epochs <= MOST_EPOCHS
        )
        _require(self, "epochs", has_epochs, f"auto or from 1 to {MOST_EPOCHS}")
        for option in ("weight_decay", "grad_clip", "contrastive"):
            _require(self, option, 0 <= getattr(self, option) < float("inf"), "0 or more")
        if self.contrastive_temperature is not None:
            is_usable = 0 < self.contrastive_temperature < float("inf")
            _require(self, "contrastive_temperature", is_usable, "above 0")
        _require(self, "drw_start", 0 <= self.drw_start < 1, "a share from 0 to below 1")
        _require(self, "drw_beta", 0 <= self.drw_beta < 1, "a number from 0 to below 1")
        if self.score_warmup is not None:
            _require(self, "score_warmup", self.score_warmup >= 0, "at least 0")
        is_beta = self.beta == AUTO or (not isinstance(self.beta, str) and 0 <= self.beta < 1)
        _require(self, "beta", is_beta, "auto or a number from 0 to below 1")
        for option in ("lr", "head_lr_factor", "temperature"):
            value = getattr(self, option)
            is_usable = value == AUTO or (not isinstance(value, str) and 0 < value < float("inf"))
            _require(self, option, is_usable, "auto or a number above 0")
        _require(self, "lr_warmup", 0 <= self.lr_warmup < 1, "a share from 0 to below 1")
        for option in ("val_size", "test_size"):
            _require(self, option, 0 <= getattr(self, option) < 1, "a share from 0 to below 1")
        if self.val_size + self.test_size >= 1:
            raise ConfigError(
                "--val-size and --test-size leave no training rows.", "Lower one of them."
            )
        if self.dropout is not None:
            _require(self, "dropout", 0 <= self.dropout < 1, "a share from 0 to below 1")
        if self.lora_alpha is not None:
            is_usable = 0 < self.lora_alpha < float("inf")
            _require(self, "lora_alpha", is_usable, "above 0")
        if self.minority_share is not None:
            from dsample_cli.core.scores import parse_score

            _require(self, "minority_share", 0 < self.minority_share < 1, "between 0 and 1")
            if "softmax" not in parse_score(self.score):
                raise ConfigError(
                    "--minority-share sets the temperature of --score softmax, not of "
                    f"'{self.score}'.",
                    "Leave one of them out.",
                )
        for name, value in asdict(self).items():
            if isinstance(value, float):
                _require(self, name, math.isfinite(value), "a finite number")
            elif isinstance(value, int):
                _require(self, name, value <= _LARGEST, f"at most {_LARGEST}")


# The reference's own settings (s2jin/D-Sampling_Imbalanced-CLS). It stops when its count of epochs
# without improvement exceeds 5, which is a patience of 6 as counted here.
PAPER_PRESET: dict[str, Any] = {
    "optimizer": "adam",
    "lr": 1e-5,
    "head-lr-factor": 1.0,
    "lr-schedule": "constant",
    "lr-warmup": 0.0,
    "weight-decay": 0.0,
    "batch-size": 128,
    "max-length": 96,
    "grad-clip": 10.0,
    "precision": "fp32",
    "select-on": "loss",
    "patience": 6,
    "epochs": 1000,
    "warmup-epochs": 5,
    "order": "file",
    "score": "softmax",
    "temperature": 1.0,
    "loss": "ce",
    "label-smoothing": 0.0,
    "correct": "none",
}

PRESETS: dict[str, dict[str, Any]] = {"paper": PAPER_PRESET}


def parse_thresholds(text: str) -> tuple[int, int]:
    """Read `HIGH,LOW` train counts that part many, medium and few.

    Raises:
        ConfigError: If the text is not two whole numbers with HIGH >= LOW.

    Examples:
        >>> parse_thresholds("100,20")
        (100, 20)
    """
    try:
        high, low = (int(part) for part in text.split(","))
    except ValueError:
        high, low = -1, 0
    if high < low or low < 0:
        raise ConfigError(
            f"--groups takes two train counts, the higher first, not '{text}'.",
            "For example --groups 100,20: many above 100, few below 20.",
        )
    return high, low


def parse_trackers(words: Sequence[str]) -> tuple[str, ...]:
    """Read names of trackers, with commas between them or not; `none` stands for no tracker.

    Raises:
        ConfigError: If `none` is one of several.

    Examples:
        >>> parse_trackers(["tensorboard,wandb", "tensorboard"]), parse_trackers(["none"])
        (('tensorboard', 'wandb'), ())
    """
    names = [name.strip() for word in words for name in word.split(",")]
    chosen = tuple(dict.fromkeys(filter(None, names)))
    if "none" in chosen and len(chosen) > 1:
        raise ConfigError("--report-to none goes with no other.", "Leave one of them out.")
    return () if chosen == ("none",) else chosen


def parse_number_or_auto(text: str, option: str) -> str | float:
    """Read `auto` or a number.

    Raises:
        ConfigError: If it is neither.

    Examples:
        >>> parse_number_or_auto("0.25", "temperature")
        0.25
    """
    if text == AUTO:
        return AUTO
    try:
        return float(text)
    except ValueError:
        flag = option.replace("_", "-")
        raise ConfigError(
            f"--{flag} takes auto or a number, not '{text}'.", f"Use for example --{flag} auto."
        ) from None


def parse_whole_or_auto(text: str, option: str) -> str | int:
    """Read `auto` or a whole number.

    Raises:
        ConfigError: If it is neither.

    Examples:
        >>> parse_whole_or_auto("12", "epochs")
        12
    """
    if text == AUTO:
        return AUTO
    try:
        return int(text)
    except ValueError:
        raise ConfigError(
            f"--{option} takes auto or a whole number, not '{text}'.", f"Use --{option} auto."
        ) from None


def auto_epochs(rows: int) -> int:
    """Epochs of a training set: about 60,000 examples in all, in 3 to 16 epochs.

    A few thousand rows go on gaining on rare classes for 16 epochs; a hundred thousand are learned
    in three, and each epoch costs in proportion to the rows.

    Examples:
        >>> auto_epochs(2000), auto_epochs(6000), auto_epochs(1_000_000)
        (16, 10, 3)
    """
    return min(_MOST_EPOCHS, max(_FEWEST_EPOCHS, round(_EXAMPLES_IN_ALL / rows)))


def _require(config: TrainConfig, option: str, condition: bool, wanted: str) -> None:
    if not condition:
        flag, value = option.replace("_", "-"), getattr(config, option)
        raise ConfigError(
            f"--{flag} must be {wanted}, not {value}.", f"See --{flag} in: dsample train --help"
        )
