"""Let a function's own signature say which options it has.

Strategies of one registry differ in their options (`cyclic` has a cycle, `always` has none). The
caller offers all options; each function gets those that it names.
"""

import inspect
from collections.abc import Callable
from typing import Any, TypeVar

T = TypeVar("T")


def option_names(function: Callable[..., Any]) -> frozenset[str]:
    """Names of the parameters that have a default, which are a strategy's options.

    Examples:
        >>> sorted(option_names(lambda counts, temperature=1.0: None))
        ['temperature']
    """
    parameters = inspect.signature(function).parameters.values()
    return frozenset(p.name for p in parameters if p.default is not inspect.Parameter.empty)


def input_names(function: Callable[..., Any]) -> tuple[str, ...]:
    """Names of the parameters without a default, which are what a strategy works on.

    Examples:
        >>> input_names(lambda losses, progress, pressure=100: None)
        ('losses', 'progress')
    """
    parameters = inspect.signature(function).parameters.values()
    return tuple(p.name for p in parameters if p.default is inspect.Parameter.empty)


def call_with(function: Callable[..., T], *args: Any, **options: Any) -> T:
    """Call `function` with `args` and those of `options` that it has.

    Examples:
        >>> call_with(lambda x, power=1: x**power, 3, power=2, cycle=5)
        9
    """
    known = option_names(function)
    return function(*args, **{k: v for k, v in options.items() if k in known})
