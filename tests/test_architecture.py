"""Imports run one way; the middle rooms do not know each other."""

import ast
import sys
from pathlib import Path

import pytest

PACKAGE = "dsample_cli"
ROOT = Path(__file__).parents[1] / PACKAGE
MIDDLE = {"data", "evaluation", "runs", "training", "reports"}
# Room -> rooms that it may import besides itself. `__init__` holds the version.
ALLOWED = {
    "errors": set(),
    "core": {"errors"},
    **{room: {"core", "errors"} for room in MIDDLE},
    "workflows": {*MIDDLE, "core", "errors", "__init__"},
    "cli": {"workflows", "runs", "reports", "core", "errors", "__init__"},
    "__init__": set(),
    "__main__": {"cli"},
}
FILES = sorted(ROOT.rglob("*.py"))
ERRORS = {"DataError", "ConfigError", "RunError", "MissingExtraError"}
HEAVY = {"torch", "transformers", "accelerate", "safetensors", "tokenizers"}


def room_of(path: Path) -> str:
    parts = path.relative_to(ROOT).parts
    return parts[0] if len(parts) > 1 else path.stem


def files_of(*rooms: str):
    files = [path for path in FILES if room_of(path) in rooms]
    return pytest.mark.parametrize("path", files, ids=lambda path: str(path.relative_to(ROOT)))


def imported_modules(path: Path) -> set[str]:
    """Full names of the modules that a file imports, also in functions and for type checks."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import in line {node.lineno}"
            found |= {_module(node.module, alias.name) for alias in node.names}
    return found


def _module(module: str, name: str) -> str:
    """`from package import module` imports a module; `from module import name` does not."""
    if module.split(".")[0] == PACKAGE:
        inner = ROOT.joinpath(*module.split(".")[1:], name)
        if inner.is_dir() or inner.with_suffix(".py").is_file():
            return f"{module}.{name}"
    return module


def rooms_imported(path: Path) -> set[str]:
    own = [m.split(".") for m in imported_modules(path) if m.split(".")[0] == PACKAGE]
    return {parts[1] if len(parts) > 1 else "__init__" for parts in own} - {room_of(path)}


def test_the_checks_see_the_whole_package():
    assert {room_of(path) for path in FILES} == set(ALLOWED)
    assert rooms_imported(ROOT / "workflows" / "train.py") > {"core", "runs", "training"}
    assert rooms_imported(ROOT / "cli" / "main.py") == {"__init__", "core", "errors"}


@files_of(*ALLOWED)
def test_imports_run_one_way(path):
    assert rooms_imported(path) <= ALLOWED[room_of(path)]


@files_of(*(set(ALLOWED) - {"training"}))
def test_only_the_training_room_imports_torch(path):
    assert HEAVY.isdisjoint(m.split(".")[0] for m in imported_modules(path))


@files_of("core", "errors")
def test_core_and_errors_need_only_numpy(path):
    foreign = {m.split(".")[0] for m in imported_modules(path)} - {PACKAGE, "numpy"}
    assert foreign <= sys.stdlib_module_names


@files_of("runs")
def test_the_runs_room_needs_only_a_lock_and_a_toml_writer(path):
    foreign = {m.split(".")[0] for m in imported_modules(path)} - {PACKAGE}
    assert foreign - sys.stdlib_module_names <= {"filelock", "tomli_w"}


def test_every_error_is_raised_with_a_hint():
    bare = []
    for path in FILES:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            is_error = isinstance(node, ast.Call) and ast.unparse(node.func) in ERRORS
            if is_error and len(node.args) + len(node.keywords) < 2:
                bare.append(f"{path.relative_to(ROOT)}:{node.lineno}")
    assert bare == []
