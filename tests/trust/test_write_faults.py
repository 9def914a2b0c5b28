"""A few write faults of those that `python -m tests.trust.write_faults` makes by the dozen."""

import json
import subprocess
import sys

import pytest

from tests.helpers import REPOSITORY, process_environment
from tests.trust.write_faults import build


@pytest.mark.parametrize(
    "way",
    [
        ["--faults", "1"],
        pytest.param(["--faults", "8"], marks=pytest.mark.slow),
        pytest.param(["--faults", "3", "--no-compiler"], marks=pytest.mark.slow),
    ],
    ids=" ".join,
)
def test_write_faults_are_told_and_lose_nothing(tmp_path, way):
    if "--no-compiler" not in way and build(tmp_path) is None:
        pytest.skip("there is no C compiler")
    command = [sys.executable, "-m", "tests.trust.write_faults", "--quick", "--only", "train", *way]
    done = subprocess.run(
        [*command, "--json", str(tmp_path / "found.json")],
        cwd=REPOSITORY,
        env=process_environment(TMPDIR=str(tmp_path)),
        capture_output=True,
        text=True,
        timeout=240,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    found = json.loads((tmp_path / "found.json").read_text())
    assert found["failures"] == []
    assert found["commands that failed"] >= 1
