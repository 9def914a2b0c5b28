"""Make a run's model a folder that can be passed on, and upload it."""

import shutil
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dsample_cli import __version__
from dsample_cli.core.names import did_you_mean
from dsample_cli.core.progress import Listener
from dsample_cli.errors import ConfigError, RunError
from dsample_cli.reports.model_card import hub_card, onnx_card
from dsample_cli.runs.files import new_folder, read_json, write_json, write_text
from dsample_cli.runs.run import Run
from dsample_cli.workflows.evaluate import completed_manifest
from dsample_cli.workflows.hub import check_hub_access, push_folder
from dsample_cli.workflows.model import has_head_beside, is_kept_beside
from dsample_cli.workflows.onnx_engine import (
    Agreement,
    Int8Loss,
    open_graph,
    write_checked,
    write_int8,
)

TRANSFORMERS, ONNX = "transformers", "onnx"
FORMATS = (TRANSFORMERS, ONNX)
_WITHOUT_ONNX = "Export it as it is: leave --format onnx out."

FACTS_FILE, ONNX_FILE, CARD_FILE = "dsample.json", "model.onnx", "README.md"
_SCHEMA = 1
_WEIGHTS = "model.safetensors"
_NEEDED = ("config.json", _WEIGHTS)
# What the card of an ONNX model says of its logits.
_COMPARED = "they were compared with the run's when it was written."
# Of config.json and tokenizer_config.json: where this machine had them from.
_OF_THIS_MACHINE = ("_name_or_path", "name_or_path", "is_local", "local_files_only")


@dataclass(frozen=True)
class Target:
    """Where an export goes.

    Attributes:
        folder: A new or empty one, or None to upload alone.
        is_forced: Whether an earlier export in it is replaced.
        repo: Model on the hub; None for no upload.
        is_public: Whether anybody may read it there.
    """

    folder: Path | None
    is_forced: bool = False
    repo: str | None = None
    is_public: bool = False


@dataclass(frozen=True)
class ExportResult:
    """What was exported.

    Attributes:
        run: Run id.
        folder: Where it is; None when it was uploaded alone.
        format: "transformers" or "onnx".
        files: Name -> bytes.
        agreement: Of ONNX, before it is made int8.
        pushed: Address on the hub.
        int8: What int8 costs; None when it is not wanted.
    """

    run: str
    folder: Path | None
    format: str
    files: Mapping[str, int]
    agreement: Agreement | None
    pushed: str | None
    int8: Int8Loss | None = None

    @property
    def bytes(self) -> int:
        """Of all files."""
        return sum(self.files.values())

    def to_json(self) -> dict[str, Any]:
        """The public JSON object of `dsample export --json`."""
        int8 = {} if self.int8 is None else {"int8": self.int8.to_json()}
        return {
            "run": self.run,
            "path": None if self.folder is None else str(self.folder.absolute()),
            "format": self.format,
            "files": list(self.files),
            "bytes": self.bytes,
            "largest_difference": self.agreement and self.agreement.largest_difference,
            "pushed": self.pushed,
            **int8,
        }


def export(
    run: Run,
    target: Target,
    listener: Listener,
    format: str,
    is_int8: bool = False,
    trust_remote_code: bool = False,
) -> ExportResult:
    """Write a run's model, tokenizer, card and facts to a folder, and upload it where asked.

    Args:
        run: A completed run.
        target: Where to.
        listener: Hears of progress.
        format: "transformers" or "onnx".
        is_int8: Whether the weights of the ONNX model become int8.
        trust_remote_code: Whether Python code that was stored with the model is run, for ONNX.

    Raises:
        DsampleError: If the run, the folder or the hub cannot be used, or if the ONNX model does
            not give what the run does. Nothing is left behind then, but for what an upload that
            fails was to upload.
    """
    if format not in FORMATS:
        raise ConfigError(f"Unknown --format '{format}'.", did_you_mean(format, FORMATS))
    manifest = completed_manifest(run)
    _require_files(run, manifest)
    if format == ONNX:
        from dsample_cli.training.onnx_export import require_onnx

        require_onnx()
    if target.folder is not None:
        _replaceable(target.folder, target.is_forced)  # told before the work, not after
    if target.repo is not None:
        check_hub_access(target.repo)

    def write(folder: Path) -> tuple[Agreement | None, Int8Loss | None]:
        options = (target.repo, format, is_int8, listener, trust_remote_code)
        return _write(run, manifest, folder, *options)

    pushed = None
    with ExitStack() as stack:
        if target.folder is None:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
            found = write(folder)
        else:
            folder = target.folder
            replaced = _replaceable(folder, target.is_forced)
            with new_folder(folder, replaced) as hidden:
                found = write(hidden)
        files = {file.name: file.stat().st_size for file in sorted(folder.iterdir())}
        if target.repo is not None:
            listener.phase("uploading")
            message = f"Upload run {run.id} of dsample {__version__}"
            try:
                pushed = push_folder(folder, target.repo, target.is_public, message)
            except RunError as error:
                written = "" if target.folder is None else f" The export is in {folder}."
                raise RunError(error.message + written, error.hint) from error
    agreement, int8 = found
    return ExportResult(run.id, target.folder, format, files, agreement, pushed, int8)


def _require_files(run: Run, manifest: Mapping[str, Any]) -> None:
    needed = [run.model_dir / name for name in _NEEDED]
    if has_head_beside(dict(manifest)) or is_kept_beside(dict(manifest)):
        needed.append(run.head_file)
    for file in needed:
        if not file.is_file():
            raise RunError(
                f"{file} is missing, so run {run.id} cannot be exported.",
                f"Make the run again with: dsample train --config {run.config_file}",
            )


def _replaceable(folder: Path, is_forced: bool) -> Sequence[str]:
    """Names of the files of an earlier export in a folder that may be replaced.

    Raises:
        ConfigError: If it is a file, or holds anything else.
    """
    another = "Choose another --to."
    if not folder.exists():
        return ()
    if not folder.is_dir():
        raise ConfigError(f"{folder} is a file, not a folder.", another)
    present = {entry.name for entry in folder.iterdir()}
    if not present:
        return ()
    if not is_forced:
        hint = "Choose another --to, or replace an earlier export with --force."
        raise ConfigError(f"{folder} is not empty.", hint)
    if FACTS_FILE not in present:
        raise ConfigError(
            f"{folder} holds no earlier export, which is all that --force replaces.", another
        )
    facts = read_json(folder / FACTS_FILE)
    earlier = {FACTS_FILE, *(facts.get("files", ()) if isinstance(facts, dict) else ())}
    if foreign := sorted(present - earlier):
        more = f" and {len(foreign) - 3} more" if len(foreign) > 3 else ""
        raise ConfigError(
            f"{folder} also holds what no export wrote: {', '.join(foreign[:3])}{more}.",
            f"Move it away, or: {another}",
        )
    return sorted(present)


def _write(
    run: Run,
    manifest: dict[str, Any],
    folder: Path,
    repo: str | None,
    format: str,
    is_int8: bool,
    listener: Listener,
    trust_remote_code: bool,
) -> tuple[Agreement | None, Int8Loss | None]:
    is_onnx = format == ONNX
    for file in sorted(run.model_dir.iterdir()):
        if file.is_file() and not (is_onnx and file.name == _WEIGHTS):
            shutil.copyfile(file, folder / file.name)
    for name in ("config.json", "tokenizer_config.json"):
        if (folder / name).is_file():
            entries = read_json(run.model_dir / name)
            if not isinstance(entries, dict):
                raise RunError(
                    f"{run.model_dir / name} is damaged: it is no JSON object.",
                    f"Train the run again: dsample train --config {run.config_file}",
                )
            own = {key: value for key, value in entries.items() if key not in _OF_THIS_MACHINE}
            write_json(folder / name, own)
    agreement, int8 = None, None
    if is_onnx:
        agreement, int8 = _write_onnx(run, manifest, folder, is_int8, listener, trust_remote_code)
    if run.head_file.is_file() and not is_onnx:
        shutil.copyfile(run.head_file, folder / run.head_file.name)
    _write_card(folder, repo, manifest, is_onnx, int8, listener)
    if manifest["config"]["model"] == "tiny":
        listener.note("tokenizer.json holds words of the training texts: tiny made it of them.")
    facts = _facts(run, manifest, format)
    if int8 is not None:
        # Where the rows are is known to this machine alone.
        facts["int8"] = {k: v for k, v in int8.to_json().items() if k != "reason"}
    write_json(folder / FACTS_FILE, facts | {"files": sorted(f.name for f in folder.iterdir())})
    return agreement, int8


def _write_onnx(
    run: Run,
    manifest: dict[str, Any],
    folder: Path,
    is_int8: bool,
    listener: Listener,
    trust_remote_code: bool,
) -> tuple[Agreement, Int8Loss | None]:
    """Write the ONNX model, held to the run's logits, and in int8 if that is wanted.

    Raises:
        RunError: If the logits differ.
    """
    file, rest = folder / ONNX_FILE, (listener, _WITHOUT_ONNX, trust_remote_code)
    if not is_int8:
        return write_checked(run, manifest, file, *rest), None
    with tempfile.TemporaryDirectory() as other:
        source = Path(other) / ONNX_FILE
        agreement = write_checked(run, manifest, source, *rest)
        model = open_graph(run, manifest, source, trust_remote_code)
        return agreement, write_int8(run, manifest, source, file, model, listener)


def _write_card(
    folder: Path,
    repo: str | None,
    manifest: dict[str, Any],
    is_onnx: bool,
    int8: Int8Loss | None,
    listener: Listener,
) -> None:
    file = folder / CARD_FILE
    if not file.is_file():
        listener.warn("The run has no model card, so the export has none.")
        return
    card = file.read_text(encoding="utf-8")
    if is_onnx:
        card = onnx_card(card, manifest["config"]["max-length"], len(manifest["text_columns"]))
    if int8 is not None:
        card = card.replace(_COMPARED, _quantised(int8), 1)
    if repo is not None:
        card = hub_card(card, repo)
    write_text(file, card)


def _quantised(int8: Int8Loss) -> str:
    measured = "What that costs was not measured." if int8.reason is not None else str(int8)
    return (
        "they were compared with the run's before the weights were quantised to int8 (dynamic "
        f"quantisation of ONNX Runtime). {measured}"
    )


def _facts(run: Run, manifest: dict[str, Any], format: str) -> dict[str, Any]:
    """What dsample.json holds: nothing of the data but labels and counts, and no path."""
    correction, names = manifest.get("correction") or {}, manifest["labels"]
    return {
        "schema": _SCHEMA,
        "dsample": __version__,
        "run": run.id,
        "format": format,
        "base_model": manifest.get("base_model"),
        "labels": names,
        "train_counts": dict(zip(names, manifest["train_counts"], strict=True)),
        "training_prior": correction.get("carried_prior"),
        "prior": manifest.get("prior"),
        "correction": correction or None,
        "head": manifest.get("head"),
        "text_columns": len(manifest["text_columns"]),
        "max_length": manifest["config"]["max-length"],
        "truncation_side": manifest["config"]["truncation-side"],
    }
