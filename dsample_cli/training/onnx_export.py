"""A trained classifier as an ONNX graph, with whatever of its head no last layer can hold."""

import logging
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from dsample_cli.core.corrections import Correction
from dsample_cli.core.heads import BesideHead, GatedAlignment, NearestMean, unit_rows
from dsample_cli.errors import ConfigError, MissingExtraError, RunError, first_line
from dsample_cli.training.heads import find_head
from dsample_cli.training.inference import batch_tokens, token_batches
from dsample_cli.training.tokenization import Collator

OUTPUT = "logits"
_PACKAGES = ("onnx", "onnxscript", "onnxruntime")
_SMALLEST_NORM = 1e-12
# Texts of the check, and rows of the batches in which ONNX Runtime gets them.
_CHECKED_TEXTS, _BATCH_SIZES = 24, (1, 2, 5)


def require_onnx() -> None:
    """Make sure that the packages of the extra `onnx` are there.

    Raises:
        MissingExtraError: If one of them is not.
    """
    for package in _PACKAGES:
        _package(package)


def write_onnx(
    network: Any,
    collator: Collator,
    file: Path,
    head: BesideHead | None = None,
    correction: Correction | None = None,
) -> None:
    """Write a classifier as an ONNX graph of any batch size and length.

    Its inputs are those of the collator's batches, int64, shape [batch, sequence]; its output is
    `logits`, fp32, shape [batch, C]. Weights of 2 GB and more go to a second file beside it.

    Args:
        network: The classifier, on the CPU, in fp32.
        collator: Two texts or more, from which the graph is traced.
        file: Where to write.
        head: What gives the logits in place of the last layer, if anything does.
        correction: What is applied to the logits, if anything is.

    Raises:
        MissingExtraError: If a package is missing.
        RunError: If the classifier cannot be expressed as a graph.
    """
    require_onnx()
    batch = collator(np.argsort(-collator.tokens.lengths, kind="stable")[:2])
    names, was_training = list(batch), network.training
    network.eval()
    shapes = tuple({0: "batch", 1: "sequence"} for _ in names)
    try:
        with _with_head(network, head), _silence(), torch.no_grad():
            program = torch.onnx.export(
                _Logits(network, names, correction),
                tuple(batch.values()),
                input_names=names,
                output_names=[OUTPUT],
                dynamic_shapes=(shapes,),
                verbose=False,
            )
    except torch.onnx.errors.OnnxExporterError as error:
        kind = type(network).__name__
        raise RunError(
            f"The model, a {kind}, cannot be expressed in ONNX: {first_line(error)}",
            "Export it as it is: leave --format onnx out.",
        ) from error
    finally:
        network.train(was_training)
    assert program is not None
    # It would tell the paths of this machine's packages, a thousand times.
    _package("onnx_ir.passes.common").ClearMetadataAndDocStringPass()(program.model)
    program.save(file)


class OnnxModel:
    """An ONNX graph that `write_onnx` wrote, in ONNX Runtime on the CPU.

    ONNX Runtime reads no file outside of the graph's folder, and no library of operators is given
    to it.

    Args:
        file: The graph.
        classes: That it tells apart.

    Raises:
        RunError: If it is damaged or another's.
    """

    def __init__(self, file: Path, classes: int) -> None:
        self._file, self._classes = file, classes
        runtime = _package("onnxruntime")
        options = runtime.SessionOptions()
        options.log_severity_level = 3
        options.intra_op_num_threads = torch.get_num_threads()
        # Each batch has a shape of its own: plans for the memory of all of them would only pile up.
        options.enable_mem_pattern = False
        with self._translated():
            self._session = runtime.InferenceSession(
                str(file), options, providers=["CPUExecutionProvider"]
            )
        self._inputs = [entry.name for entry in self._session.get_inputs()]

    def logits(
        self, collator: Collator, batches: Sequence[NDArray[np.integer]]
    ) -> NDArray[np.float32]:
        """Logits of the collator's rows, shape [N, C]; `batches` are cuts of 0..N-1."""
        found = []
        for rows in batches:
            batch = collator(rows)
            if unknown := [name for name in self._inputs if name not in batch]:
                raise self._unusable(f"it wants {unknown[0]}, which no batch has")
            with self._translated():
                (logits,) = self._session.run([OUTPUT], {n: batch[n].numpy() for n in self._inputs})
            if logits.shape != (len(rows), self._classes):
                raise self._unusable(f"it gives logits of shape {logits.shape}")
            found.append(logits)
        return np.concatenate(found)

    def predict(
        self, collator: Collator, on_rows: Callable[[int], None] = lambda count: None
    ) -> NDArray[np.float32]:
        """Logits of all rows of the collator in their order, shape [N, C].

        Args:
            collator: Rows to predict, one or more.
            on_rows: Called with the number of rows after each batch.
        """
        batches = token_batches(collator.tokens.lengths, batch_tokens("cpu"))
        found = []
        for rows in batches:
            found.append(self.logits(collator, [rows]))
            on_rows(len(rows))
        logits = np.concatenate(found)
        logits[np.concatenate(batches)] = logits.copy()
        return logits

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except Exception as error:  # ONNX Runtime's have no base of their own
            raise self._unusable(first_line(error)) from error

    def _unusable(self, why: str) -> RunError:
        return RunError(
            f"{self._file} is damaged, or the graph of another model: {why}",
            f"Delete its folder, and it is made again: {self._file.parent}",
        )


def quantize(source: Path, file: Path) -> None:
    """Write a graph with its weights in int8, and its activations made so as they come.

    One scale a column and 7 of the 8 bits: MiniLM lost 0.25 points of macro-F1 on clinc_lt's test
    rows, 0.6 with one scale a matrix and 8 bits, at the same speed; and where a CPU lacks VNNI,
    sums of 8 bits overflow.

    Args:
        source: A graph that `write_onnx` wrote.
        file: Where to write.

    Raises:
        MissingExtraError: If a package is missing.
    """
    quantization = _package("onnxruntime.quantization")
    model = _package("onnx").load(source)
    # The quantiser turns weights around and would find them at odds with the shapes told here.
    del model.graph.value_info[:]
    with _silence(None):
        quantization.quantize_dynamic(
            model,
            file,
            weight_type=quantization.QuantType.QInt8,
            per_channel=True,
            reduce_range=True,
        )


def check_texts(tokenizer: Any, columns: int, max_length: int) -> list[list[str]]:
    """Texts of the tokenizer's own words, of 1 token to more than it keeps; the same every time.

    Args:
        tokenizer: Whose words they are.
        columns: 1, or 2 for pairs.
        max_length: Tokens that are kept of a text.
    """
    rng = np.random.default_rng(0)
    special = set(tokenizer.all_special_ids)
    usual = np.array([i for i in range(len(tokenizer)) if i not in special] or [0])
    sizes = np.geomspace(1, max_length + 8, _CHECKED_TEXTS).round().astype(int)
    rng.shuffle(sizes)  # so that the texts of a batch differ in length
    return [
        [
            tokenizer.convert_tokens_to_string(
                tokenizer.convert_ids_to_tokens(rng.choice(usual, size).tolist())
            )
            for size in sizes
        ]
        for _ in range(columns)
    ]


def check_batches(rows: int) -> list[NDArray[np.int64]]:
    """Cuts of 0..rows-1 of several sizes, one of them alone.

    Examples:
        >>> [batch.tolist() for batch in check_batches(9)]
        [[0], [1, 2], [3, 4, 5, 6, 7], [8]]
    """
    cuts: list[NDArray[np.int64]] = []
    start = 0
    while start < rows:
        size = _BATCH_SIZES[len(cuts) % len(_BATCH_SIZES)]
        cuts.append(np.arange(start, min(rows, start + size)))
        start += size
    return cuts


class _Logits(torch.nn.Module):
    """A classifier with positional inputs whose output is a tensor."""

    scale: torch.Tensor
    bias: torch.Tensor

    def __init__(self, network: Any, names: Sequence[str], correction: Correction | None) -> None:
        super().__init__()
        self._network, self._names = network, names
        self._is_corrected = correction is not None
        if correction is not None:
            self.register_buffer("scale", _floats(correction.scale))
            self.register_buffer("bias", _floats(correction.bias))

    def forward(self, *inputs: torch.Tensor) -> torch.Tensor:
        logits = self._network(**dict(zip(self._names, inputs, strict=True))).logits
        return logits * self.scale + self.bias if self._is_corrected else logits


class _NearestMeanLayer(torch.nn.Module):
    """`NearestMean` in place of a last layer."""

    center: torch.Tensor
    means: torch.Tensor
    of_means: torch.Tensor

    def __init__(self, head: NearestMean) -> None:
        super().__init__()
        self.register_buffer("center", _floats(head.center))
        self.register_buffer("means", _floats(head.means))
        self.register_buffer("of_means", _floats((head.means**2).sum(axis=1)))
        self._sharpness = head.sharpness

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        points = _unit(features - self.center)
        of_points = (points * points).sum(dim=-1, keepdim=True)
        products = points @ self.means.transpose(0, 1)
        return -self._sharpness * (of_points - 2 * products + self.of_means)


class _GatedLayer(torch.nn.Module):
    """`GatedAlignment` on top of a last layer."""

    factor: torch.Tensor
    shift: torch.Tensor
    gate: torch.Tensor

    def __init__(self, head: GatedAlignment, layer: torch.nn.Module) -> None:
        super().__init__()
        self.layer = layer
        for name in ("factor", "shift", "gate"):
            self.register_buffer(name, _floats(getattr(head, name)))
        self._offset = head.offset

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        gated = (features * self.gate).sum(dim=-1, keepdim=True)
        trust = torch.sigmoid(gated + self._offset)
        return (1 + trust * self.factor) * self.layer(features) + trust * self.shift


class _CosineLayer(torch.nn.Module):
    """`CosineHead` in place of a last layer."""

    weight: torch.Tensor

    def __init__(self, weight: NDArray[np.floating], sharpness: float) -> None:
        super().__init__()
        self.register_buffer("weight", _floats(sharpness * unit_rows(weight)))

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        return _unit(features) @ self.weight.transpose(0, 1)


@contextmanager
def _with_head(network: Any, head: BesideHead | None) -> Iterator[None]:
    """Put a head where the network's last layer is, for the time of the block."""
    if head is None:
        yield
        return
    layer = find_head(network)
    name = next((n for n, module in network.named_modules() if module is layer), None)
    if layer is None or name is None:
        raise ConfigError(
            "The run's head reads what the model's last linear layer does, and it has none.",
            "Export it as it is: leave --format onnx out.",
        )
    replacement: torch.nn.Module
    if isinstance(head, NearestMean):
        replacement = _NearestMeanLayer(head)
    elif isinstance(head, GatedAlignment):
        replacement = _GatedLayer(head, layer)
    else:
        replacement = _CosineLayer(head.weight, head.sharpness)
    network.set_submodule(name, replacement)
    try:
        yield
    finally:
        network.set_submodule(name, layer)


@contextmanager
def _silence(name: str | None = "torch.onnx") -> Iterator[None]:
    """Keep the exporter's remarks on packages and on itself from the user.

    Args:
        name: Of its logger; None for the root, which ONNX Runtime's quantiser writes to.
    """
    logger = logging.getLogger(name)
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)


def _package(name: str) -> Any:
    try:
        return import_module(name)
    except ImportError as error:
        package = name.partition(".")[0].replace("_", "-")
        raise MissingExtraError(
            f"ONNX needs the package {package}, which is not installed.",
            "Install it: pip install 'dsample-cli[onnx]'",
        ) from error


def _unit(rows: torch.Tensor) -> torch.Tensor:
    lengths = rows.norm(dim=-1, keepdim=True)
    return rows / lengths.clamp(min=_SMALLEST_NORM)


def _floats(values: NDArray[np.floating]) -> torch.Tensor:
    return torch.from_numpy(np.asarray(values)).float()
