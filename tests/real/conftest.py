"""Real data that lies beside the repository; nothing of it is copied."""

from pathlib import Path

import pytest

REAL_DATA = Path(__file__).parents[3] / "shared" / "data"


@pytest.fixture
def real():
    """Give a file of the real data by its name."""
    if not REAL_DATA.is_dir():
        pytest.skip("no real data beside the repository")
    return lambda name: REAL_DATA / name
