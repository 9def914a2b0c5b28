"""Whether the packages of the trackers that a training reports to are there."""

from collections.abc import Sequence
from importlib.util import find_spec

from dsample_cli.errors import MissingExtraError


def require_trackers(names: Sequence[str]) -> None:
    """Make sure that the package of each tracker is installed; each is called as the tracker is.

    Raises:
        MissingExtraError: If one is not.
    """
    for name in names:
        spec = find_spec(name)
        # W&B and MLflow leave folders called like themselves, which Python takes for packages.
        if spec is None or spec.origin is None:
            raise MissingExtraError(
                f"--report-to {name} needs the package {name}, which is not installed.",
                f"Install it: pip install {name}",
            )
