"""How much room a run takes on the disk."""

import os
import stat
from fnmatch import fnmatchcase
from pathlib import Path

# Part -> patterns of the files and folders in a run that belong to it; what is left is "other".
PARTS = {
    "model": ("model", "head.safetensors", "onnx", "onnx-int8"),
    "checkpoints": ("checkpoints",),
    "predictions": ("predictions-*.jsonl",),
    "features": ("features-*.npz",),
    "draws": ("draws",),
    "reports": ("report.html", "*.png", "metrics.json", "epochs.jsonl"),
}
OTHER = "other"


def run_sizes(folder: Path) -> dict[str, int]:
    """Bytes of each part of a run; links count themselves, not what they lead to.

    What vanishes while it is counted, as a checkpoint of a run in training does, counts nothing.
    """
    sizes = dict.fromkeys((*PARTS, OTHER), 0)
    if folder.is_symlink():
        return sizes | {OTHER: tree_size(folder)}
    for name in _names(folder):
        sizes[_part_of(name)] += tree_size(folder / name)
    return sizes


def tree_size(path: Path) -> int:
    """Bytes of a file, or of all files in a folder."""
    try:
        info = path.lstat()
    except OSError:
        return 0
    if not stat.S_ISDIR(info.st_mode):
        return info.st_size
    return sum(tree_size(path / name) for name in _names(path))


def _names(folder: Path) -> list[str]:
    try:
        return os.listdir(folder)
    except OSError:
        return []


def _part_of(name: str) -> str:
    for part, patterns in PARTS.items():
        if any(fnmatchcase(name, pattern) for pattern in patterns):
            return part
    return OTHER
