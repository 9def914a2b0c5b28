"""Print the lowest version that pyproject.toml allows of each package it names, as constraints."""

import re
import tomllib
from pathlib import Path

_BOUND = re.compile(r"([\w.-]+)\s*[>=]=\s*([\w.]+)")


def lowest_versions(text: str) -> dict[str, str]:
    """Package -> lowest version, over the dependencies and all extras.

    Args:
        text: Content of pyproject.toml.

    Raises:
        ValueError: If a package has no lower bound, or two of them.
    """
    project = tomllib.loads(text)["project"]
    extras = project["optional-dependencies"].values()
    lowest: dict[str, str] = {}
    for requirement in [*project["dependencies"], *(one for extra in extras for one in extra)]:
        bound = _BOUND.fullmatch(requirement)
        if bound is None or lowest.setdefault(bound[1], bound[2]) != bound[2]:
            raise ValueError(f"Write '{requirement}' as 'name>=version', alike in every place.")
    return lowest


if __name__ == "__main__":
    pyproject = Path(__file__).parents[1] / "pyproject.toml"
    for name, version in sorted(lowest_versions(pyproject.read_text(encoding="utf-8")).items()):
        print(f"{name}=={version}")
