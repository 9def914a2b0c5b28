from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import settings

from dsample_cli.data.read import iter_rows, read_columns
from dsample_cli.data.sources import open_source
from dsample_cli.errors import DataError

# First calls load libraries and other work shares the machine: no time limit for one example.
settings.register_profile("data", deadline=None)
settings.load_profile("data")

REAL_DATA = Path(__file__).parents[3] / "shared" / "data"


@pytest.fixture
def write(tmp_path):
    """Write a file into a folder of this test and give its path."""

    def write_file(name: str, content: str | bytes) -> Path:
        path = tmp_path / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    return write_file


@pytest.fixture
def real_data():
    if not REAL_DATA.is_dir():
        pytest.skip("no real data beside the repository")
    return REAL_DATA


@pytest.fixture
def data_error():
    """Run a call that must raise a DataError with a hint; give `message | hint`."""

    def run(call, *args, **kwargs) -> str:
        with pytest.raises(DataError) as caught:
            call(*args, **kwargs)
        error = caught.value
        assert error.message
        assert error.hint
        assert error.__suppress_context__ or error.__context__ is None, "the cause may hold text"
        return f"{error.message} | {error.hint}"

    return run


@pytest.fixture
def columns():
    """Read columns, by default text and label, as a dict of lists."""

    def read(path, names=("text", "label")):
        table = read_columns(open_source(path), names)
        assert all(field.type == pa.string() for field in table.schema)
        return table.to_pydict()

    return read


@pytest.fixture
def rows():
    """Read all rows as one list."""

    def read(path, batch_rows=4096):
        return [row for batch in iter_rows(open_source(path), batch_rows) for row in batch]

    return read
