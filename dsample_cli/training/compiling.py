"""Whether torch.compile can do its work here."""

import torch

from dsample_cli.errors import ConfigError, first_line


def require_compiler(device: str) -> None:
    """Compile a sum, before any training waits for it.

    Raises:
        ConfigError: If it fails, as it does without a C++ compiler (on GPUs, without Triton).
    """
    try:
        torch.compile(torch.add)(torch.ones(8, device=device), 1)
    except RuntimeError as error:
        raise ConfigError(
            f"--compile does not work here: {first_line(error)}",
            "Install a C++ compiler (Debian and Ubuntu: apt install g++ python3-dev), or leave "
            "--compile out.",
        ) from error
