"""dsample predict in ONNX Runtime, and by several processes."""

import json
import socket
import sys

import pytest

from dsample_cli.runs.run import Run
from dsample_cli.workflows import onnx_engine, predict
from tests.forks import fork, run_forked

EXACT = "--device cpu --precision fp32".split()


@pytest.fixture
def refused(fails, trained):
    def check(*args, **expected):
        fails("predict", trained.data, "--run", trained.run, *args, "-o", "x", "-q", **expected)

    return check


def test_what_an_engine_cannot_do_is_told(refused):
    refused("--engine", "onxx", kind="ConfigError", message="'onxx'", hint="onnx")
    of_onnx = ("--engine", "onnx")
    refused(*of_onnx, "--device", "cuda", kind="ConfigError", message="on the CPU", hint="torch")
    bf16 = ("--precision", "bf16")
    refused(*of_onnx, *bf16, kind="ConfigError", message="of its own", hint="--precision out")


def test_an_engine_needs_its_extra(refused, trained, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnx", None)
    install = "pip install 'dsample-cli[onnx]'"
    kind = "MissingExtraError"
    refused("--engine", "onnx-int8", kind=kind, message="package onnx", hint=install)
    assert not (trained.run / "onnx").exists()


def test_the_graphs_are_made_once_and_give_what_the_run_does(
    dsample, with_graph, trained, monkeypatch, tmp_path
):
    def predict(engine):
        done = dsample("predict", trained.data, "--run", with_graph, "--engine", engine, *EXACT[2:])
        assert done.code == 0, done.err
        return done

    plain, onnx, int8 = (predict(engine) for engine in onnx_engine.ENGINES)
    assert not list(with_graph.glob(".*.tmp"))
    for ours, found in zip(plain.lines, onnx.lines, strict=True):
        assert ours["probabilities"] == pytest.approx(found["probabilities"], abs=1e-4)
        assert ours["data"] == found["data"]
    nearly = [a["label"] == b["label"] for a, b in zip(plain.lines, int8.lines, strict=True)]
    assert sum(nearly) / len(nearly) > 0.9
    assert int8.out != onnx.out
    sizes = [(with_graph / name / "model.onnx").stat().st_size for name in ("onnx", "onnx-int8")]
    assert sizes[1] < sizes[0]
    # A second time nothing is made, and what int8 costs is known.
    monkeypatch.setattr(onnx_engine, "write_checked", None)
    monkeypatch.setattr(onnx_engine, "write_int8", None)
    again = dsample(
        "predict", trained.data, "--run", with_graph, "--engine", "onnx-int8", "-o", "o", "--json"
    )
    assert (tmp_path / "o").read_text(encoding="utf-8") == int8.out
    loss = again.json["int8"]
    assert again.json["engine"] == "onnx-int8"
    assert (loss["split"], loss["rows"], loss["reason"]) == ("validation", 24, None)
    assert loss["difference"] == loss["macro_f1_int8"] - loss["macro_f1_fp32"]
    told = f"int8: macro-F1 {loss['macro_f1_int8']:.4f} where fp32 has {loss['macro_f1_fp32']:.4f}"
    assert told in int8.err
    assert told in again.err
    stored = Run(with_graph).read_manifest()["metrics"]["validation"]["macro_f1"]
    assert loss["macro_f1_fp32"] == pytest.approx(stored, abs=0.06)  # stored in bf16


def test_an_export_in_int8_tells_what_that_costs(
    dsample, fails, with_graph, graph_is_copied, tmp_path
):
    options = ("--run", with_graph, "--to", "out", "--int8")
    fails("export", *options, kind="UsageError", message="--format onnx", hint="--help", code=2)
    done = dsample("export", *options, "--format", "onnx", "--json")
    assert done.code == 0, done.err
    loss = done.json["int8"]
    assert loss["rows"] == 24
    folder = tmp_path / "out"
    graph = (folder / "model.onnx").read_bytes()
    assert len(graph) < (with_graph / "onnx" / "model.onnx").stat().st_size
    assert f"{loss['macro_f1_int8']:.4f}" in (folder / "README.md").read_text(encoding="utf-8")
    facts = json.loads((folder / "dsample.json").read_text(encoding="utf-8"))
    assert facts["int8"] == {k: v for k, v in loss.items() if k != "reason"}


def test_another_model_needs_another_graph(with_graph):
    run = Run(with_graph)
    manifest = run.read_manifest()
    key = onnx_engine._key(run, manifest)
    assert onnx_engine._record(with_graph / "onnx", key) is not None
    corrected = manifest | {"correction": {"method": "thresholds"}}
    other = onnx_engine._key(run, corrected)
    assert onnx_engine._record(with_graph / "onnx", other) is None
    head = run.head_file
    head.write_bytes(b"other weights")
    assert onnx_engine._key(run, manifest) not in (key, other)
    head.unlink()
    assert onnx_engine._key(run, manifest) == key


def test_what_cannot_be_measured_is_told(trained):
    run = Run(trained.run)
    manifest = run.read_manifest()
    found = onnx_engine._held_out(run, manifest)
    assert not isinstance(found, str)
    split, texts, truth = found
    assert (split, len(texts), len(texts[0]), len(truth)) == ("validation", 1, 24, 24)
    gone = {**manifest["data"]["validation"], "path": "gone.csv"}
    moved = manifest | {"data": manifest["data"] | {"validation": gone}}
    reason = onnx_engine._held_out(run, moved)
    assert reason == "gone.csv, which had the validation rows, is gone or has changed."
    assert str(onnx_engine.Int8Loss(reason=reason)).startswith("What int8 costs was not measured")


def in_small_windows(*args):
    predict._WINDOW = 16
    run_forked(*args)


def test_two_processes_write_what_one_does(dsample, trained, monkeypatch, tmp_path):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    meeting = {"WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
    command = ["predict", trained.data, "--workspace", trained.workspace, *EXACT, "--json", "-o"]

    def start(name, **variables):
        files = [tmp_path / f"{name}.{kind}" for kind in ("out", "err")]
        args = [str(a) for a in (*command, "both.jsonl")]
        return files, fork(in_small_windows, args, tmp_path, *files, variables)

    monkeypatch.setattr(predict, "_WINDOW", 16)
    alone = dsample(*command, "one.jsonl").json
    started = [start(f"rank{r}", RANK=r, LOCAL_RANK=r, **meeting) for r in ("0", "1")]
    for (_, err), process in started:
        process.join(120)
        assert process.exitcode == 0, err.read_text()
    first, second = (out.read_text(encoding="utf-8") for (out, _), _ in started)
    assert second == ""
    assert json.loads(first) | {"output": "one.jsonl"} == alone
    assert json.loads(first)["rows"] == 120
    assert (tmp_path / "both.jsonl").read_bytes() == (tmp_path / "one.jsonl").read_bytes()
    assert not list(tmp_path.glob(".*.tmp"))


def test_processes_do_not_share_standard_input(fails, trained, monkeypatch):
    monkeypatch.setenv("WORLD_SIZE", "2")
    message = "cannot share standard input"
    hint = "leave torchrun out"
    fails(
        *("predict", "-", "--run", trained.run, "-o", "x", "-q"),
        kind="ConfigError",
        message=message,
        hint=hint,
    )
