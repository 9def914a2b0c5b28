"""Schedules: how strongly each epoch follows the score.

A schedule answers, before each epoch, with an `EpochPlan`: the mix (0 natural order, 1 the score
alone) and whether the epoch is judged, that is validated for selection and early stopping. Most
schedules depend on the epoch alone. One that reacts to the run keeps a small state that a pure
function updates after each epoch, so that resuming is a replay of the logged epochs.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

from dsample_cli.core.names import look_up
from dsample_cli.core.signatures import call_with
from dsample_cli.errors import ConfigError


class EpochPlan(NamedTuple):
    """What one epoch does.

    Attributes:
        mix: 0 reads every example once, 1 draws by the score alone, between is a mixture.
        judged: Whether the epoch counts for the best model and for early stopping.
    """

    mix: float
    judged: bool = True


@dataclass(frozen=True)
class Schedule:
    """A plan for every epoch.

    Attributes:
        plan: (epoch, state) -> EpochPlan; epochs count from 0.
        update: (state, improved) -> state after an epoch. `improved` says whether a judged epoch
            was strictly better than all before; it is None after an epoch that was not judged.
        initial_state: State before epoch 0.
        depends_on_run: True when the mixes cannot be known before training.
    """

    plan: Callable[[int, Any], EpochPlan]
    update: Callable[[Any, bool | None], Any] = lambda state, improved: state
    initial_state: Any = None
    depends_on_run: bool = False


def natural() -> Schedule:
    """Every epoch reads each example once: plain training.

    mix(epoch) = 0

    Examples:
        >>> mixes(natural(), 3)
        [0.0, 0.0, 0.0]
    """
    return Schedule(lambda epoch, state: EpochPlan(0.0))


def always() -> Schedule:
    """Every epoch draws by the score: a fixed reweighting of the data.

    mix(epoch) = 1

    Examples:
        >>> mixes(always(), 3)
        [1.0, 1.0, 1.0]
    """
    return Schedule(lambda epoch, state: EpochPlan(1.0))


def cyclic(cycle: int = 3) -> Schedule:
    """Natural order every `cycle` epochs, beginning with epoch 0; scored draws between.

    mix(epoch) = 0 if epoch % cycle == 0 else 1

    The natural epochs bring the whole data back, so that the score sets no lasting bias.

    Args:
        cycle: Epochs from one natural epoch to the next; 1 is plain training.

    Raises:
        ConfigError: If cycle < 1.

    References:
        D-Sampling, HCLT 2021; Korean patent 10-2458360.

    Examples:
        >>> mixes(cyclic(3), 6)
        [0.0, 1.0, 1.0, 0.0, 1.0, 1.0]
    """
    if cycle < 1:
        raise ConfigError(
            f"--cycle must be at least 1, not {cycle}.",
            "Use for example --cycle 3: one natural epoch, then two scored ones.",
        )
    return Schedule(lambda epoch, state: EpochPlan(float(epoch % cycle != 0)))


class SwitchState(NamedTuple):
    """Whether the coming epoch reviews the data in the other mode."""

    review: bool = False


def switch(switch_start: str = "weighted") -> Schedule:
    """Scored draws until an epoch brings no improvement; then one natural review epoch.

    mix(epoch) = 1, or 0 in a review epoch. A review epoch follows each judged epoch that did not
    improve. It is trained and logged, but neither judged, selected nor counted by --patience.

    Args:
        switch_start: "weighted" is the reference's code; "natural" is the reverse direction:
            natural epochs, scored review.

    Raises:
        ConfigError: If switch_start is something else.

    References:
        D-Sampling, HCLT 2021; Korean patent 10-2458360.

    Examples:
        >>> schedule = switch()
        >>> state = schedule.update(schedule.initial_state, False)
        >>> schedule.plan(1, state)
        EpochPlan(mix=0.0, judged=False)
    """
    if switch_start not in ("weighted", "natural"):
        raise ConfigError(
            f"Unknown --switch-start '{switch_start}'.", "Choose one of: weighted, natural."
        )
    normal = 1.0 if switch_start == "weighted" else 0.0
    return Schedule(
        plan=lambda epoch, state: EpochPlan(
            1 - normal if state.review else normal, judged=not state.review
        ),
        update=lambda state, improved: SwitchState(review=improved is False),
        initial_state=SwitchState(),
        depends_on_run=True,
    )


def warmup(warmup_epochs: int = 5) -> Schedule:
    """Natural epochs first, then scored draws to the end.

    mix(epoch) = 0 if epoch < warmup_epochs else 1. Warmup epochs are not judged: the best model is
    chosen among the scored epochs.

    Args:
        warmup_epochs: Natural epochs at the start.

    Raises:
        ConfigError: If warmup_epochs < 0.

    References:
        D-Sampling, HCLT 2021; deferred resampling, Cao et al., NeurIPS 2019.

    Examples:
        >>> mixes(warmup(2), 4)
        [0.0, 0.0, 1.0, 1.0]
    """
    if warmup_epochs < 0:
        raise ConfigError(
            f"--warmup-epochs must be 0 or more, not {warmup_epochs}.",
            "Use for example --warmup-epochs 2: two natural epochs, then scored ones.",
        )
    return Schedule(
        lambda epoch, state: EpochPlan(float(epoch >= warmup_epochs), epoch >= warmup_epochs)
    )


SCHEDULES: dict[str, Callable[..., Schedule]] = {
    "natural": natural,
    "always": always,
    "cyclic": cyclic,
    "switch": switch,
    "warmup": warmup,
}


def make_schedule(name: str, **options: Any) -> Schedule:
    """Build the schedule called `name`; options that it does not have are left out.

    Raises:
        ConfigError: If the name is unknown, or as the schedule says.
    """
    return call_with(look_up(SCHEDULES, name, "schedule"), **options)


def mixes(schedule: Schedule, epochs: int) -> list[float]:
    """Mix of each epoch of a schedule that depends on the epoch alone.

    Where a schedule reacts to the run, this is what it does while every epoch improves.
    """
    state, planned = schedule.initial_state, []
    for epoch in range(epochs):
        plan = schedule.plan(epoch, state)
        planned.append(plan.mix)
        state = schedule.update(state, True if plan.judged else None)
    return planned
