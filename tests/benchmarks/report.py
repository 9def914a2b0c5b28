"""How a benchmark reports: a table, or one JSON object."""

import argparse
import json
import os
import platform
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class Figure:
    """One comparison.

    Attributes:
        name: What is compared: ours / peer.
        ours: Our figure.
        peer: The other's; None where there is none.
        unit: Of both.
        ratio: How much better we are; more is better.
        goal: The ratio that is wanted.
    """

    name: str
    ours: float
    peer: float | None
    unit: str
    ratio: float | None
    goal: float | None

    @property
    def is_met(self) -> bool:
        return self.goal is None or (self.ratio is not None and self.ratio >= self.goal)


def benchmark_parser(doc: str | None, measured: str = "") -> argparse.ArgumentParser:
    """The options that benchmarks share.

    Args:
        doc: What the benchmark does.
        measured: What a benchmark hands the processes of its own that it measures, by their names;
            they get it as `--measure`.
    """
    parser = argparse.ArgumentParser(
        description=doc, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False
    )
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    parser.add_argument("--quick", action="store_true", help="a small run, to see that all works")
    if measured:
        names = measured.split()
        parser.add_argument("--measure", nargs=len(names), metavar=names, help=argparse.SUPPRESS)
    return parser


def machine() -> dict[str, Any]:
    """What the figures were taken on."""
    import numpy

    return {
        "cpu": _cpu_name(),
        "cores": os.cpu_count(),
        "load": round(os.getloadavg()[0], 2),
        "python": platform.python_version(),
        "numpy": numpy.__version__,
    }


def print_report(figures: list[Figure], as_json: bool) -> None:
    """Print the figures to standard output."""
    if as_json:
        print(json.dumps({"machine": machine(), "figures": [asdict(f) for f in figures]}, indent=2))
        return
    from rich.console import Console
    from rich.table import Table

    console = Console()
    console.print(", ".join(f"{key} {value}" for key, value in machine().items()))
    table = Table("ours / peer", *(("ours", "peer", "ratio", "goal", "")))
    for f in figures:
        table.add_row(
            f.name,
            f"{f.ours:.3g} {f.unit}",
            "-" if f.peer is None else f"{f.peer:.3g} {f.unit}",
            "-" if f.ratio is None else f"{f.ratio:.2f}",
            "-" if f.goal is None else f"{f.goal:g}",
            "" if f.goal is None else "met" if f.is_met else "missed",
        )
    console.print(table)


def _cpu_name() -> str:
    try:
        with open("/proc/cpuinfo") as file:
            return next(line for line in file if "model name" in line).split(":")[1].strip()
    except (OSError, StopIteration):
        return platform.processor()
