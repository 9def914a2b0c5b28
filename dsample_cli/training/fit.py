"""Train one model under a schedule: the only call that the train workflow makes into this room."""

import gc
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.torch import load_model
from transformers import set_seed

from dsample_cli.core.config import AUTO, TrainConfig
from dsample_cli.core.epochs import epoch_lengths
from dsample_cli.core.heads import CosineHead
from dsample_cli.core.imbalance import frequency_groups
from dsample_cli.core.progress import Listener
from dsample_cli.core.scores import Score
from dsample_cli.core.selection import replay
from dsample_cli.errors import RunError
from dsample_cli.training import distributed
from dsample_cli.training.attention import use_short_attention
from dsample_cli.training.checkpoints import Checkpoint, best_file, newest_checkpoint
from dsample_cli.training.compiling import require_compiler
from dsample_cli.training.contrastive import ContrastiveTerm, TwoViewCollator
from dsample_cli.training.cosine import (
    mean_feature_length,
    put_cosine_head,
    require_linear_head,
    take_cosine_head,
)
from dsample_cli.training.devices import Device
from dsample_cli.training.dropout import use_quick_dropout
from dsample_cli.training.encoders import (
    checkpoint_activations,
    load_for_training,
    longest_input,
)
from dsample_cli.training.freezing import freeze
from dsample_cli.training.inference import predict_logits
from dsample_cli.training.interrupts import deferred_interrupts
from dsample_cli.training.lora import LORA_LR_FACTOR, add_lora, merge_lora
from dsample_cli.training.memory import ExampleMemory
from dsample_cli.training.objective import Objective
from dsample_cli.training.optim import auto_head_lr_factor, auto_lr, build_optimizer
from dsample_cli.training.recorder import EpochRecorder, Hooks, Midway, Record
from dsample_cli.training.sampler import EpochSampler
from dsample_cli.training.tokenization import Collator, TokenizedTexts, make_collator, tokenize
from dsample_cli.training.trackers import Tracker, make_trackers
from dsample_cli.training.trainer import Course, make_trainer
from dsample_cli.training.vocabulary import compact_embedding, expand_embedding, used_tokens

Columns = Sequence[Sequence[str]]
_OBJECTS_BETWEEN_COLLECTIONS = 20_000


@dataclass(frozen=True)
class FitResult:
    """A trained model and how it came about.

    Attributes:
        model: With the weights of the best judged epoch (the last when none was judged).
        tokenizer: Its tokenizer.
        records: Lines of epochs.jsonl.
        best_epoch: Whose weights the model has.
        was_stopped: The user asked to stop; the model is not finished.
        head: The cosine head that was trained, which a plain linear layer of the model stands for;
            None where the last layer is the head.
    """

    model: Any
    tokenizer: Any
    records: list[Record]
    best_epoch: int
    was_stopped: bool
    head: CosineHead | None = None


@dataclass(frozen=True)
class Fitting:
    """A loaded model with tokenized data, ready to train.

    Attributes:
        config: With `lr` and `max_length` resolved to numbers.
    """

    config: TrainConfig
    model: Any
    tokenizer: Any
    device: Device
    label_names: tuple[str, ...]
    train: TokenizedTexts
    train_codes: NDArray[np.integer]
    validation: TokenizedTexts | None

    @property
    def cut_share(self) -> float:
        """Share of training texts that fill max_length and may have lost their end."""
        return float((self.train.lengths >= self.train.max_length).mean())


def prepare(
    config: TrainConfig,
    label_names: tuple[str, ...],
    texts: Columns,
    codes: NDArray[np.integer],
    validation_texts: Columns | None,
    device: Device,
) -> Fitting:
    """Load the model and tokenize; settles what the config leaves to the model."""
    if config.compile:
        require_compiler(device.type)
    set_seed(config.seed)
    model, tokenizer = load_for_training(
        config.model,
        label_names,
        texts,
        config.tokenizer,
        config.dropout,
        config.truncation_side,
        config.trust_remote_code,
    )
    if device.type == "cpu":
        use_quick_dropout(model)
        use_short_attention(model)
    freeze(model, config.freeze_layers, config.freeze_embeddings)
    if config.lora:
        add_lora(model, config.lora, config.planned_lora_alpha)
    config = replace(
        config,
        max_length=longest_input(model, tokenizer, config.max_length),
    )
    config = _with_learning_rates(config, model)
    train = tokenize(tokenizer, texts, config.max_length)
    if config.has_cosine_head:
        put_cosine_head(model, config.ldam_scale)
        require_linear_head(model, make_collator(tokenizer, train))
    validation = (
        None
        if validation_texts is None
        else tokenize(tokenizer, validation_texts, config.max_length)
    )
    _compact(model, tokenizer, train, validation)
    return Fitting(config, model, tokenizer, device, label_names, train, codes, validation)


def _with_learning_rates(config: TrainConfig, model: Any) -> TrainConfig:
    """The config with numbers in place of "auto"; under adapters the head learns as ever."""
    lr, factor = auto_lr(model), auto_head_lr_factor(config.model)
    if config.lora:
        lr, factor = LORA_LR_FACTOR * lr, factor / LORA_LR_FACTOR
    return replace(
        config,
        lr=lr if config.lr == AUTO else config.lr,
        head_lr_factor=factor if config.head_lr_factor == AUTO else config.head_lr_factor,
    )


def _compact(
    model: Any, tokenizer: Any, train: TokenizedTexts, validation: TokenizedTexts | None
) -> None:
    texts = [train] if validation is None else [train, validation]
    ids = [tokens.arrays["input_ids"] for tokens in texts]
    special = np.array(tokenizer.all_special_ids)
    size = max(int(i.max(initial=0)) for i in [*ids, special]) + 1
    compact_embedding(model, used_tokens([*ids, special], size))


def fit(
    fitting: Fitting,
    score: Score,
    checkpoints_dir: Path,
    measure: Callable[[NDArray[np.floating]], dict[str, Any]],
    save_record: Callable[[Record], None],
    save_draws: Callable[[int, NDArray[np.integer]], None] | None,
    listener: Listener,
    row_numbers: NDArray[np.integer] | None = None,
    on_restart: Callable[[list[Record]], None] = lambda known: None,
    logs_dir: Path | None = None,
) -> FitResult:
    """Train under the config's schedule, from the newest whole checkpoint when there is one.

    Args:
        fitting: Model and data.
        score: What is drawn by.
        checkpoints_dir: Checkpoints and the best weights; kept when training is cut short.
        measure: Validation logits -> figures of the epoch's record.
        save_record: Stores a finished epoch.
        save_draws: Stores the training rows that an epoch draws, in order; None for no one.
        listener: Hears of progress.
        row_numbers: Of the training rows in their file, shape [N], for what is said of them; None
            where they are the whole file.
        on_restart: Told, before training, the epochs that the checkpoint knows; all others will be
            trained and stored.
        logs_dir: Where trackers leave files; needed if the config names any.

    Raises:
        RunError: If a loss or the weights become nan or infinite, or a file cannot be written.
    """
    trackers = []
    if logs_dir is not None:
        trackers = make_trackers(fitting.config.report_to, logs_dir, listener)
    with deferred_interrupts(listener) as stop_requested:
        hooks = Hooks(
            _validator(fitting, measure),
            save_record,
            save_draws,
            stop_requested,
            listener,
            np.arange(len(fitting.train_codes)) if row_numbers is None else row_numbers,
        )
        recorder = _train(fitting, score, checkpoints_dir, hooks, on_restart, trackers)
    best_epoch = _restore_best(fitting.model, recorder)
    merge_lora(fitting.model)
    expand_embedding(fitting.model)
    head = None
    if fitting.config.has_cosine_head and not recorder.was_stopped:
        collator = make_collator(fitting.tokenizer, fitting.train)
        length = mean_feature_length(fitting.model, collator, fitting.device)
        head = take_cosine_head(fitting.model, length)
    return FitResult(
        fitting.model, fitting.tokenizer, recorder.records, best_epoch, recorder.was_stopped, head
    )


def _train(
    fitting: Fitting,
    score: Score,
    checkpoints_dir: Path,
    hooks: Hooks,
    on_restart: Callable[[list[Record]], None],
    trackers: Sequence[Tracker],
) -> EpochRecorder:
    config, model, codes = fitting.config, fitting.model, fitting.train_codes
    model.to(fitting.device.type)
    if config.gradient_checkpointing:
        checkpoint_activations(model)
    schedule = config.make_schedule()
    checkpoint = _find_checkpoint(checkpoints_dir, hooks.listener)
    resumed = Midway(**checkpoint.recorder) if checkpoint else Midway()
    records = list(checkpoint.records) if checkpoint else []
    if checkpoint:
        _check_processes(resumed)
    on_restart(records)
    memory = ExampleMemory(codes, score, config.window)
    if checkpoint:
        with _foreign_content_told(checkpoint, ValueError, KeyError):
            memory.restore(checkpoint.path)
    batch_size = config.batch_size * distributed.size()
    sampler = EpochSampler(
        codes,
        score,
        fitting.train.lengths,
        batch_size,
        config.seed,
        config.order,
        in_pairs=config.contrastive > 0,
        grad_accum=config.grad_accum,
    )
    objective = Objective(
        config.loss,
        torch.from_numpy(codes.astype(np.int64)).to(model.device),
        torch.from_numpy(sampler.counts.astype(np.float32)).to(model.device),
        config.loss_options,
        memory.observe,
        _contrast(config, model),
    )
    recorder = EpochRecorder(
        config,
        schedule,
        sampler,
        objective,
        memory,
        fitting.label_names,
        frequency_groups(sampler.counts, config.group_thresholds),
        checkpoints_dir,
        hooks,
        progress=replay(schedule, records, config.select_on),
        records=records,
        resumed=resumed,
    )
    lengths = epoch_lengths(sampler.counts, score, schedule, config.planned_epochs)
    step_size = batch_size * config.grad_accum
    course = Course(
        sum(-(-length // step_size) for length in lengths),
        len(records),
        resumed.steps * config.grad_accum,
    )
    # `prepare` has replaced every "auto" by a number.
    trainer = make_trainer(
        config,
        model,
        build_optimizer(
            model,
            float(config.lr),
            float(config.head_lr_factor),
            config.weight_decay,
            config.optimizer,
        ),
        sampler,
        course,
        _training_collator(fitting),
        objective,
        fitting.device,
        checkpoints_dir,
        [recorder, *trackers],
    )
    if trackers:
        recorder.report = trainer.log
    with _rare_collections(), _foreign_content_told(checkpoint):
        trainer.train(resume_from_checkpoint=str(checkpoint.path) if checkpoint else None)
    return recorder


@contextmanager
def _foreign_content_told(checkpoint: Checkpoint | None, *kinds: type[Exception]) -> Iterator[None]:
    """Tell of a checkpoint that fits its seal and holds what no training wrote.

    Args:
        checkpoint: That is read; None for none.
        kinds: What else than refused pickles and damaged weights shows it.

    Raises:
        RunError: If it is such a one.
    """
    telling: tuple[type[Exception], ...] = (UnpicklingError, SafetensorError, *kinds)
    try:
        yield
    except telling as error:
        if checkpoint is None:
            raise
        raise RunError(
            f"{checkpoint.path} holds what no training of this tool writes, and is not used.",
            f"Go on from the checkpoint before: delete {checkpoint.path} and resume again.",
        ) from error


def _find_checkpoint(folder: Path, listener: Listener) -> Checkpoint | None:
    """The checkpoint that all processes go on from: what rank 0 finds."""
    if distributed.rank() > 0:
        return distributed.from_main(None)
    passed_over: list[str] = []
    found = newest_checkpoint(folder, passed_over.append)
    for told in passed_over:
        listener.warn(told)
    if found is not None:
        listener.note(f"Going on from {found.path.name}.")
    elif passed_over:
        listener.warn("No checkpoint is whole: the training starts again.")
    return distributed.from_main(found)


@contextmanager
def _rare_collections() -> Iterator[None]:
    """Spare steps Python's search for garbage in the hundred thousands of objects of libraries."""
    thresholds = gc.get_threshold()
    gc.freeze()
    gc.set_threshold(_OBJECTS_BETWEEN_COLLECTIONS, *thresholds[1:])
    try:
        yield
    finally:
        gc.set_threshold(*thresholds)
        gc.unfreeze()


def _contrast(config: TrainConfig, model: Any) -> ContrastiveTerm | None:
    if not config.contrastive:
        return None
    return ContrastiveTerm(
        model, config.contrastive_form, config.contrastive, config.contrastive_temperature
    )


def _training_collator(fitting: Fitting) -> Collator | TwoViewCollator:
    """Batches whose labels are row numbers; see `Objective`."""
    config, codes = fitting.config, fitting.train_codes
    collator = make_collator(fitting.tokenizer, fitting.train, np.arange(len(codes)))
    # The balanced form finds a prototype of the class where there is no other example.
    wants_views = config.contrastive > 0 and config.contrastive_form == "supervised"
    return TwoViewCollator(collator, codes) if wants_views else collator


def _check_processes(resumed: Midway) -> None:
    processes = len(resumed.loss_sums)
    if processes != distributed.size():
        raise RunError(
            f"The run was trained by {processes} processes, so its batches are not those of "
            f"{distributed.size()}.",
            f"Resume it with: torchrun --nproc-per-node {processes} -m dsample_cli train "
            "--resume RUN"
            if processes > 1
            else "Resume it with: dsample train --resume RUN",
        )


def _validator(
    fitting: Fitting, measure: Callable[[NDArray[np.floating]], dict[str, Any]]
) -> Callable[[], dict[str, Any]] | None:
    if fitting.validation is None:
        return None
    collator = make_collator(fitting.tokenizer, fitting.validation)
    n_classes = len(fitting.label_names)

    def validate() -> dict[str, Any]:
        return measure(predict_logits(fitting.model, collator, fitting.device, n_classes))

    return validate


def _restore_best(model: Any, recorder: EpochRecorder) -> int:
    """Load the best judged epoch's weights, unless they are the present ones."""
    best = recorder.progress.selection.best_epoch
    last = len(recorder.records) - 1
    if recorder.was_stopped or best is None or best == last:
        return last if best is None else best
    distributed.wait_for_all()  # until rank 0 has written the file
    # Frozen weights are not in the file.
    weights = best_file(recorder.folder, best)
    load_model(model, str(weights), strict=False, device=str(model.device))
    return best
