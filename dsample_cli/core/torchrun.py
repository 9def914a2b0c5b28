"""Which of a run's processes this is, by what torchrun and accelerate launch tell each of them."""

import os


def rank() -> int:
    """This process's number among those of the run; 0 when it is alone."""
    return _number("RANK", 0)


def size() -> int:
    """How many processes the run has."""
    return _number("WORLD_SIZE", 1)


def _number(variable: str, alone: int) -> int:
    """A variable's number; what is none is not torchrun's, and errors could not be told over it."""
    text = os.environ.get(variable, "")
    return int(text) if text.isascii() and text.isdecimal() else alone
