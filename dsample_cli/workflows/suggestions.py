"""What to type next, and why, from the facts of a profile."""

from dataclasses import dataclass

from dsample_cli.data.profile import Profile

_MOST = 3


@dataclass(frozen=True)
class Suggestion:
    """A command and the fact that speaks for it."""

    command: str
    reason: str


def suggest(profile: Profile) -> tuple[Suggestion, ...]:
    """At most three commands that follow from the profile, the most useful first."""
    if len(profile.names) < 2:
        return ()
    ratio, smallest = profile.imbalance.ratio, int(profile.counts.min())
    found = []
    if ratio < 1.5:
        found.append(
            Suggestion(
                "dsample train --schedule natural",
                "The classes are nearly balanced: there is little for a sampler to do.",
            )
        )
    else:
        found.append(
            Suggestion(
                "dsample train --schedule cyclic --cycle 3",
                f"The largest class has {ratio:.3g} times the examples of the smallest; this "
                "draws rare classes more in two epochs of three.",
            )
        )
        found.append(
            Suggestion(
                "dsample train --schedule natural",
                "Plain training, to see what the schedule gains.",
            )
        )
    if ratio >= 1.5 and len(profile.names) >= 20:
        found.append(
            Suggestion(
                "dsample train --schedule warmup --score inverse",
                f"{len(profile.names)} classes: plain epochs first, then every class equally "
                "often, often does best.",
            )
        )
    elif smallest < 20:
        found.append(
            Suggestion(
                "dsample train --val-size 0.3",
                f"The smallest class has {smallest} example{'s' * (smallest != 1)}; a larger "
                "validation share makes its figures less a matter of luck.",
            )
        )
    return tuple(found[:_MOST])
