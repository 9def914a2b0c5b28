"""A run's model in ONNX Runtime: its graph, made once and kept in the run, and what int8 costs."""

import hashlib
import json
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dsample_cli import __version__
from dsample_cli.core.config import TrainConfig
from dsample_cli.core.names import did_you_mean
from dsample_cli.core.progress import Listener
from dsample_cli.data.excerpts import read_cells
from dsample_cli.data.sources import file_sha256, path_sha256
from dsample_cli.errors import ConfigError, RunError
from dsample_cli.runs.files import new_folder, read_json, write_json
from dsample_cli.runs.locks import held
from dsample_cli.runs.run import Run
from dsample_cli.workflows.model import TrainedModel, open_model
from dsample_cli.workflows.stored import SPLITS, read_stored

TORCH, ONNX, INT8 = "torch", "onnx", "onnx-int8"
ENGINES = (TORCH, ONNX, INT8)
# Most that a logit of the ONNX model may differ by from the run's.
TOLERANCE = 1e-4

GRAPH_FILE = "model.onnx"
_RECORD_FILE = "onnx.json"
# Held-out rows, spread evenly over all, on which int8 is compared: minutes at most.
_COMPARED_ROWS = 5000
# To make a graph and hold it to the run's logits takes minutes at most.
_PATIENCE_SECONDS = 600


@dataclass(frozen=True)
class Agreement:
    """How far the ONNX model is from the run.

    Attributes:
        largest_difference: Of any logit.
        texts: That were compared.
        longest: Tokens of the longest of them.
    """

    largest_difference: float
    texts: int
    longest: int


@dataclass(frozen=True)
class Int8Loss:
    """What int8 costs on a run's held-out rows.

    Attributes:
        split: "test" or "validation"; None where it was not measured.
        rows: That were compared.
        fp32: Macro-F1 of the graph in fp32.
        int8: Macro-F1 of the quantised graph.
        reason: Why it was not measured.
    """

    split: str | None = None
    rows: int = 0
    fp32: float | None = None
    int8: float | None = None
    reason: str | None = None

    def to_json(self) -> dict[str, Any]:
        """The public JSON object."""
        difference = None
        if self.fp32 is not None and self.int8 is not None:
            difference = self.int8 - self.fp32
        return {
            "split": self.split,
            "rows": self.rows,
            "macro_f1_fp32": self.fp32,
            "macro_f1_int8": self.int8,
            "difference": difference,
            "reason": self.reason,
        }

    def __str__(self) -> str:
        if self.fp32 is None or self.int8 is None:
            return f"What int8 costs was not measured: {self.reason}"
        return (
            f"int8: macro-F1 {self.int8:.4f} where fp32 has {self.fp32:.4f} "
            f"({self.int8 - self.fp32:+.4f}), on {self.rows:,} {self.split} rows."
        )


def check_engine(engine: str, device: str, precision: str) -> None:
    """Check that an engine is known, installed and can do what is asked.

    Raises:
        ConfigError: If it is unknown, or cannot.
        MissingExtraError: If a package is missing.
    """
    if engine not in ENGINES:
        raise ConfigError(f"Unknown --engine '{engine}'.", did_you_mean(engine, ENGINES))
    if engine == TORCH:
        return
    if device not in ("auto", "cpu"):
        raise ConfigError(
            f"--engine {engine} runs on the CPU, not on {device}.",
            "Leave --device out, or use --engine torch.",
        )
    if precision not in ("auto", "fp32"):
        raise ConfigError(
            f"--engine {engine} has a precision of its own, so --precision {precision} does not "
            "go with it.",
            "Leave --precision out, or use --engine torch.",
        )
    from dsample_cli.training.onnx_export import require_onnx

    require_onnx()


def open_engine(
    run: Run,
    manifest: dict[str, Any],
    engine: str,
    listener: Listener,
    trust_remote_code: bool = False,
) -> tuple[TrainedModel, Int8Loss | None]:
    """A completed run's model in ONNX Runtime, and what int8 costs if that is the engine.

    Graphs are kept in the run, in onnx/ and onnx-int8/, and made anew when its model, head or
    correction has changed.

    Args:
        run: Has the model.
        manifest: Its run.json.
        engine: "onnx" or "onnx-int8".
        listener: Hears of progress, and what int8 costs.
        trust_remote_code: Whether Python code that was stored with the model is run.

    Raises:
        RunError: If the graph does not give what the run does, or cannot be kept.
    """
    key = _key(run, manifest)
    plain = run.path / ONNX
    if _record(plain, key) is None:

        def write(folder: Path) -> dict[str, Any]:
            hint = "Predict with: --engine torch"
            file = folder / GRAPH_FILE
            return asdict(write_checked(run, manifest, file, listener, hint, trust_remote_code))

        _keep(run, plain, key, write)
    model = open_graph(run, manifest, plain / GRAPH_FILE, trust_remote_code)
    if engine == ONNX:
        return model, None
    return _open_int8(run, manifest, key, model, listener)


def open_graph(
    run: Run, manifest: dict[str, Any], file: Path, trust_remote_code: bool = False
) -> TrainedModel:
    """A run's model as a graph that was made of it."""
    from dsample_cli.training.devices import choose_device
    from dsample_cli.training.encoders import load_tokenizer
    from dsample_cli.training.onnx_export import OnnxModel

    tokenizer = load_tokenizer(str(run.model_dir), trust_remote_code)
    tokenizer.truncation_side = manifest["config"]["truncation-side"]
    return TrainedModel(
        None,
        tokenizer,
        choose_device("cpu", "fp32"),
        tuple(manifest["labels"]),
        manifest["config"]["max-length"],
        graph=OnnxModel(file, len(manifest["labels"])),
    )


def _open_int8(
    run: Run, manifest: dict[str, Any], key: str, model: TrainedModel, listener: Listener
) -> tuple[TrainedModel, Int8Loss]:
    from dsample_cli.training.onnx_export import OnnxModel

    folder = run.path / INT8
    record = _record(folder, key)
    if record is None or (record["reason"] and not isinstance(_held_out(run, manifest), str)):

        def write(hidden: Path) -> dict[str, Any]:
            source = run.path / ONNX / GRAPH_FILE
            return asdict(write_int8(run, manifest, source, hidden / GRAPH_FILE, model, listener))

        _keep(run, folder, key, write, record)
        record = _record(folder, key)
        assert record is not None
    loss = Int8Loss(**{name: record[name] for name in asdict(Int8Loss())})
    tell = listener.note if loss.reason is None else listener.warn
    tell(str(loss))
    return replace(model, graph=OnnxModel(folder / GRAPH_FILE, len(model.names))), loss


def write_checked(
    run: Run,
    manifest: dict[str, Any],
    file: Path,
    listener: Listener,
    hint: str,
    trust_remote_code: bool = False,
) -> Agreement:
    """Write a run's model as an ONNX graph and hold it to the run's logits.

    Args:
        run: Has the model.
        manifest: Its run.json.
        file: Where to.
        listener: Hears of progress.
        hint: What to do where the graph cannot be had.
        trust_remote_code: Whether Python code that was stored with the model is run.

    Raises:
        RunError: If they differ.
    """
    from dsample_cli.training import onnx_export

    listener.phase("writing the ONNX model")
    model = open_model(run, manifest, "cpu", "fp32", trust_remote_code)
    texts = onnx_export.check_texts(
        model.tokenizer, len(manifest["text_columns"]), model.max_length
    )
    collator = model.collate(texts)
    try:
        onnx_export.write_onnx(model.network, collator, file, model.head, model.correction)
    except (RunError, ConfigError) as error:
        raise type(error)(error.message, hint) from error
    listener.phase("checking the ONNX model")
    batches = onnx_export.check_batches(len(texts[0]))
    found = onnx_export.OnnxModel(file, len(model.names)).logits(collator, batches)
    difference = float(np.abs(found - model.logits(texts)).max())
    if not difference <= TOLERANCE:  # nan is a difference too
        raise RunError(
            f"The ONNX model's outputs differ from the run's by up to {difference:.2g}, and only "
            f"{TOLERANCE:g} is allowed, so nothing was written.",
            hint,
        )
    return Agreement(difference, len(texts[0]), int(collator.tokens.lengths.max()))


def write_int8(
    run: Run,
    manifest: dict[str, Any],
    source: Path,
    file: Path,
    model: TrainedModel,
    listener: Listener,
) -> Int8Loss:
    """Quantise a graph to int8 and measure what that costs on the run's held-out rows.

    Args:
        run: Whose graph it is.
        manifest: Its run.json.
        source: The graph in fp32.
        file: Where to.
        model: The run's model with the graph in fp32.
        listener: Hears of progress.
    """
    from dsample_cli.evaluation.metrics import summary_metrics
    from dsample_cli.training.onnx_export import OnnxModel, quantize

    listener.phase("quantising to int8")
    quantize(source, file)
    held_out = _held_out(run, manifest)
    if isinstance(held_out, str):
        return Int8Loss(reason=held_out)
    split, texts, truth = held_out
    listener.phase("measuring what int8 costs", 2 * len(truth))
    collator = model.collate(texts)

    def macro_f1(of: TrainedModel) -> float:
        predicted = of.collated_logits(collator, listener.advance).argmax(axis=1)
        return summary_metrics(truth, predicted, len(of.names))["macro_f1"]

    quantised = replace(model, graph=OnnxModel(file, len(model.names)))
    return Int8Loss(split, len(truth), macro_f1(model), macro_f1(quantised))


def _held_out(
    run: Run, manifest: dict[str, Any]
) -> tuple[str, list[list[str]], NDArray[np.integer]] | str:
    """Split, texts by column and label ids of a run's held-out rows, or why there are none."""
    split = next((name for name in SPLITS if run.predictions_file(name).is_file()), None)
    if split is None:
        return f"run {run.id} has neither test nor validation rows."
    stored = read_stored(run, manifest, split)
    path = manifest["data"][split]["path"]
    if path == "-" or path_sha256(path) != stored.sha256:
        what = "was standard input" if path == "-" else "is gone or has changed"
        return f"{path}, which had the {split} rows, {what}."
    step = max(1, -(-len(stored.rows) // _COMPARED_ROWS))
    rows, truth = stored.rows[::step].tolist(), stored.truth[::step]
    options = TrainConfig.from_options(manifest["config"]).read_options
    columns = manifest["text_columns"]
    cells = read_cells(path, columns, rows, options)
    ids = {name: i for i, name in enumerate(manifest["labels"])}
    texts = [[cells[row][place] for row in rows] for place in range(len(columns))]
    return split, texts, np.array([ids[name] for name in truth])


def _key(run: Run, manifest: dict[str, Any]) -> str:
    """Identity of a run's model: other weights, another head or correction give another graph."""
    files = [*sorted(run.model_dir.glob("*.safetensors")), run.head_file]
    digests = [file_sha256(file) for file in files if file.is_file()]
    facts = [__version__, digests, manifest.get("head"), manifest.get("correction")]
    return hashlib.sha256(json.dumps(facts).encode()).hexdigest()


def _record(folder: Path, key: str) -> dict[str, Any] | None:
    """What was written beside a graph; None when there is none of that key."""
    try:
        record = read_json(folder / _RECORD_FILE)
    except RunError:
        return None
    is_whole = isinstance(record, dict) and (folder / GRAPH_FILE).is_file()
    return record if is_whole and record.get("key") == key else None


def _keep(
    run: Run,
    folder: Path,
    key: str,
    write: Callable[[Path], dict[str, Any]],
    stale: dict[str, Any] | None = None,
) -> None:
    """Make a folder with a graph, or replace the graph in it; who makes it already is waited for.

    Args:
        run: Has the folder.
        folder: The folder.
        key: Identity of the run's model.
        write: Writes the graph and gives what is to be known of it.
        stale: What is known of a graph of that key that is to be replaced.
    """
    with held(run.path / ".onnx.lock", f"The graph of run {run.id}", _PATIENCE_SECONDS):
        if _record(folder, key) != stale:
            return  # another process made it meanwhile
        replaced = [entry.name for entry in folder.iterdir()] if folder.is_dir() else []
        with new_folder(folder, replaced) as hidden:
            facts = write(hidden)
            write_json(hidden / _RECORD_FILE, {"key": key, **facts})
