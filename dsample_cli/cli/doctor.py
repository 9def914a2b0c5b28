"""`dsample doctor`."""

from typing import Annotated

from dsample_cli.cli._options import (
    DEFAULT_WORKSPACE,
    DebugOption,
    JsonOption,
    Option,
    QuietOption,
    WorkspaceOption,
)
from dsample_cli.cli._output import Output


def doctor(
    fix: Annotated[
        bool,
        Option("--fix", help="Mend what can be mended; no results are deleted."),
    ] = False,
    workspace: WorkspaceOption = DEFAULT_WORKSPACE,
    json: JsonOption = False,
    quiet: QuietOption = False,
    debug: DebugOption = False,
) -> int:
    """Check a workspace for damage, mend it with --fix, and show what this machine offers.

    Without --fix nothing is changed. What a living process holds is not looked at. Exits with 1 if
    a problem remains.

    \b
    Examples:
      dsample doctor
      dsample doctor --fix
      dsample doctor --workspace shared/runs --json
    """
    from dsample_cli.reports.doctor import print_doctor
    from dsample_cli.runs.workspace import Workspace
    from dsample_cli.workflows.doctor import doctor as examine

    output = Output(json, quiet)
    result = examine(Workspace(workspace), fix)
    output.result(result.to_json, lambda console: print_doctor(console, result))
    if result.remaining:
        one = result.remaining == 1
        told = f"{result.remaining} problem{'s' * (not one)} remain{'s' * one}"
        could = any(finding.remains and finding.problem.fix for finding in result.findings)
        advice = "; mend what can be mended: dsample doctor --fix" if could and not fix else "."
        output.complain(f"{told}{advice}")
    return 0 if result.is_well else 1
