"""Which columns hold the text and the label."""

from collections.abc import Sequence
from difflib import get_close_matches

from dsample_cli.errors import DataError

# Best first: where a file has several of these, the first one is taken.
TEXT_NAMES = (
    "text", "texts", "sentence", "content", "message", "body", "comment", "comments", "review",
    "reviewtext", "question", "query", "utterance", "document", "post", "tweet", "abstract",
    "description", "article", "email", "sms", "input", "prompt", "headline", "title", "data",
)  # fmt: skip
LABEL_NAMES = (
    "label", "labels", "class", "category", "target", "intent", "sentiment", "y", "topic", "tag",
    "labelname", "labeltext", "classlabel", "classname", "emotion", "genre", "gold", "goldlabel",
    "answer", "output", "stars", "rating",
)  # fmt: skip
PAIR_NAMES = (
    ("sentence1", "sentence2"), ("text1", "text2"), ("texta", "textb"), ("question1", "question2"),
    ("premise", "hypothesis"), ("question", "answer"), ("query", "document"),
)  # fmt: skip
LISTED_COLUMNS = 30
LISTED_CHARACTERS = 60


def resolve_columns(
    names: Sequence[str],
    text_columns: Sequence[str] = (),
    label_column: str | None = None,
    need_labels: bool = True,
    where: str = "The data",
) -> tuple[tuple[str, ...], str | None, tuple[str, ...]]:
    """Find the text columns and the label column.

    What the user named is taken. Otherwise it is `text` and `label`, else the best known name
    (which a note tells); of exactly two columns, one settles the other.

    Args:
        names: All columns of the file.
        text_columns: The text columns that the user named; two for sentence pairs.
        label_column: The label column that the user named.
        need_labels: Whether a label column must be found. Without, only a named one is returned.
        where: What messages call the data, such as the file's name.

    Returns:
        Text columns, label column, and a note for each column that was guessed.

    Raises:
        DataError: If a named column does not exist, a column cannot be guessed, or text and label
            are the same column.

    Examples:
        >>> resolve_columns(["id", "Sentence", "label"])[2]
        ("text column: 'Sentence' (guessed; set it with --text-column)",)
    """
    for named in (*text_columns, *([label_column] if label_column is not None else [])):
        require_column(names, named, where)
    _check_distinct(text_columns, label_column)

    texts = tuple(text_columns)
    label = label_column
    likely_label = label or _best_name(_others(names, texts), LABEL_NAMES)
    if not texts:
        texts = _guess_texts(_others(names, (likely_label,)), names, where)
    if need_labels and label is None:
        rest = _others(names, texts)
        label = likely_label or (rest[0] if len(rest) == 1 and len(names) == 2 else None)
        if label is None:
            raise _cannot_guess("label", names, where)
    return texts, label, _notes(texts if not text_columns else (), label, label_column)


def require_column(names: Sequence[str], column: str, where: str = "The data") -> None:
    """Raise a DataError unless there is such a column.

    Examples:
        >>> require_column(["text", "label"], "lable")
        Traceback (most recent call last):
        dsample_cli.errors.DataError: The data has no column 'lable'.
    """
    if column not in names:
        near = get_close_matches(column, names, n=1) or [
            name for name in names if name.lower() == column.lower()
        ]
        meant = f"Did you mean '{near[0]}'? " if near else ""
        raise DataError(f"{where} has no column '{column}'.", meant + list_columns(names))


def list_columns(names: Sequence[str]) -> str:
    """List the columns in one sentence, cut where there are very many.

    Examples:
        >>> list_columns(["text", "label"])
        "Columns: 'text', 'label'."
    """
    shown = ", ".join(f"'{shortened(name)}'" for name in names[:LISTED_COLUMNS])
    more = len(names) - LISTED_COLUMNS
    return f"Columns: {shown}{f' and {more} more' if more > 0 else ''}."


def _guess_texts(candidates: list[str], names: Sequence[str], where: str) -> tuple[str, ...]:
    best = _best_name(candidates, TEXT_NAMES)
    pair = _likely_pair(candidates)
    if pair and (best is None or best in pair):
        raise DataError(
            f"{where} may hold sentence pairs; the text column cannot be guessed.",
            f"Name both with --text-column '{pair[0]}' --text-column '{pair[1]}', or just one.",
        )
    if best is None and len(candidates) == 1 and len(names) <= 2:
        best = candidates[0]
    if best is None:
        raise _cannot_guess("text", names, where)
    return (best,)


def _best_name(names: Sequence[str], known: Sequence[str]) -> str | None:
    """The column whose name comes first in `known`; None when two columns tie for it."""
    exact = [name for name in names if name == known[0]]
    if exact:
        return exact[0]
    for word in known:
        matches = [name for name in names if _plain(name) == word]
        if matches:
            return matches[0] if len(matches) == 1 else None
    return None


def _likely_pair(names: Sequence[str]) -> tuple[str, str] | None:
    columns = {_plain(name): name for name in names}
    for first, second in PAIR_NAMES:
        if first in columns and second in columns:
            return columns[first], columns[second]
    return None


def _notes(
    guessed_texts: Sequence[str], label: str | None, named_label: str | None
) -> tuple[str, ...]:
    told = []
    if guessed_texts and guessed_texts[0] != TEXT_NAMES[0]:
        told.append(f"text column: '{guessed_texts[0]}' (guessed; set it with --text-column)")
    if label is not None and named_label is None and label != LABEL_NAMES[0]:
        told.append(f"label column: '{label}' (guessed; set it with --label-column)")
    return tuple(told)


def _check_distinct(text_columns: Sequence[str], label_column: str | None) -> None:
    if label_column is not None and label_column in text_columns:
        raise DataError(
            f"'{label_column}' is both the text column and the label column.",
            "Name two different columns with --text-column and --label-column.",
        )
    if len(set(text_columns)) < len(text_columns):
        raise DataError(
            f"The text column '{text_columns[0]}' is named twice.",
            "For sentence pairs, name two different columns with --text-column.",
        )
    if len(text_columns) > 2:
        raise DataError(
            f"{len(text_columns)} text columns are named; a model reads one text or a pair.",
            "Give --text-column once or twice.",
        )


def _cannot_guess(kind: str, names: Sequence[str], where: str) -> DataError:
    return DataError(
        f"{where}: the {kind} column cannot be guessed.",
        f"Name it with --{kind}-column NAME. {list_columns(names)}",
    )


def _others(names: Sequence[str], taken: Sequence[str | None]) -> list[str]:
    return [name for name in names if name not in taken]


def _plain(name: str) -> str:
    return name.strip().lower().replace("_", "").replace("-", "").replace(" ", "")


def shortened(name: str) -> str:
    """A column name, cut where it is very long."""
    return name if len(name) <= LISTED_CHARACTERS else name[: LISTED_CHARACTERS - 3] + "..."
