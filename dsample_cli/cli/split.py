"""`dsample split`."""

from pathlib import Path
from typing import Annotated

import typer

from dsample_cli.cli._options import (
    DATA_FILE_HELP,
    ConfigOption,
    DebugOption,
    DelimiterOption,
    EncodingOption,
    JsonOption,
    LabelColumnOption,
    MaxBytesOption,
    Option,
    QuietOption,
    TextColumnOption,
)
from dsample_cli.cli._output import Output
from dsample_cli.cli._run_options import GroupColumnOption, SeedOption

DEFAULT_SHARE = 0.1
MOST_FOLDS = 100


def split(
    data: Annotated[
        str,
        typer.Argument(help=DATA_FILE_HELP),
    ],
    out: Annotated[
        Path, Option("--out", help="Folder to write to; made if there is none.", metavar="DIR")
    ],
    val_size: Annotated[
        float | None,
        Option("--val-size", help="Share of the rows for val.csv; 0 for none.  [default: 0.1]"),
    ] = None,
    test_size: Annotated[
        float | None,
        Option("--test-size", help="Share of the rows for test.csv; 0 for none.  [default: 0.1]"),
    ] = None,
    folds: Annotated[
        int | None,
        Option(
            "--folds",
            min=2,
            max=MOST_FOLDS,
            help="Write K folds of equal size instead, fold-0.csv and so on.",
            metavar="K",
        ),
    ] = None,
    text_column: TextColumnOption = None,
    label_column: LabelColumnOption = None,
    group_column: GroupColumnOption = None,
    encoding: EncodingOption = None,
    delimiter: DelimiterOption = None,
    max_bytes: MaxBytesOption = None,
    seed: SeedOption = 42,
    spreadsheet_safe: Annotated[
        bool,
        Option(
            "--spreadsheet-safe",
            help="Put an apostrophe before cells that a spreadsheet would run as a formula. It "
            "changes the data: for people to look at, not to train on.",
        ),
    ] = False,
    force: Annotated[
        bool, Option("--force", help="Replace the split that the folder holds.")
    ] = False,
    config: ConfigOption = None,
    json: JsonOption = False,
    quiet: QuietOption = False,
    debug: DebugOption = False,
) -> None:
    """Divide a file into train.csv, val.csv and test.csv, or into folds.

    Each part has each class in its natural share, and at least two examples of it where there are
    enough. Texts that differ only in case, blanks, punctuation, digits or Unicode form stay on one
    side, and so do rows with the same value in --group-column. Rows without text or label are left
    out.

    \b
    Examples:
      dsample split data.csv --out parts
      dsample split data.csv --out parts --val-size 0.2 --test-size 0
      dsample split data.csv --out parts --group-column customer_id
      dsample split data.csv --out folds --folds 5
    """
    from dsample_cli.core.read_options import ReadOptions
    from dsample_cli.reports.tables import print_split
    from dsample_cli.workflows.split import SplitConfig, split_file

    if folds is not None and (val_size is not None or test_size is not None):
        raise typer.BadParameter(
            "--folds makes parts of equal size: leave out --val-size and --test-size."
        )
    asked = SplitConfig(
        data,
        out,
        DEFAULT_SHARE if val_size is None else val_size,
        DEFAULT_SHARE if test_size is None else test_size,
        folds,
        tuple(text_column or ()),
        label_column,
        group_column,
        seed,
        force,
        ReadOptions(encoding, delimiter, max_bytes),
        spreadsheet_safe,
    )
    output = Output(json, quiet)
    with output.listening() as listener:
        result = split_file(asked, listener)
    output.result(result.to_json, lambda console: print_split(console, result))
