"""Schedules: how strongly each epoch follows the score.

A schedule answers, before each epoch, with an `EpochPlan`: the mix (0 natural order, 1 the score
alone) and whether the epoch is judged, that is validated for selection and early stopping. Most
schedules depend on the epoch alone. One that reacts to the run keeps a small state that a pure
function updates after each epoch, so that resuming is a replay of the logged epochs.

`warmup:2+cyclic:3` runs one schedule after the other (`parse_schedule`).
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import accumulate
from typing import Any, NamedTuple

from dsample_cli.core.names import look_up
from dsample_cli.core.signatures import call_with, option_names
from dsample_cli.errors import ConfigError


class EpochPlan(NamedTuple):
    """What one epoch does.

    Attributes:
        mix: 0 reads every example once, 1 draws by the score alone, between is a mixture.
        judged: Whether the epoch counts for the best model and for early stopping.
        geometric: The class shares mix as natural^(1 - mix) scored^mix instead of
            (1 - mix) natural + mix scored.
    """

    mix: float
    judged: bool = True
    geometric: bool = False


@dataclass(frozen=True)
class Schedule:
    """A plan for every epoch.

    Attributes:
        plan: (epoch, state) -> EpochPlan; epochs count from 0.
        update: (epoch, state, improved) -> state after an epoch. `improved` says whether a judged
            epoch was strictly better than all before; it is None after an epoch that was not
            judged.
        initial_state: State before epoch 0.
        depends_on_run: True when the mixes cannot be known before training.
        length: Epochs that its course is laid out for; None when it goes on as it began.
    """

    plan: Callable[[int, Any], EpochPlan]
    update: Callable[[int, Any, bool | None], Any] = lambda epoch, state, improved: state
    initial_state: Any = None
    depends_on_run: bool = False
    length: int | None = None


def natural() -> Schedule:
    """Every epoch reads each example once: plain training.

    mix(epoch) = 0

    When: The yardstick for every other schedule, and right for balanced data.
    Cost: None.
    Risk: Rare classes are seen rarely.

    References:
        Instance-balanced sampling, Kang et al., Decoupling, ICLR 2020.

    Examples:
        >>> mixes(natural(), 3)
        [0.0, 0.0, 0.0]
    """
    return Schedule(lambda epoch, state: EpochPlan(0.0))


def always() -> Schedule:
    """Every epoch draws by the score: a fixed reweighting of the data.

    mix(epoch) = 1

    When: Strong, and simple to reason about: one share for the whole training.
    Cost: None.
    Risk: A third or more of the large classes' examples is missed in each epoch, and the model
        keeps the score's bias.

    References:
        Class-balanced sampling, Kang et al., Decoupling, ICLR 2020.

    Examples:
        >>> mixes(always(), 3)
        [1.0, 1.0, 1.0]
    """
    return Schedule(lambda epoch, state: EpochPlan(1.0))


def cyclic(cycle: int = 3) -> Schedule:
    """Natural order every `cycle` epochs, beginning with epoch 0; scored draws between.

    mix(epoch) = 0 if epoch % cycle == 0 else 1

    When: The default: natural epochs bring the whole data back, so that the score sets no lasting
        bias.
    Cost: None.
    Risk: The best epoch is often a scored one: early stopping should wait for a whole cycle.

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

    When: You have validation data and do not know how many natural epochs the data needs.
    Cost: None.
    Risk: A noisy validation figure switches at random; without validation data it never switches.

    Args:
        switch_start: "weighted" is the reference's code; "natural" is the reverse direction:
            natural epochs, scored review.

    Raises:
        ConfigError: If switch_start is something else.

    References:
        D-Sampling, HCLT 2021; Korean patent 10-2458360.

    Examples:
        >>> schedule = switch()
        >>> state = schedule.update(0, schedule.initial_state, False)
        >>> schedule.plan(1, state)
        EpochPlan(mix=0.0, judged=False, geometric=False)
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
        update=lambda epoch, state, improved: SwitchState(review=improved is False),
        initial_state=SwitchState(),
        depends_on_run=True,
    )


def warmup(warmup_epochs: int = 5) -> Schedule:
    """Natural epochs first, then scored draws to the end.

    mix(epoch) = 0 if epoch < warmup_epochs else 1. Warmup epochs are not judged: the best model is
    chosen among the scored epochs.

    When: Many classes: features are learned from all the data, then the classes are evened out.
    Cost: None.
    Risk: As many epochs as asked for are never selected, even if they were the best.

    Args:
        warmup_epochs: Natural epochs at the start.

    Raises:
        ConfigError: If warmup_epochs < 0.

    References:
        D-Sampling, HCLT 2021; Korean patent 10-2458360.

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
        lambda epoch, state: EpochPlan(float(epoch >= warmup_epochs), epoch >= warmup_epochs),
        length=warmup_epochs,
    )


def deferred(epochs: int = 10, defer: float = 0.8) -> Schedule:
    """Natural order for most of the training, then scored draws.

    mix(epoch) = 0 if epoch < defer epochs else 1. Unlike warmup epochs, the natural ones are
    judged.

    When: A score that over-fits rare classes when it is followed for long.
    Cost: None.
    Risk: With a decaying learning rate little is left to learn when the score begins.

    Args:
        epochs: Planned epochs T.
        defer: Share of them that is natural.

    Raises:
        ConfigError: If defer lies outside 0..1.

    References:
        Deferred re-balancing, Cao et al., LDAM-DRW, NeurIPS 2019.

    Examples:
        >>> mixes(deferred(5), 5)
        [0.0, 0.0, 0.0, 0.0, 1.0]
    """
    if not 0 <= defer <= 1:
        raise ConfigError(
            f"--defer must be a share from 0 to 1, not {defer:g}.",
            "Use for example --defer 0.8: the last fifth of the epochs follows the score.",
        )
    first = round(defer * epochs)
    return Schedule(lambda epoch, state: EpochPlan(float(epoch >= first)), length=epochs)


def linear(epochs: int = 10) -> Schedule:
    """From natural order to the score in equal steps: progressively balanced sampling.

    mix(epoch) = epoch / (T - 1), T planned epochs

    When: A smooth way from the whole data to balance, with `--score inverse` the literature's own.
    Cost: None.
    Risk: The last epochs, which count most, are the most repetitive ones. Validation loss rises as
        the share leaves the data's: select on macro-F1.

    Args:
        epochs: Planned epochs T.

    References:
        Kang et al., Decoupling, ICLR 2020 (the steps of its code).

    Examples:
        >>> mixes(linear(5), 5)
        [0.0, 0.25, 0.5, 0.75, 1.0]
    """
    return Schedule(lambda epoch, state: EpochPlan(_progress(epoch, epochs)), length=epochs)


def cosine(epochs: int = 10) -> Schedule:
    """From natural order to the score along half a cosine: slow, fast, slow.

    mix(epoch) = (1 - cos(pi epoch / (T - 1))) / 2, T planned epochs

    When: As `linear`, with more time at both ends.
    Cost: None.
    Risk: As `linear`.

    Args:
        epochs: Planned epochs T.

    References:
        Kang et al., Decoupling, ICLR 2020, with the course of cosine annealing.

    Examples:
        >>> [round(mix, 3) for mix in mixes(cosine(5), 5)]
        [0.0, 0.146, 0.5, 0.854, 1.0]
    """

    def mix(epoch: int) -> float:
        return (1 - math.cos(math.pi * _progress(epoch, epochs))) / 2

    return Schedule(lambda epoch, state: EpochPlan(mix(epoch)), length=epochs)


def dcl_convex(epochs: int = 10) -> Schedule:
    """The class shares flatten slowly at first, then faster: the curriculum reported as best.

    share(epoch) ~ natural^g scored^(1 - g), g = cos(pi epoch / (2 T)), T planned epochs

    When: A curriculum from the data's distribution to the score's, judged by class shares.
    Cost: None.
    Risk: The course needs its planned epochs: early stopping ends it before balance.

    Args:
        epochs: Planned epochs T.

    References:
        Wang et al., Dynamic Curriculum Learning, ICCV 2019 (its sampling scheduler; there the
        scored share is uniform, as with `--score inverse`).

    Examples:
        >>> [round(mix, 3) for mix in mixes(dcl_convex(4), 4)]
        [0.0, 0.076, 0.293, 0.617]
    """
    return _dcl(lambda epoch: math.cos(math.pi * epoch / (2 * epochs)), epochs)


def dcl_concave(epochs: int = 10, dcl_decay: float = 0.9) -> Schedule:
    """The class shares flatten fast at first, then slower, and never all the way.

    share(epoch) ~ natural^g scored^(1 - g), g = dcl_decay^epoch

    When: As `dcl-convex`, where the score should act early.
    Cost: None.
    Risk: How far it comes depends on the number of epochs: 0.9 leaves g = 0.39 after 9 epochs.

    Args:
        epochs: Planned epochs T.
        dcl_decay: The factor from one epoch to the next, between 0 and 1.

    Raises:
        ConfigError: If dcl_decay lies outside 0..1.

    References:
        Wang et al., Dynamic Curriculum Learning, ICCV 2019.

    Examples:
        >>> [round(mix, 3) for mix in mixes(dcl_concave(4), 4)]
        [0.0, 0.1, 0.19, 0.271]
    """
    if not 0 < dcl_decay < 1:
        raise ConfigError(
            f"--dcl-decay must lie between 0 and 1, not {dcl_decay:g}.",
            "Use for example --dcl-decay 0.9; lower flattens the class shares faster.",
        )
    return _dcl(lambda epoch: dcl_decay**epoch, epochs)


def dcl_composite(epochs: int = 10) -> Schedule:
    """The class shares flatten along half a cosine: slow, fast, slow.

    share(epoch) ~ natural^g scored^(1 - g), g = (1 + cos(pi epoch / T)) / 2, T planned epochs

    When: As `dcl-convex`, with more time near the score at the end.
    Cost: None.
    Risk: As `dcl-convex`.

    Args:
        epochs: Planned epochs T.

    References:
        Wang et al., Dynamic Curriculum Learning, ICCV 2019.

    Examples:
        >>> [round(mix, 3) for mix in mixes(dcl_composite(4), 4)]
        [0.0, 0.146, 0.5, 0.854]
    """
    return _dcl(lambda epoch: (1 + math.cos(math.pi * epoch / epochs)) / 2, epochs)


SCHEDULES: dict[str, Callable[..., Schedule]] = {
    "natural": natural,
    "always": always,
    "cyclic": cyclic,
    "switch": switch,
    "warmup": warmup,
    "deferred": deferred,
    "linear": linear,
    "cosine": cosine,
    "dcl-convex": dcl_convex,
    "dcl-concave": dcl_concave,
    "dcl-composite": dcl_composite,
}

# What the number in `cyclic:3` means. The other schedules' is how many epochs they run for.
_NUMBERS: dict[str, tuple[str, Callable[[str], float]]] = {
    "cyclic": ("cycle", int),
    "warmup": ("warmup_epochs", int),
    "deferred": ("defer", float),
}


def make_schedule(name: str, **options: Any) -> Schedule:
    """Build the schedule called `name`; options that it does not have are left out.

    Raises:
        ConfigError: If the name is unknown, or as the schedule says.
    """
    return call_with(look_up(SCHEDULES, name, "schedule"), **options)


class Segment(NamedTuple):
    """One schedule of a sequence and the epochs that it runs for (None: to the end)."""

    schedule: Schedule
    epochs: int | None


def join(segments: list[Segment]) -> Schedule:
    """Run schedules one after the other, each from its own epoch 0.

    Args:
        segments: At least one; all but the last have a length.

    Examples:
        >>> mixes(join([Segment(warmup(2), 2), Segment(cyclic(3), None)]), 6)
        [0.0, 0.0, 0.0, 1.0, 1.0, 0.0]
    """
    starts = [0, *accumulate(segment.epochs or 0 for segment in segments[:-1])]

    def place(epoch: int) -> int:
        return sum(epoch >= start for start in starts) - 1

    def plan(epoch: int, states: tuple[Any, ...]) -> EpochPlan:
        at = place(epoch)
        return segments[at].schedule.plan(epoch - starts[at], states[at])

    def update(epoch: int, states: tuple[Any, ...], improved: bool | None) -> tuple[Any, ...]:
        at = place(epoch)
        state = segments[at].schedule.update(epoch - starts[at], states[at], improved)
        return (*states[:at], state, *states[at + 1 :])

    last = segments[-1].epochs or segments[-1].schedule.length
    return Schedule(
        plan,
        update,
        tuple(segment.schedule.initial_state for segment in segments),
        any(segment.schedule.depends_on_run for segment in segments),
        starts[-1] + (last or 0),
    )


def parse_schedule(text: str, epochs: int, **options: Any) -> Schedule:
    """Build the schedule that a user typed.

    `cyclic`, or with its own number `cyclic:3`, or several in a row, `warmup:2+cyclic:3`, where
    `@` sets how many epochs one runs for: `cyclic:3@6+always`. The number is the cycle of cyclic,
    the warmup epochs of warmup (which it then runs for when others follow), the share of deferred,
    and how many epochs any other schedule runs for.

    Args:
        text: As typed.
        epochs: Planned epochs; the last schedule's course is laid out for those that are left.
        **options: Of the schedules, for what the text leaves open.

    Raises:
        ConfigError: If a name or number is impossible, or the length of one that others follow is
            left open.

    Examples:
        >>> mixes(parse_schedule("warmup:2+linear", epochs=5), 5)
        [0.0, 0.0, 0.0, 0.5, 1.0]
    """
    parts, left, segments = text.split("+"), epochs, list[Segment]()
    for place, part in enumerate(parts, start=1):
        name, number, length = _parse_part(part)
        own = dict(options)
        if name in _NUMBERS:
            if number is not None:
                own[_NUMBERS[name][0]] = number
        elif number is not None:
            length = length or int(number)
        is_last = place == len(parts)
        if length is None and name == "warmup" and not is_last:
            length = own.get("warmup_epochs", 5)
        if length is None and not is_last:
            raise ConfigError(
                f"--schedule {text}: for how many epochs does '{part}' run before the next?",
                f"Say so with @, for example {part}@4+{'+'.join(parts[place:])}.",
            )
        schedule = make_schedule(name, **own, epochs=left if length is None else length)
        segments.append(Segment(schedule, length))
        left = max(1, left - (length or 0))
    if len(segments) == 1:
        only = segments[0].schedule
        return only if segments[0].epochs is None else replace(only, length=segments[0].epochs)
    return join(segments)


def _parse_part(part: str) -> tuple[str, float | None, int | None]:
    """Name, number and length of `name:number@length`."""
    rest, at, length_text = part.strip().partition("@")
    name, colon, number_text = rest.partition(":")
    look_up(SCHEDULES, name, "schedule")
    read_number = _NUMBERS[name][1] if name in _NUMBERS else int
    if colon and name == "switch":
        raise ConfigError(
            f"Schedule '{part}': switch takes no number.", "Set its direction with --switch-start."
        )
    try:
        number = read_number(number_text) if colon else None
        length = int(length_text) if at else None
    except ValueError:
        raise ConfigError(
            f"Schedule '{part}' has something other than a number after ':' or '@'.",
            "Write for example cyclic:3, or cyclic:3@6 for six epochs of it.",
        ) from None
    is_length = colon and name not in _NUMBERS
    if is_length and at:
        raise ConfigError(
            f"Schedule '{part}' says twice how long it runs.", f"Write {name}@{length_text}."
        )
    if (length is not None and length < 1) or (is_length and number is not None and number < 1):
        raise ConfigError(
            f"Schedule '{part}' must run for at least one epoch.", "Leave it out, or use 1 or more."
        )
    return name, number, length


def schedule_names(text: str) -> list[str]:
    """Names of the schedules in what a user typed.

    Examples:
        >>> schedule_names("warmup:2+cyclic:3@6")
        ['warmup', 'cyclic']
    """
    return [part.strip().partition("@")[0].partition(":")[0] for part in text.split("+")]


def open_options(text: str) -> frozenset[str]:
    """Names of the options that act on the schedule that a user typed.

    Raises:
        ConfigError: If a name or number is impossible.

    Examples:
        >>> sorted(open_options("warmup+cyclic")), sorted(open_options("warmup:2+cyclic:3"))
        (['cycle', 'warmup_epochs'], [])
    """
    found: set[str] = set()
    for part in text.split("+"):
        name, number, _ = _parse_part(part)
        options = option_names(SCHEDULES[name]) - {"epochs"}
        settled = {_NUMBERS[name][0]} if name in _NUMBERS and number is not None else set()
        found |= options - settled
    return frozenset(found)


def plans(schedule: Schedule, epochs: int) -> list[EpochPlan]:
    """Plan of each epoch of a schedule that depends on the epoch alone.

    Where a schedule reacts to the run, this is what it does while every epoch improves.
    """
    state, planned = schedule.initial_state, []
    for epoch in range(epochs):
        plan = schedule.plan(epoch, state)
        planned.append(plan)
        state = schedule.update(epoch, state, True if plan.judged else None)
    return planned


def run_dependent_epochs(schedule: Schedule, epochs: int) -> list[bool]:
    """Whether the run decides what an epoch does, for each planned one.

    It does where the plan differs with which of the judged epochs before it improved. The first
    judged one always does.

    Examples:
        >>> run_dependent_epochs(parse_schedule("switch@3+always", 4), 4)
        [False, False, True, False]
    """
    reached, found = {(schedule.initial_state, False)}, []
    for epoch in range(epochs):
        found.append(len({schedule.plan(epoch, state) for state, _ in reached}) > 1)
        reached = {
            (schedule.update(epoch, state, improved), was_judged or improved is not None)
            for state, was_judged in reached
            for improved in _outcomes(schedule.plan(epoch, state), was_judged)
        }
    return found


def _outcomes(plan: EpochPlan, was_judged: bool) -> tuple[bool | None, ...]:
    """What `improved` may be after an epoch."""
    if not plan.judged:
        return (None,)
    return (True, False) if was_judged else (True,)


def mixes(schedule: Schedule, epochs: int) -> list[float]:
    """Mixes of `plans`."""
    return [plan.mix for plan in plans(schedule, epochs)]


def _progress(epoch: int, epochs: int) -> float:
    """0 in the first epoch, 1 in the last and after it; 0 when there is but one."""
    return min(1.0, epoch / max(1, epochs - 1))


def _dcl(exponent: Callable[[int], float], epochs: int) -> Schedule:
    """Class shares ~ natural^g scored^(1 - g); after the planned epochs g stays as it is."""

    def plan(epoch: int, state: Any) -> EpochPlan:
        mix = 1 - exponent(min(epoch, epochs))
        return EpochPlan(min(1.0, max(0.0, mix)), geometric=True)

    return Schedule(plan, length=epochs)
