"""Every mistake of a user is answered with one line, a hint and the right exit code."""

import json
import os
import shutil
import subprocess
import sys
import time

import pytest

from dsample_cli.cli.main import run
from dsample_cli.errors import DsampleError
from tests.helpers import QUICK, Outcome, process_environment

FILES = {
    "empty.csv": b"",
    "header.csv": b"text,label\n",
    "binary.csv": bytes(range(256)) * 8,
    "damaged.csv": "text,label\nthé à la menthe,a\n".encode() + b"caf\xe9 au lait,b\n",
    "ragged.csv": b"text,label\nhello,a\nhello, world,a\nhi,b\n",
    "one.csv": b"text,label\nhello,a\nworld,a\nagain,a\n",
    "blank.csv": b"text,label\n,a\n  ,b\n,a\n",
    "good.csv": b"text,label\nhello,a\nworld,b\nagain,a\n",
    "lists.csv": b"text,label\nhello,\"['a', 'b']\"\nworld,\"['b']\"\n",
    "other.csv": b"text,label\nhello,billing\nworld,lost\nagain,lost\n",
}


@pytest.fixture(autouse=True)
def _files(tmp_path):
    for name, content in FILES.items():
        (tmp_path / name).write_bytes(content)


@pytest.fixture
def copied(trained, tmp_path):
    """A copy of the trained workspace that a test may spoil: the workspace and its run."""
    shutil.copytree(trained.workspace, tmp_path / "copied")
    return tmp_path / "copied", tmp_path / "copied" / "runs" / trained.run.name


NO_TABLE = [
    ("goood.csv", "goood.csv.", "good.csv?"),
    ("empty.csv", "empty.csv is empty", "header line"),
    ("binary.csv", "binary.csv is binary data", "CSV (UTF-8)"),
    ("damaged.csv", "damaged.csv is not UTF-8: line 3 has the byte 0xE9", "windows-1252"),
    ("prt-*.csv", "prt-*.csv.", "blank.csv, "),
    ("ragged.csv", "ragged.csv, line 3: the row has 3 fields, the header has 2", "quotes"),
    (".", "is a directory", "such as"),
]


@pytest.mark.parametrize("command", ["analyze", "train", "evaluate"])
@pytest.mark.parametrize(
    ("name", "message", "hint"),
    [*NO_TABLE, ("header.csv", "header.csv has a header but no rows", "one example a row")],
)
def test_a_file_that_is_no_table(trained, fails, command, name, message, hint):
    stored = ["--workspace", trained.workspace] if command == "evaluate" else []
    fails(command, name, *stored, kind="DataError", message=message, hint=hint)


@pytest.mark.parametrize(("name", "message", "hint"), NO_TABLE)
def test_a_file_that_is_no_table_leaves_no_predictions(
    trained, fails, tmp_path, name, message, hint
):
    fails(
        *("predict", name, "--workspace", trained.workspace, "-o", "out.jsonl"),
        kind="DataError",
        message=message,
        hint=hint,
    )
    assert not (tmp_path / "out.jsonl").exists()
    assert not list(tmp_path.glob(".*"))


@pytest.mark.parametrize("command", ["analyze", "train", "evaluate"])
@pytest.mark.parametrize(
    ("option", "given", "meant"), [("label", "lable", "label"), ("text", "txt", "text")]
)
def test_a_missing_column(trained, fails, command, option, given, meant):
    stored = ["--workspace", trained.workspace] if command == "evaluate" else []
    fails(
        *(command, "good.csv", f"--{option}-column", given, *stored),
        kind="DataError",
        message=f"good.csv has no column '{given}'",
        hint=f"Did you mean '{meant}'?",
    )


def test_a_missing_column_of_predict(trained, fails):
    fails(
        *("predict", "good.csv", "--workspace", trained.workspace, "-o", "o"),
        *("--text-column", "txt"),
        kind="DataError",
        message="good.csv has no column 'txt'",
        hint="Did you mean 'text'?",
    )


def test_a_missing_group_column(fails):
    fails(
        *("train", "good.csv", "--group-column", "labell"),
        kind="DataError",
        message="good.csv has no column 'labell'",
        hint="Did you mean 'label'?",
    )


def test_one_class_only(fails):
    fails(
        *("train", "one.csv"),
        kind="DataError",
        message="one.csv: there is only one class ('a')",
        hint="--label-column",
    )


@pytest.mark.parametrize("command", ["train", "evaluate"])
def test_all_texts_empty(trained, fails, command):
    stored = ["--workspace", trained.workspace] if command == "evaluate" else []
    fails(
        *(command, "blank.csv", *stored),
        kind="DataError",
        message="blank.csv: no row has both a text and a label",
        hint="--text-column",
    )


def test_analyze_of_texts_that_are_all_empty(fails):
    fails(
        *("analyze", "blank.csv"),
        kind="DataError",
        message="all texts are empty (column 'text')",
        hint="--text-column",
    )


def test_analyze_shows_a_single_class_as_an_error(dsample):
    assert dsample("analyze", "one.csv").code == 0
    done = dsample("analyze", "one.csv", "--json", "--strict")
    assert done.code == 3
    severities = {problem["code"]: problem["severity"] for problem in done.json["problems"]}
    assert severities["single-class"] == "error"


def test_a_column_of_label_lists(fails):
    fails(
        *("train", "lists.csv"),
        kind="DataError",
        message="lists.csv: column 'label' is multi-label",
        hint="--label-column",
    )


@pytest.mark.parametrize("option", ["--val", "--test"])
def test_a_held_out_label_that_train_does_not_have(fails, tickets, option):
    fails(
        *("train", tickets, option, "other.csv"),
        kind="DataError",
        message="labels that the training data does not have: 'lost' (2 rows)",
        hint="--unknown-labels drop",
    )


def test_an_evaluated_label_that_train_does_not_have(trained, fails, dsample):
    command = ("evaluate", "other.csv", "--workspace", trained.workspace)
    fails(
        *command,
        kind="DataError",
        message="other.csv has labels that the training data does not have: 'lost' (2 rows)",
        hint="--unknown-labels drop",
    )
    done = dsample(*command, "--unknown-labels", "drop", "--json", "--no-intervals")
    assert done.code == 0
    assert done.json["rows"] == 1
    assert "2 rows with unknown labels are dropped: 'lost' (2 rows)" in done.err


def test_unknown_labels_of_val_can_be_dropped(dsample, tickets, tmp_path, blank_pictures):
    text = tickets.read_text(encoding="utf-8") + "a new kind,lost,c1\n"
    (tmp_path / "val.csv").write_text(text, encoding="utf-8")
    done = dsample(
        *("train", tickets, "--val", "val.csv", "--unknown-labels", "drop", *QUICK, "--json")
    )
    assert done.code == 0
    assert "1 rows with unknown labels are dropped: 'lost' (1 rows)" in done.err
    run = tmp_path / "dsample_workspace" / "runs" / done.json["run"]
    predictions = (run / "predictions-validation.jsonl").read_text(encoding="utf-8")
    assert len(predictions.splitlines()) == 120


@pytest.mark.parametrize("command", ["analyze", "train"])
def test_an_unwritable_workspace(fails, tickets, command):
    """Root may write anywhere, but nobody below a regular file."""
    fails(
        *(command, tickets, "--workspace", "good.csv/workspace"),
        kind="RunError",
        message="Cannot write the workspace good.csv/workspace: Not a directory",
        hint="--workspace DIR",
    )


@pytest.mark.parametrize(
    ("options", "message", "hint"),
    [
        (["--schedule", "cylic"], "Unknown schedule 'cylic'", "Did you mean cyclic?"),
        (["--score", "sofmax"], "Unknown score 'sofmax'", "Did you mean softmax?"),
        (["--cycle", "0"], "--cycle must be at least 1, not 0", "--cycle 3"),
        (["--temperature", "0"], "--temperature must be auto or a number above 0", "--help"),
        (["--minority-share", "0.01"], "--minority-share 0.01 is out of reach", "between"),
        (["--groups", "nonsense"], "--groups takes two train counts", "--groups 100,20"),
        (["--preset", "papr"], "Unknown preset 'papr'", "Did you mean paper?"),
        (["--order", "random"], "Unknown --order 'random'", "shuffled, file"),
        (["--select-on", "macro"], "Unknown --select-on 'macro'", "macro-f1"),
        (["--loss", "cee"], "Unknown --loss 'cee'", "Did you mean ce?"),
        (["--epochs", "0"], "--epochs must be auto or from 1 to 10000, not 0", "--help"),
        (["--epochs", "10001"], "--epochs must be auto or from 1 to 10000, not 10001", "--help"),
        (["--pressure", "nan"], "--pressure must be a finite number, not nan", "--help"),
        (["--seed", "9" * 20], "--seed must be at most 2147483647", "--help"),
        (["--warmup-epochs", "-1", "--schedule", "warmup"], "--warmup-epochs must be", "natural"),
    ],
)
def test_an_impossible_option(fails, tickets, options, message, hint):
    fails(
        *("train", tickets, "--model", "tiny", *options),
        kind="ConfigError",
        message=message,
        hint=hint,
    )


@pytest.mark.parametrize("options", [["--labels", "billing"], ["--labels", "a,,b"]])
def test_an_impossible_list_of_labels(fails, tickets, options):
    fails("train", tickets, *options, kind="DataError", message="label", hint="")


def test_labels_that_have_no_example(fails, tickets):
    fails(
        *("train", tickets, "--labels", "billing,login,outage,lost"),
        kind="DataError",
        message="no training example of 'lost'",
        hint="--labels",
    )


def test_groups_of_analyze_and_evaluate(trained, fails, tickets):
    expected = {"kind": "ConfigError", "message": "--groups takes two", "hint": "--groups 100,20"}
    fails("analyze", tickets, "--groups", "nonsense", **expected)
    fails("evaluate", "--workspace", trained.workspace, "--groups", "5,10", **expected)


@pytest.mark.parametrize(
    "command", [["evaluate"], ["predict", "good.csv", "-o", "o"], ["train"], ["runs", "show"]]
)
def test_an_unknown_run(trained, fails, command):
    name = {"train": ["--resume", "20200101"], "runs": ["20200101"]}.get(
        command[0], ["--run", "20200101"]
    )
    fails(
        *(*command, *name, "--workspace", trained.workspace),
        kind="RunError",
        message="There is no run '20200101'",
        hint="dsample runs list",
    )


def test_a_run_where_none_is_completed(fails):
    fails(
        *("evaluate", "--workspace", "nowhere"),
        kind="RunError",
        message="There is no completed run in nowhere",
        hint="dsample train",
    )


def test_an_ambiguous_prefix(copied, fails):
    workspace, run = copied
    shutil.copytree(run, run.with_name(run.name + "x"))
    fails(
        *("evaluate", "--run", run.name[:12], "--workspace", workspace),
        kind="RunError",
        message=f"'{run.name[:12]}' fits 2 runs: {run.name}, {run.name}x",
        hint="more of the run id",
    )


@pytest.mark.parametrize("content", ["", "{", "[]", "{}", '{"status": "compl'])
def test_a_damaged_manifest(copied, fails, dsample, content):
    workspace, run = copied
    (run / "run.json").write_text(content)
    fails(
        *("evaluate", "--run", run.name, "--workspace", workspace),
        kind="RunError",
        message="run.json is damaged",
        hint=f"dsample runs remove {run.name}",
    )
    listed = dsample("runs", "list", "--workspace", workspace, "--json").json["runs"]
    assert [(entry["run"], entry["status"]) for entry in listed] == [(run.name, "damaged")]
    assert dsample("runs", "remove", run.name, "--workspace", workspace).code == 0
    assert not run.exists()


def test_a_run_without_its_model(copied, fails):
    workspace, run = copied
    shutil.rmtree(run / "model")
    fails(
        *("predict", "good.csv", "--workspace", workspace, "-o", "o"),
        kind="ConfigError",
        message=str(run / "model"),
        hint="",
    )


def test_a_run_that_is_not_completed(copied, fails):
    workspace, run = copied
    manifest = json.loads((run / "run.json").read_text()) | {"status": "failed"}
    (run / "run.json").write_text(json.dumps(manifest))
    fails(
        *("evaluate", "--run", run.name, "--workspace", workspace),
        kind="RunError",
        message=f"Run {run.name} is failed",
        hint=f"dsample train --resume {run.name}",
    )


def test_an_unknown_key_of_a_config_file(fails, tickets, tmp_path):
    (tmp_path / "c.toml").write_text("batch-size = 8\ncylce = 3\n")
    fails(
        *("train", tickets, "--config", "c.toml"),
        kind="ConfigError",
        message="c.toml: unknown key 'cylce'",
        hint="cycle",
    )


@pytest.mark.parametrize(
    ("content", "message"), [("epochs = ", "no valid TOML"), ("= 3", "no valid TOML")]
)
def test_a_config_file_that_is_no_toml(fails, tickets, tmp_path, content, message):
    (tmp_path / "c.toml").write_text(content)
    fails(*("train", tickets, "--config", "c.toml"), kind="ConfigError", message=message, hint="=")


def test_a_config_file_that_is_missing(fails, tickets):
    fails(
        *("train", tickets, "--config", "none.toml"),
        kind="ConfigError",
        message="Cannot read none.toml",
        hint="path",
    )


def test_predictions_as_json_need_a_file(trained, dsample):
    done = dsample("predict", "good.csv", "--json", "--workspace", trained.workspace)
    assert done.code == 1
    assert done.json["error"]["type"] == "ConfigError"
    assert "--json prints a summary" in done.json["error"]["message"]
    assert "-o predictions.jsonl" in done.json["error"]["hint"]


def test_an_output_that_cannot_be_written(trained, fails):
    fails(
        *("predict", "good.csv", "--workspace", trained.workspace, "-o", "good.csv/out.jsonl"),
        kind="RunError",
        message="Cannot write good.csv/out.jsonl",
        hint="folder",
    )


def test_a_model_that_nobody_has_is_told_within_seconds(dsample, tickets):
    began = time.monotonic()
    done = dsample("train", tickets, "--model", "nobody/has-this-model", "--epochs", "1")
    assert done.code == 1
    error, hint = done.err.splitlines()[-2:]
    assert error.startswith("Error: The model 'nobody/has-this-model' is no local folder")
    assert "--model minilm" in hint
    assert time.monotonic() - began < 10


def test_a_local_folder_without_a_model(fails, tickets, tmp_path):
    (tmp_path / "folder").mkdir()
    fails(
        *("train", tickets, "--model", "folder"),
        kind="ConfigError",
        message="The folder folder holds no usable model",
        hint="config.json",
    )


def test_a_device_that_is_not_there(trained, fails, tickets):
    torch = pytest.importorskip("torch")
    expected = {"kind": "ConfigError", "message": "--device ", "hint": "--device auto"}
    for device, is_there in (
        ("cuda", torch.cuda.is_available()),
        ("mps", torch.backends.mps.is_available()),
    ):
        if not is_there:
            fails("train", tickets, "--device", device, "--model", "tiny", **expected)
            fails(
                *("predict", tickets, "--workspace", trained.workspace, "-o", "o"),
                *("--device", device),
                **expected,
            )


@pytest.mark.parametrize("command", [["predict", "-o", "o"], ["evaluate"]])
@pytest.mark.parametrize(
    ("option", "value", "hint"), [("device", "cuda:7", "cuda"), ("precision", "fp8", "fp16")]
)
def test_an_unknown_device_or_precision(trained, tickets, fails, command, option, value, hint):
    fails(
        *(*command, "tickets.csv", "--workspace", trained.workspace),
        *(f"--{option}", value),
        kind="ConfigError",
        message=f"Unknown --{option} '{value}'.",
        hint=hint,
    )


def test_options_beside_resume(trained, fails):
    fails(
        *("train", "--resume", "latest", "--epochs", "9", "--workspace", trained.workspace),
        kind="ConfigError",
        message="--epochs does not go with --resume",
        hint="without --resume",
    )


def test_resume_of_a_completed_run(trained, fails):
    fails(
        *("train", "--resume", trained.run.name, "--workspace", trained.workspace),
        kind="RunError",
        message=f"Run {trained.run.name} is completed",
        hint="dsample train --config",
    )


def test_train_without_data_and_without_a_current_dataset(fails):
    fails(
        *("train", "--workspace", "nowhere"),
        kind="ConfigError",
        message="nowhere has no current dataset",
        hint="dsample analyze DATA",
    )


def test_data_and_predictions_at_once(fails):
    fails(
        *("evaluate", "good.csv", "--predictions", "good.csv"),
        kind="ConfigError",
        message="either DATA or --predictions",
        hint="Leave one",
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nonsense"], "No such command 'nonsense'"),
        (["analyze"], "Missing argument"),
        (["predict"], "Missing argument"),
        (["analyze", "good.csv", "--nonsense"], "No such option"),
        (["train", "good.csv", "--epochs", "many"], "--epochs"),
        (["train", "good.csv", "--temperature", "warm"], "--temperature"),
        (["train", "good.csv", "--lr", "fast"], "--lr"),
        (["predict", "good.csv", "--top", "0"], "--top"),
        (["runs", "remove"], "Missing argument"),
    ],
)
def test_wrong_usage_exits_with_2(fails, arguments, message):
    fails(*arguments, kind="UsageError", message=message, hint="--help", code=2)


def test_debug_shows_the_traceback(dsample_process):
    done = dsample_process("analyze", "goood.csv", "--debug")
    assert done.code == 1
    assert "Traceback" in done.err
    assert "DataError" in done.err


def test_control_characters_of_a_file_name_do_not_reach_the_terminal(dsample):
    done = dsample("analyze", "a\x1b[31mb.csv")
    assert done.code == 1
    assert "\x1b[31m" not in done.err


SECRET = "a text of the data"


@pytest.fixture
def raising(monkeypatch):
    """Let `methods` raise an exception."""

    def prepare(error: BaseException) -> None:
        def give_way(name):
            raise error

        monkeypatch.setattr("dsample_cli.workflows.methods.methods", give_way)

    return prepare


class Panic(BaseException):
    """What a panic of a Rust library is to Python: no Exception."""


@pytest.mark.parametrize(
    "error",
    [
        ValueError(SECRET),
        KeyError(SECRET),
        UnicodeDecodeError("utf-8", SECRET.encode(), 0, 1, SECRET),
        RecursionError(SECRET),
        OSError(SECRET),
        Panic(SECRET),
        ExceptionGroup(SECRET, [ValueError(SECRET)]),
    ],
    ids=lambda error: type(error).__name__,
)
def test_a_bug_is_told_by_its_place_and_not_by_its_words(raising, dsample, fails, error):
    raising(error)
    fails(
        "methods",
        kind="DsampleError",
        message=f"Unexpected {type(error).__name__} in dsample_cli.cli.methods:",
        hint="--debug",
    )
    for arguments in (["methods"], ["methods", "--json"]):
        done = dsample(*arguments)
        assert SECRET not in done.out + done.err


def test_a_bug_keeps_its_traceback_under_debug(raising, monkeypatch, own_folder):
    raising(KeyError(SECRET))
    with pytest.raises(KeyError):
        run(["methods", "--debug"])
    monkeypatch.setenv("DSAMPLE_DEBUG", "1")
    with pytest.raises(KeyError):
        run(["methods"])
    monkeypatch.setenv("DSAMPLE_DEBUG", "false")
    assert run(["methods"]) == 1


@pytest.mark.parametrize("error", [MemoryError(SECRET), MemoryError()])
def test_out_of_memory(raising, fails, error):
    raising(error)
    fails("methods", kind="RunError", message="There is not enough memory.", hint="--batch-size")


def test_a_variable_that_switches_json_off(raising, monkeypatch, dsample):
    raising(DsampleError("Wrong."))
    for value in ("0", "false", "no", ""):
        monkeypatch.setenv("DSAMPLE_JSON", value)
        done = dsample("methods")
        assert (done.code, done.out) == (1, "")
        assert "Error: Wrong." in done.err
    monkeypatch.setenv("DSAMPLE_JSON", "yes")
    assert dsample("methods").json["error"]["message"] == "Wrong."


def in_a_shell(command: str, folder, **variables: str) -> Outcome:
    """Run `dsample` as a shell does, where its streams may lead anywhere."""
    done = subprocess.run(
        ["sh", "-c", command.replace("dsample", f"'{sys.executable}' -m dsample_cli", 1)],
        cwd=folder,
        env=process_environment(**variables),
        capture_output=True,
        timeout=60,
    )
    return Outcome(done.returncode, done.stdout.decode("latin-1"), done.stderr.decode("latin-1"))


@pytest.mark.parametrize("more", ["", " --json"])
@pytest.mark.parametrize("command", ["methods", "analyze missing.csv"])
def test_a_full_disk_behind_stdout(tmp_path, command, more):
    done = in_a_shell(f"dsample {command}{more} > /dev/full", tmp_path)
    assert done.code == 1
    assert done.err.startswith("Error: ")
    assert done.err.count("Error: ") == 1
    assert "Traceback" not in done.err
    assert "Exception ignored" not in done.err


@pytest.mark.parametrize("streams", ["2>&-", "2>/dev/full", "2>&- <&- >&-"])
def test_nobody_to_tell(tmp_path, streams):
    assert in_a_shell(f"dsample analyze missing.csv {streams}", tmp_path).code == 1
    assert in_a_shell(f"dsample methods softmax {streams}", tmp_path).code == 0


def test_messages_that_nobody_reads_end_no_command(tmp_path):
    (tmp_path / "other.csv").write_text("body,kind\nhello,a\nworld,b\nagain,a\n")
    listener, speaker = os.pipe()
    os.close(listener)
    done = subprocess.run(
        [sys.executable, "-m", "dsample_cli", *"analyze other.csv --fast --json".split()],
        cwd=tmp_path,
        env=process_environment(),
        stdout=subprocess.PIPE,
        stderr=speaker,  # here it tells which columns it took
        timeout=60,
    )
    os.close(speaker)
    assert done.returncode == 0
    assert json.loads(done.stdout)["data"]["text_column"] == "body"


@pytest.mark.parametrize("encoding", ["ascii", "latin-1"])
def test_streams_without_the_characters(tmp_path, encoding):
    command = "dsample analyze 'n\u00e9\u20ac\U0001f600.csv'"
    done = in_a_shell(command, tmp_path, PYTHONIOENCODING=encoding)
    assert done.code == 1
    if encoding == "latin-1":  # for ASCII, Typer takes UTF-8
        assert "n\u00e9\\u20ac\\ud83d\\ude00.csv" in done.err
    as_json = in_a_shell(f"{command} --json", tmp_path, PYTHONIOENCODING=encoding)
    assert "n\u00e9\u20ac\U0001f600.csv" in as_json.json["error"]["message"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"a = " + b"[" * 5000, "is no valid TOML: maximum recursion depth"),
        (b"seed = " + b"9" * 5000, "is no valid TOML: Exceeds the limit"),
        (b"# " + b"x" * (1 << 20), "is too large for a file of options"),
        (b"seed = 1\xff", "is no valid TOML: 'utf-8' codec"),
    ],
    ids=["deep", "long", "large", "encoding"],
)
def test_config_files_that_are_none(fails, tmp_path, content, message):
    (tmp_path / "options.toml").write_bytes(content)
    fails(
        *("analyze", "good.csv", "--config", "options.toml"),
        kind="ConfigError",
        message=f"options.toml {message}",
        hint="",
    )


def test_a_device_as_config_file(fails):
    fails(
        *("analyze", "good.csv", "--config", "/dev/zero"),
        kind="ConfigError",
        message="/dev/zero is too large",
        hint="path",
    )


@pytest.mark.parametrize("value", ["", "abc", "-1", "1.5", "²"])
def test_variables_of_torchrun_that_are_not_its_own(monkeypatch, fails, value):
    for name in ("RANK", "WORLD_SIZE"):
        monkeypatch.setenv(name, value)
    fails("analyze", "missing.csv", kind="DataError", message="missing.csv", hint="")
