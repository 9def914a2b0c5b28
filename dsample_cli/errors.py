"""Errors that a user can mend.

Whatever the library raises on purpose is a `DsampleError`: one sentence that names the file, line
or option, and a hint that ends with what to type. `cli.main` alone turns them into terminal output.
Every other exception is a bug, and told by its type and place alone, for its words may hold users'
text; --debug shows its traceback.
"""


class DsampleError(Exception):
    """A problem with the user's data, configuration or run (exit code 1).

    Args:
        message: What is wrong, one sentence, naming the file, line, column or option.
        hint: How to mend it, if possible a command to type.
    """

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class DataError(DsampleError):
    """The input data cannot be used as it is."""


class ConfigError(DsampleError):
    """An option or a config file asks for something impossible."""


class RunError(DsampleError):
    """A stored run, or the workspace, cannot be used."""


class MissingExtraError(DsampleError):
    """An optional package is not installed."""


def first_line(error: Exception) -> str:
    """What another library's error says first; its kind where it says nothing."""
    return (str(error).strip() or type(error).__name__).splitlines()[0]
