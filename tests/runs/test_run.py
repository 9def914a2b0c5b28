"""One run's directory: status, lock, split."""

import json
import shutil
import subprocess
import sys
import tomllib

import pytest

from dsample_cli.errors import RunError
from dsample_cli.runs.run import SCHEMA, Run, read_split
from tests.helpers import process_environment
from tests.runs.conftest import manifest_of

# Holds a run in another process until its stdin is closed.
HOLD = """
import sys
from pathlib import Path
from dsample_cli.runs.run import Run
with Run(Path(sys.argv[1])).locked():
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def held_elsewhere():
    """Let another process hold a run."""
    processes = []

    def hold(run: Run) -> subprocess.Popen:
        process = subprocess.Popen(
            [sys.executable, "-c", HOLD, str(run.path)],
            env=process_environment(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        processes.append(process)
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        return process

    yield hold
    for process in processes:
        process.kill()
        process.communicate()


def test_a_manifest_is_read_as_it_was_written(make_run):
    run = make_run("20260101-a", labels=["정상", "NA"])
    manifest = run.read_manifest()
    assert (manifest["schema"], manifest["run"]) == (SCHEMA, "20260101-a")
    assert manifest["labels"] == ["정상", "NA"]


def test_an_update_keeps_the_other_entries(make_run):
    run = make_run("20260101-a", seed=7)
    run.update_manifest(status="failed", error="why")
    manifest = run.read_manifest()
    assert (manifest["status"], manifest["error"], manifest["seed"]) == ("failed", "why", 7)


def test_running_without_a_process_is_told_as_interrupted(make_run, held_elsewhere):
    run = make_run("20260101-a", status="running")
    assert run.read_manifest()["status"] == "interrupted"
    process = held_elsewhere(run)
    assert run.read_manifest()["status"] == "running"
    process.kill()
    process.wait()
    assert run.read_manifest()["status"] == "interrupted"
    assert manifest_of(run)["status"] == "running", "reading changes nothing"


def test_a_second_process_cannot_take_the_lock(make_run, held_elsewhere, run_error):
    run = make_run("20260101-a")
    process = held_elsewhere(run)
    assert run.is_locked()
    told = run_error(run.locked().__enter__)
    assert "20260101-a is in use by another process" in told
    process.communicate("")
    assert not run.is_locked()
    with run.locked():
        assert run.is_locked()
    assert not run.is_locked()


def test_the_lock_is_released_when_the_work_fails(make_run):
    run = make_run("20260101-a")

    def fail():
        with run.locked():
            raise KeyError("x")

    with pytest.raises(KeyError, match="x"):
        fail()
    assert not run.is_locked()


@pytest.mark.parametrize("content", ["", "{", "[1]", "{}", "null"])
def test_a_damaged_manifest_says_how_to_get_rid_of_it(make_run, run_error, content):
    run = make_run("20260101-a")
    run.manifest_file.write_text(content)
    told = run_error(run.read_manifest)
    assert "run.json is damaged" in told
    assert "dsample runs remove 20260101-a" in told


def test_a_missing_manifest_says_so(make_run, run_error):
    run = make_run("20260101-a")
    run.manifest_file.unlink()
    assert "run.json is missing" in run_error(run.read_manifest)


def test_a_run_that_is_removed_while_it_is_read_is_told_as_gone(make_run, run_error):
    run = make_run("20260101-a")

    def read():
        with run.reading():
            shutil.rmtree(run.path)
            raise RunError("model/ is missing.", "Train it again.")

    assert "Run 20260101-a is gone" in run_error(read)
    assert "Run 20260101-a is gone" in run_error(run.read_manifest)


def test_what_is_wrong_with_a_run_that_is_there_is_told_as_it_is(make_run, run_error):
    run = make_run("20260101-a")

    def read():
        with run.reading():
            raise RunError("model/ is missing.", "Train it again.")

    assert run_error(read) == "model/ is missing. | Train it again."


def test_a_manifest_has_a_copy_that_follows_it(make_run):
    run = make_run("20260101-a", seed=7)
    run.update_manifest(status="failed")
    assert run.manifest_copy.read_bytes() == run.manifest_file.read_bytes()


def test_a_manifest_of_a_newer_version_is_refused(make_run, run_error):
    run = make_run("20260101-a")
    content = manifest_of(run) | {"schema": SCHEMA + 1}
    run.manifest_file.write_text(json.dumps(content))
    told = run_error(run.read_manifest)
    assert "newer dsample" in told
    assert "pip install --upgrade" in told


def test_a_config_file_is_toml_that_names_its_command(make_run):
    run = make_run("20260101-a")
    options = {"data": "/x/정상.csv", "text-column": ["a", "b"], "lr": 1e-5, "cycle": 3}
    run.write_config(options)
    text = run.config_file.read_text(encoding="utf-8")
    assert tomllib.loads(text) == options
    assert text.startswith("# Repeat this run with: dsample train --config")


def test_a_split_is_read_back_in_its_order(make_run):
    run = make_run("20260101-a")
    run.write_split({"train": [5, 0, 3], "validation": [1, 4]})
    assert run.split_file.read_text().splitlines()[:2] == ["row,split", "5,train"]
    assert read_split(run, "train") == [5, 0, 3]
    assert read_split(run, "validation") == [1, 4]
    assert read_split(run, "test") == []


@pytest.mark.parametrize("content", [None, "row,split\nx,train\n", "row,split\n1\n"])
def test_a_damaged_split_is_a_run_error(make_run, run_error, content):
    run = make_run("20260101-a")
    if content is not None:
        run.split_file.write_text(content)
    assert "split.csv is damaged or missing" in run_error(read_split, run, "train")


def test_a_manifest_can_be_written_anew(make_run):
    run = make_run("20260101-a", seed=1)
    run.write_manifest({"status": "failed"})
    assert manifest_of(run) == {"schema": SCHEMA, "run": "20260101-a", "status": "failed"}
