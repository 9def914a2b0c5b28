"""What a simple model makes of a file or of a run's rows: a floor, and doubts about labels."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from time import perf_counter
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from dsample_cli.core.progress import Listener
from dsample_cli.data.folds import stratified_folds
from dsample_cli.data.groups import normalized_groups
from dsample_cli.data.label_doubts import LabelDoubts
from dsample_cli.data.sources import DataSource
from dsample_cli.data.subset import BETWEEN_TEXTS, KEPT_ROWS, read_texts, stratified_subset
from dsample_cli.runs.workspace import RememberedBaseline, Workspace
from dsample_cli.workflows.datasets import Datasets, Part

if TYPE_CHECKING:  # it loads pandas, for which training need not wait
    from dsample_cli.data.facts import FileFacts

FOLDS = 5
FEWEST_ROWS = 10
MOST_CLASSES = 1_000
# What keeps it in seconds: rows, characters of a text, of all texts, and rows times classes.
MOST_ROWS = 20_000
MOST_TEXT_CHARACTERS = 2_000
MOST_CHARACTERS = 4_000_000
MOST_CELLS = 2_000_000
# A label is doubted where another one is likelier by so much.
LEAST_MARGIN = 0.8


@dataclass(frozen=True)
class Baseline:
    """How TF-IDF and logistic regression fare, cross-validated.

    Attributes:
        folds: K.
        rows: Rows that were predicted, each once, by a model fitted without its fold.
        majority: Figures of predicting the commonest class.
        plain: Figures of the model fitted to the rows as they are, over all rows together.
        balanced: Those of the model that weighs each class alike.
        seconds: What it took.
    """

    folds: int
    rows: int
    majority: Mapping[str, float]
    plain: Mapping[str, float]
    balanced: Mapping[str, float]
    seconds: float

    @property
    def better(self) -> str:
        """The model with the higher macro-F1."""
        return "balanced" if self.balanced["macro_f1"] > self.plain["macro_f1"] else "plain"


@dataclass(frozen=True)
class CrossCheck:
    """What one cross-validation tells; None is what was not asked for or cannot be told."""

    baseline: Baseline | None = None
    doubts: LabelDoubts | None = None


def cross_check(
    source: DataSource,
    facts: "FileFacts",
    wants_baseline: bool,
    wants_doubts: bool,
    listener: Listener,
) -> CrossCheck:
    """Cross-validate the simple model on a file.

    The folds are stratified, and rows with the same normalised text are in one fold: a copy in the
    training rows would flatter the figures, and defend its own wrong label.

    Args:
        source: The file, which is read again.
        facts: What is known of it.
        wants_baseline: Whether to measure both models.
        wants_doubts: Whether to look for labels that the plain one contradicts. Its thresholds are
            per class, so that it needs no balance.
        listener: Hears of the rows that were drawn, and why it cannot be done.
    """
    from dsample_cli.evaluation.baseline import (
        MODELS,
        PLAIN,
        cross_validate,
        figures,
        majority_figures,
    )

    n_classes = len(facts.names)
    usable = np.flatnonzero(facts.codes >= 0)
    if reason := _impossible(len(usable), n_classes):
        listener.warn(f"No cross-validation of TF-IDF and logistic regression: {reason}.")
        return CrossCheck()
    began = perf_counter()
    listener.phase("cross-validating TF-IDF and logistic regression")
    rows = usable[stratified_subset(facts.codes[usable], n_classes, _most_rows(facts))]
    if len(rows) < len(usable):
        listener.note(
            f"TF-IDF and logistic regression are cross-validated on {len(rows):,} of "
            f"{len(usable):,} usable rows: of each class {KEPT_ROWS}, where it has them, and the "
            "same share of the rest."
        )
    texts = read_texts(source, facts.text_columns, rows, MOST_TEXT_CHARACTERS)
    codes = facts.codes[rows].astype(np.int64)
    groups, _ = normalized_groups(pa.array(texts, pa.string()))
    n_groups = int(groups.max()) + 1
    if n_groups < 2:
        listener.warn(
            "No cross-validation of TF-IDF and logistic regression: the texts are all the same."
        )
        return CrossCheck()
    n_folds = min(FOLDS, n_groups)
    folds = stratified_folds(codes, n_classes, n_folds, groups=groups)
    models = MODELS if wants_baseline else (PLAIN,)
    probabilities = cross_validate(texts, codes, n_classes, folds, models)
    baseline = doubts = None
    if wants_baseline:
        of_models = {
            model: figures(codes, probs.argmax(axis=1), n_classes)
            for model, probs in probabilities.items()
        }
        baseline = Baseline(
            n_folds,
            len(rows),
            majority_figures(codes, n_classes),
            **of_models,
            seconds=round(perf_counter() - began, 2),
        )
    if wants_doubts:
        doubts = _find_doubts(probabilities[PLAIN], codes, rows)
    return CrossCheck(baseline, doubts)


def remember(workspace: Workspace, facts: "FileFacts", baseline: Baseline) -> None:
    """Keep a file's baseline in the workspace, for the runs that will be trained on it."""
    workspace.remember_baseline(
        RememberedBaseline(
            facts.sha256,
            facts.text_columns,
            facts.label_column,
            baseline.better,
            getattr(baseline, baseline.better)["macro_f1"],
        )
    )


def asked_baseline(workspace: Workspace, data: Datasets) -> dict[str, Any] | None:
    """`baseline` of a new run's run.json: the model that did better when the file was analysed.

    Returns:
        None where `analyze --baseline` has not seen the file with these columns.
    """
    found = workspace.find_baseline(
        data.parts["train"].sha256, data.text_columns, data.label_column
    )
    return None if found is None else {"model": found.model}


def measure_baseline(model: str, data: Datasets) -> dict[str, Any] | None:
    """Fit the simple model on a run's training rows and score it on its held-out rows.

    Args:
        model: "plain" or "balanced".
        data: The run's splits.

    Returns:
        `baseline` of run.json: `model`, `fitted_rows` of `train_rows`, and the figures of each
        held-out split; None where there are too many classes, or nothing to score.

    Raises:
        MemoryError: If there is too little memory.
    """
    from dsample_cli.evaluation.baseline import figures, fit_and_predict

    train, n_classes = data.parts["train"], len(data.label_names)
    held_out = {name: part for name, part in data.parts.items() if name != "train"}
    if not held_out or n_classes > MOST_CLASSES:
        return None
    texts = _joined(train)
    most = _affordable(n_classes, sum(map(len, texts)) / max(len(texts), 1))
    chosen = stratified_subset(train.codes, n_classes, most)
    predicted = fit_and_predict(
        [texts[place] for place in chosen.tolist()],
        train.codes[chosen],
        n_classes,
        {name: _joined(part) for name, part in held_out.items()},
        model,
    )
    scores = {
        name: figures(part.codes, predicted[name], n_classes) for name, part in held_out.items()
    }
    return {
        "model": model,
        "fitted_rows": len(chosen),
        "train_rows": len(train.rows),
        **scores,
    }


def _impossible(n_rows: int, n_classes: int) -> str | None:
    if n_classes < 2:
        return "there is only one class"
    if n_classes > MOST_CLASSES:
        return f"{n_classes:,} classes are more than {MOST_CLASSES:,}"
    if n_rows < FEWEST_ROWS:
        return f"{n_rows} usable rows are fewer than {FEWEST_ROWS}"
    return None


def _most_rows(facts: "FileFacts") -> int:
    lengths = np.sum([_lengths(text) for text in facts.sample.texts], axis=0, dtype=np.float64)
    return _affordable(len(facts.names), float(lengths.mean()))


def _lengths(texts: pa.Array) -> NDArray[np.int64]:
    return np.minimum(np.asarray(pc.fill_null(pc.utf8_length(texts), 0)), MOST_TEXT_CHARACTERS)


def _affordable(n_classes: int, mean_characters: float) -> int:
    """Rows that can be gone through in seconds."""
    of_texts = int(MOST_CHARACTERS / max(mean_characters, 1.0))
    return min(MOST_ROWS, of_texts, MOST_CELLS // n_classes)


def _joined(part: Part) -> list[str]:
    """One text a row, pairs joined, cut as `data.subset.joined_texts` cuts."""
    cut: Sequence[Sequence[str]] = [[t[:MOST_TEXT_CHARACTERS] for t in c] for c in part.texts]
    return list(map(BETWEEN_TEXTS.join, zip(*cut, strict=True)))


def _find_doubts(
    probabilities: NDArray[np.float32], codes: NDArray[np.int64], rows: NDArray[np.int64]
) -> LabelDoubts:
    from dsample_cli.evaluation.label_issues import find_label_issues

    found = find_label_issues(probabilities, codes, LEAST_MARGIN)
    accuracy = float((probabilities.argmax(axis=1) == codes).mean())
    return LabelDoubts(rows[found.places], found.suggested, found.margins, len(rows), accuracy)
