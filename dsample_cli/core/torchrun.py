"""Which of a run's processes this is, by what torchrun and accelerate launch tell each of them."""

import os


def rank() -> int:
    """This process's number among those of the run; 0 when it is alone."""
    return int(os.environ.get("RANK", "0"))


def size() -> int:
    """How many processes the run has."""
    return int(os.environ.get("WORLD_SIZE", "1"))
