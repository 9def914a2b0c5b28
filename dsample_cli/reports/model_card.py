"""The model card: what a saved model says of itself, as Markdown with the hub's YAML front matter.

Names of classes are escaped: as Markdown in the text, as JSON strings in the YAML. No text of the
data is in a card.
"""

import json
import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from dsample_cli.core.imbalance import GROUP_NAMES
from dsample_cli.reports._markup import number_text, share_text
from dsample_cli.reports._metrics import metric_name
from dsample_cli.reports._run_report import ClassRow, CorrectionReport, SplitResult

METRICS = ("macro_f1", "balanced_accuracy", "accuracy", "ece")
# Longer tables are folded up, and beyond the second number cut in the middle.
MANY_CLASSES, MOST_CLASSES = 30, 400
# Of a class: figures of fewer evaluated rows are rough, and fewer training rows little to learn.
FEW_ROWS, FEW_TRAIN_ROWS = 10, 20
MOST_NAMES = 10
# Metric -> its name on the hub.
_HUB_METRICS = (
    ("macro_f1", "f1"),
    ("accuracy", "accuracy"),
    ("balanced_accuracy", "recall"),
    ("ece", "ece"),
)
_LEFT_TO_THE_USER = "# Yours to add: license and language, such as license: apache-2.0"
_LAST_LAYER = "## What is in the last layer"
_ONNX_FILE = 'file = f"{model}/model.onnx"'
_IMPORT_LAST = "from transformers import AutoConfig, AutoTokenizer"
_FOLDER = '"model"  # this folder or its hub id'


@dataclass(frozen=True)
class HeadBeside:
    """A head that no last layer can hold.

    Attributes:
        kind: As typed or as head.safetensors has it.
        formula: Its logits.
        has_stand_in: Whether the saved last layer gives the same labels, before any correction.
    """

    kind: str
    formula: str
    has_stand_in: bool = False


@dataclass(frozen=True)
class ModelCard:
    """Everything on the card.

    Attributes:
        run: Run id.
        version: Of dsample.
        base_model: Hub id of the model that was fine-tuned, None when the hub has it not.
        classes: Every class, in label-id order; without figures when `class_split` is None.
        class_split: Which split the figures of `classes` are of.
        splits: Results of the held-out splits.
        training: Name and value of what describes the training.
        commands: What repeats it, in this order.
        correction: How the logits were corrected.
        head_beside: What gives the logits in place of the saved last layer, if anything does.
        refitted: Name of the head that replaced the last layer, None when training's is in place.
        parent: Run that this one was made of.
        text_columns: Texts of one example: 1, or 2 for pairs.
        max_length: Tokens that are kept of a text.
        dataset: Name of the training file.
    """

    run: str
    version: str
    base_model: str | None
    classes: Sequence[ClassRow]
    class_split: str | None
    splits: Sequence[SplitResult]
    training: Sequence[tuple[str, str]]
    commands: Sequence[str]
    correction: CorrectionReport
    head_beside: HeadBeside | None = None
    refitted: str | None = None
    parent: str | None = None
    text_columns: int = 1
    max_length: int = 128
    dataset: str = "data"

    @property
    def is_whole(self) -> bool:
        """Whether the saved model alone gives the run's predictions."""
        is_corrected = self.correction.method != "none"
        return self.head_beside is None and (self.correction.is_folded or not is_corrected)


def render_model_card(card: ModelCard) -> str:
    """Return the card as Markdown."""
    parts = [
        _front_matter(card),
        f"# Text classifier of {len(card.classes):,} classes",
        f"Trained by dsample {card.version}, a tool for imbalanced data, in run `{card.run}`.",
        "" if card.is_whole else _warning(card),
        _classes(card),
        _training(card),
        _figures(card),
        _prior(card),
        _last_layer(card),
        _usage(card),
        _limits(card),
    ]
    return "\n\n".join(filter(None, parts)) + "\n"


def hub_card(card: str, repo: str) -> str:
    """The card of a model that is on the hub: its usage names the repository."""
    card = card.replace(f" = {_FOLDER}\n", f" = {json.dumps(repo)}\n")
    if _ONNX_FILE in card:
        card = card.replace(_ONNX_FILE, 'file = hf_hub_download(model, "model.onnx")')
        card = card.replace(
            _IMPORT_LAST, f"from huggingface_hub import hf_hub_download\n{_IMPORT_LAST}"
        )
    return card


def onnx_card(card: str, max_length: int, text_columns: int = 1) -> str:
    """The card of a run's ONNX model: it holds everything, and is used in another way.

    Args:
        card: That of the run's model.
        max_length: Tokens that are kept of a text.
        text_columns: Texts of one example: 1, or 2 for pairs.
    """
    pair = '["..."]' if text_columns == 1 else '["..."], ["..."]'
    lines = (
        "import numpy as np",
        "import onnxruntime",
        _IMPORT_LAST,
        "",
        f"model = {_FOLDER}",
        "tokenizer = AutoTokenizer.from_pretrained(model)",
        "labels = AutoConfig.from_pretrained(model).id2label",
        _ONNX_FILE,
        "session = onnxruntime.InferenceSession(file)",
        f"options = dict(truncation=True, max_length={max_length}, padding=True)",
        f'batch = tokenizer({pair}, return_tensors="np", **options)',
        "inputs = {i.name: batch[i.name] for i in session.get_inputs()}",
        "(logits,) = session.run(None, inputs)",
        "odds = np.exp(logits - logits.max(axis=1, keepdims=True))",
        "probabilities = odds / odds.sum(axis=1, keepdims=True)",
        "print([labels[i] for i in logits.argmax(axis=1)], probabilities.max(axis=1))",
    )
    usage = (
        "## Usage\n\n`model.onnx` gives the logits of the run, its head and its correction "
        "included, for batches of any size and length; they were compared with the run's when it "
        f"was written.\n\n{_fenced(lines, 'python')}\n\n"
    )
    card = card.replace("library_name: transformers\n", "library_name: onnx\n", 1)
    card = card.replace("\ntags:\n", "\ntags:\n- onnx\n", 1)
    card = re.sub(r"^> \*\*`from_pretrained` alone .*\n\n", "", card, count=1, flags=re.MULTILINE)
    lead = "Of the run's PyTorch model, not of `model.onnx`, in which everything is:"
    card = card.replace(_LAST_LAYER, f"## What it was made of\n\n{lead}", 1)
    return re.sub(
        r"^## Usage\n.*?(?=^## )",
        lambda found: usage,
        card,
        count=1,
        flags=re.MULTILINE | re.DOTALL,
    )


def markdown_text(text: str) -> str:
    """Escape a name for Markdown, cells of tables included.

    Line breaks and other control characters become spaces.

    Examples:
        >>> print(markdown_text("bug_report"), markdown_text("a|b\\n`c` <i>"))
        bug_report a\\|b \\`c\\` \\<i\\>
    """
    shown = "".join(_plain(character) for character in text)
    escaped = re.sub(r"[\\`*\[\]<>|~$&#]|(?<![^\W_])_|_(?![^\W_])", r"\\\g<0>", shown)
    return " ".join(escaped.split())


def _plain(character: str) -> str:
    """The character, unless it breaks lines, turns the reading direction or has no UTF-8 form."""
    kind = unicodedata.category(character)
    if kind == "Cs":
        return "\ufffd"
    is_bidi_control = character in "\u200e\u200f\u202a\u202b\u202c\u202d\u202e" or (
        "\u2066" <= character <= "\u2069"
    )
    return " " if kind in ("Cc", "Zl", "Zp") or is_bidi_control else character


def _front_matter(card: ModelCard) -> str:
    lines = ["library_name: transformers", "pipeline_tag: text-classification"]
    if card.base_model is not None:
        lines.append(f"base_model: {json.dumps(card.base_model)}")  # JSON strings are YAML
    lines += ["tags:", "- dsample", "- imbalanced-classification", _LEFT_TO_THE_USER]
    lines += _model_index(card)
    return "\n".join(["---", *lines, "---"])


def _model_index(card: ModelCard) -> list[str]:
    """The hub's `model-index`: figures of every held-out split, and those of the classes.

    A folder that does not give the run's labels by itself claims none.
    """
    head, is_corrected = card.head_beside, card.correction.method != "none"
    has_labels = card.is_whole or (head is not None and head.has_stand_in and not is_corrected)
    if not has_labels:
        return []
    results, dataset = [], _yaml(card.dataset)
    for split in card.splits:
        classes = card.classes if split.name == card.class_split else ()
        metrics = [
            _metric(kind, metric_name(name), split.metrics.get(name)) for name, kind in _HUB_METRICS
        ]
        metrics += [
            _metric("recall", f"Recall, {group} classes", split.groups.get(group))
            for group in GROUP_NAMES
        ]
        for row in _most_trained(classes):
            # Of a class without rows there is nothing to tell.
            for kind, name, value in (("recall", "Recall", row.recall), ("f1", "F1", row.f1)):
                metrics.append(
                    _metric(kind, f"{name}: {row.label}", value if row.support else None)
                )
        known = [metric for metric in metrics if metric is not None]
        results += [
            "  - task: {type: text-classification, name: Text Classification}",
            f"    dataset: {{name: {dataset}, type: local, split: {_yaml(split.name)}}}",
            "    metrics:",
            *(f"    - {metric}" for metric in known),
        ]
    if not results:
        return []
    return ["model-index:", f"- name: {_yaml(card.run)}", "  results:", *results]


def _most_trained(classes: Sequence[ClassRow]) -> list[ClassRow]:
    order = sorted(classes, key=lambda row: (-(row.train_count or 0), row.label))
    half = MOST_CLASSES // 2
    return order if len(order) <= MOST_CLASSES else [*order[:half], *order[-half:]]


def _metric(kind: str, name: str, value: float | None) -> str | None:
    if value is None:
        return None
    return f"{{type: {kind}, name: {_yaml(name)}, value: {round(value, 4)}}}"


def _yaml(text: str) -> str:
    """A YAML string of any text: JSON, without the characters that YAML refuses.

    Examples:
        >>> print(_yaml("a: \\"b\\"\\n"))
        "a: \\"b\\" "
    """
    shown = "".join("\ufffd" if ord(c) & 0xFFFE == 0xFFFE else _plain(c) for c in text)
    return json.dumps(shown, ensure_ascii=False)


def _warning(card: ModelCard) -> str:
    """What of the run is not in this folder, first of all."""
    head, method = card.head_beside, card.correction.method
    missing = [] if head is None else [f"the head `{head.kind}`"]
    if method != "none":
        missing.append(f"the correction `{method}`")
    verdict = (
        "gives the labels of the run, with nearly its probabilities"
        if head is not None and head.has_stand_in and method == "none"
        else "does not give the figures below"
    )
    return (
        f"> **`from_pretrained` alone {verdict}.** It loads this folder without "
        f"{' and '.join(missing)}, which no last layer can hold and `head.safetensors` has: beside "
        "this folder in the run, in it where it was exported. "
        f"`dsample predict INPUT --run {card.run}` applies everything."
    )


def _figures(card: ModelCard) -> str:
    if not card.splits:
        return "## Figures\n\nThis model was not evaluated: it was trained without held-out rows."
    heads = ["", *(f"{split.name} ({split.rows:,} rows)" for split in card.splits)]
    rows = [
        [metric_name(metric), *(_figure(split, metric) for split in card.splits)]
        for metric in METRICS
    ]
    rows += [
        [f"Recall, {group} classes", *(number_text(s.groups.get(group)) for s in card.splits)]
        for group in GROUP_NAMES
        if any(split.groups.get(group) is not None for split in card.splits)
    ]
    notes = ["In brackets: 95% bootstrap intervals. Of the calibration error, lower is better."]
    if card.correction.method != "none" and any(s.name == "validation" for s in card.splits):
        notes.append(
            "Validation figures are of cross-fitted predictions: each row was corrected by what "
            "was fitted without it."
        )
    return "\n\n".join(["## Figures", _table(heads, rows), " ".join(notes)])


def _figure(split: SplitResult, metric: str) -> str:
    interval = (split.intervals or {}).get(metric)
    ends = "" if interval is None else f" ({interval[0]:.3f} to {interval[1]:.3f})"
    return number_text(split.metrics.get(metric)) + ends


def _classes(card: ModelCard) -> str:
    order = sorted(card.classes, key=lambda row: (-(row.train_count or 0), row.label))
    split = card.class_split
    heads = ["class", "training rows"]
    if split is not None:
        heads += [f"{split} rows", "recall", "F1", "group"]
    rows = [_class_cells(row, split is not None) for row in order]
    if len(rows) > MOST_CLASSES:
        half, left_out = MOST_CLASSES // 2, len(rows) - MOST_CLASSES
        gap = [f"… {left_out:,} more", *[""] * (len(heads) - 1)]
        rows = [*rows[:half], gap, *rows[-half:]]
    table = _table(heads, rows)
    if len(order) > MANY_CLASSES:
        table = f"<details>\n<summary>All {len(order):,} classes</summary>\n\n{table}\n\n</details>"
    return "\n\n".join(["## Classes", _imbalance(card), table])


def _imbalance(card: ModelCard) -> str:
    counts = [row.train_count or 0 for row in card.classes]
    text = f"One of these is the label of every text; {sum(counts):,} rows were trained on."
    if min(counts) > 0 and max(counts) > min(counts):
        text += f" The largest class has {max(counts) / min(counts):.1f} times the smallest's."
    if card.class_split is not None:
        text += f" Recall and F1 are those on the {card.class_split} split."
    return text


def _class_cells(row: ClassRow, has_figures: bool) -> list[str]:
    cells = [markdown_text(row.label), number_text(row.train_count)]
    if has_figures:
        is_known = row.support > 0
        cells += [
            number_text(row.support),
            *(number_text(value if is_known else None) for value in (row.recall, row.f1)),
            row.group,
        ]
    return cells


def _training(card: ModelCard) -> str:
    facts = "\n".join(f"- {name}: {markdown_text(value)}" for name, value in card.training)
    return "\n\n".join(["## Training", facts, "Repeated by:", _fenced(card.commands, "sh")])


def _last_layer(card: ModelCard) -> str:
    correction = card.correction
    is_corrected = correction.method != "none"
    sentences = []
    if card.refitted is not None and card.head_beside is None:
        sentences.append(
            f"The last layer was refitted (`{card.refitted}`) on the features of the frozen "
            "encoder; that of training is in the parent run."
        )
    if card.head_beside is not None:
        head = card.head_beside
        sentences.append(
            f"The run's head is `{head.kind}`, `{head.formula}`, kept in `head.safetensors` beside "
            "this folder."
        )
        sentences.append(
            "The last layer in this folder stands in for it: it gives the same labels, with nearly "
            "the same probabilities."
            if head.has_stand_in
            else "The last layer in this folder is another, that of the training before it: it is "
            "what `from_pretrained` gives."
        )
    sentences.append(_verdict(correction))
    if is_corrected and correction.is_folded:
        sentences.append(
            "It is folded into the last layer (corrected logit = scale · logit + bias, class by "
            "class), so it acts wherever this folder is loaded. A run without it: "
            f"`dsample correct --run {card.run} --method none`."
        )
    elif is_corrected:
        sentences.append(
            "It is not in the last layer, which cannot hold it, but in `head.safetensors`: with "
            "`from_pretrained` it does not act."
        )
    elif card.is_whole:
        sentences.append("Nothing is folded into the last layer.")
    if card.parent is not None:
        sentences.append(f"The parent run is `{card.parent}`.")
    return f"{_LAST_LAYER}\n\n" + " ".join(sentences)


def _verdict(correction: CorrectionReport) -> str:
    gain = correction.gain
    if gain is None:
        return f"{correction.verdict}."
    return (
        f"{correction.verdict} ({metric_name(gain.metric)} {gain.before:.3f} → {gain.after:.3f} on "
        f"validation rows that it was not fitted on, standard error {gain.error:.3f})."
    )


def _prior(card: ModelCard) -> str:
    shares = sorted(card.correction.shares, key=lambda row: -row.served)
    named = [f"{markdown_text(row.label)} {share_text(row.served)}" for row in shares[:MOST_NAMES]]
    more = f" and {len(shares) - MOST_NAMES:,} more" if len(shares) > MOST_NAMES else ""
    is_equal = card.correction.prior == "equal class shares"
    listed = "" if is_equal else f": {', '.join(named)}{more}"
    whose = "The probabilities stand" if card.is_whole else "The run's probabilities stand"
    return (
        "## Class prior\n\n"
        f"{whose} for {card.correction.prior}{listed}. For other shares multiply each probability "
        "by the new share over the old and divide by their sum, which "
        f"`dsample predict INPUT --run {card.run} --target-prior LABEL=SHARE,...` does."
    )


def _usage(card: ModelCard) -> str:
    text = '"..."' if card.text_columns == 1 else '{"text": "...", "text_pair": "..."}'
    lines = (
        "from transformers import pipeline",
        "",
        f"model = {_FOLDER}",
        'classify = pipeline("text-classification", model=model)',
        f"classify({text}, top_k=3, truncation=True, max_length={card.max_length})",
    )
    note = "" if card.is_whole else "What this folder gives alone, see above:\n\n"
    return f"## Usage\n\n{note}{_fenced(lines, 'python')}"


def _limits(card: ModelCard) -> str:
    limits = [
        "It gives one of its classes to every text, also where none fits.",
        "Its figures are those of rows like the ones it learned from: another source, time or "
        "language may do worse.",
        f"Of longer texts it reads {card.max_length} tokens.",
    ]
    learned_little = [row for row in card.classes if (row.train_count or 0) < FEW_TRAIN_ROWS]
    limits.append(_few(learned_little, f"learned from fewer than {FEW_TRAIN_ROWS} rows"))
    if card.class_split is not None:
        split, classes = card.class_split, card.classes
        limits += [
            _few(
                [row for row in classes if 0 < row.support < FEW_ROWS],
                f"judged by fewer than {FEW_ROWS} {split} rows, so that their figures are rough",
            ),
            _few([row for row in classes if row.support == 0], f"without any {split} row"),
            _few(
                [row for row in classes if row.support > 0 and row.recall == 0],
                f"not recognised once among the {split} rows",
            ),
        ]
    return "## Limits\n\n" + "\n".join(f"- {limit}" for limit in limits if limit)


def _few(rows: Sequence[ClassRow], what: str) -> str:
    """Name some classes and what is the matter with them; empty without classes."""
    if not rows:
        return ""
    names = ", ".join(markdown_text(row.label) for row in rows[:MOST_NAMES])
    more = f" and {len(rows) - MOST_NAMES:,} more" if len(rows) > MOST_NAMES else ""
    count = "1 class is" if len(rows) == 1 else f"{len(rows):,} classes are"
    return f"{count} {what}: {names}{more}."


def _table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table whose first column holds names and whose others hold numbers."""
    rule = ["---", *["---:"] * (len(heads) - 1)]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (heads, rule, *rows))


def _fenced(lines: Iterable[str], language: str) -> str:
    """A block of code, whatever backticks are in it."""
    text = "\n".join(lines)
    longest = max(map(len, re.findall("`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}{language}\n{text}\n{fence}"
