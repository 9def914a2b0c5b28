"""Look names up in a registry, and say what was probably meant."""

from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from typing import TypeVar

from dsample_cli.errors import ConfigError

T = TypeVar("T")


def did_you_mean(name: str, choices: Iterable[str], count: int = 3) -> str:
    """Name the choices nearest to `name`, or list them all when none is near.

    Examples:
        >>> did_you_mean("cylic", ["natural", "cyclic", "switch"])
        'Did you mean cyclic?'
        >>> did_you_mean("xyz", ["natural", "cyclic"])
        'Choose one of: natural, cyclic.'
    """
    choices = list(choices)
    near = get_close_matches(name.lower(), choices, n=count, cutoff=0.6)
    if near:
        return f"Did you mean {' or '.join(near)}?"
    return f"Choose one of: {', '.join(choices)}."


def look_up(registry: Mapping[str, T], name: str, kind: str) -> T:
    """Return `registry[name]`.

    Raises:
        ConfigError: If there is no such name; the hint holds the nearest ones.

    Examples:
        >>> look_up({"ce": 1}, "ce", "loss")
        1
    """
    if name not in registry:
        raise ConfigError(f"Unknown {kind} '{name}'.", did_you_mean(name, registry))
    return registry[name]
