"""What was exported, as terminal lines."""

from typing import Any

from rich.console import Console
from rich.text import Text

from dsample_cli.reports._terminal import clean, new_table


def print_export(console: Console, result: Any) -> None:
    """Draw an `ExportResult`."""
    where = "" if result.folder is None else f" -> {clean(result.folder)}"
    kind = " in ONNX" if result.format == "onnx" else ""
    console.print(Text.assemble((f"Run {clean(result.run)}", "bold"), f"{kind}{where}"))
    table = new_table("file", "bytes")
    for name, size in result.files.items():
        table.add_row(clean(name), f"{size:,}")
    console.print(table)
    found = result.agreement
    if found is not None:
        console.print(
            f"Checked on {found.texts} texts of up to {found.longest} tokens: no logit differs "
            f"from the run's by more than {found.largest_difference:.1e}."
        )
    if result.int8 is not None:
        console.print(Text(clean(str(result.int8))))
    if result.pushed is not None:
        console.print(f"Uploaded to {clean(result.pushed)}")
