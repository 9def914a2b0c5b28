"""What run.json may hold: it may come from a stranger, so its values are checked before use."""

from collections.abc import Callable, Mapping
from functools import cache
from types import UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

from dsample_cli.core.config import TrainConfig

STATUSES = ("completed", "running", "interrupted", "failed")
# What a completed run needs so that its figures can be compared, and so that its model can be used.
OF_A_RESULT = ("config", "data", "labels", "train_counts")
OF_A_MODEL = (*OF_A_RESULT, "text_columns", "label_column")

_LARGEST = 1e300
_LARGEST_WHOLE = 2**63
_LONGEST_TEXT = 100_000
_TRUNCATION_SIDES = ("left", "right")
_HELD_OUT = ("train", "validation", "test")

Check = Callable[[Any], bool]


def find_damage(manifest: Any, needed: tuple[str, ...] = ()) -> str | None:
    """Which entry of a run.json cannot be what was written there; None where all can.

    Entries that are not known are no matter: a later version may have written them.

    Args:
        manifest: The content of the file.
        needed: Entries that must be there.

    Examples:
        >>> find_damage({"status": "completed", "labels": ["spam", 3]})
        'labels'
        >>> find_damage({"status": "failed"}, ("config",))
        'config'
    """
    if not isinstance(manifest, dict) or manifest.get("status") not in STATUSES:
        return "status"
    for name, check in _CHECKS.items():
        if name in manifest and not check(manifest[name]):
            return name
    for name in needed:
        if name not in manifest:
            return name
    return _contradiction(manifest) or _missing_option(manifest, needed)


def is_epoch(record: Any) -> bool:
    """Whether a line of epochs.jsonl can be what was written there."""
    return (
        isinstance(record, dict)
        and all(name in record and check(record[name]) for name, check in _OF_AN_EPOCH.items())
        and all(check(record[name]) for name, check in _MAYBE.items() if name in record)
    )


def _contradiction(manifest: Mapping[str, Any]) -> str | None:
    """An entry that goes by label and has not the run's labels."""
    labels = manifest.get("labels")
    if labels is None:
        return next((n for n in ("prior", "correction") if manifest.get(n) is not None), None)
    counts = manifest.get("train_counts")
    if counts is not None and len(counts) != len(labels):
        return "train_counts"
    names = set(labels)
    correction = manifest.get("correction") or {}
    by_label = {"prior": [manifest.get("prior")]}
    by_label["correction"] = [correction.get(n) for n in ("target_prior", "carried_prior")]
    if correction:
        by_label["correction"] += [correction.get(n, {}) for n in ("scale", "bias")]
        if manifest.get("prior") is not None:
            if counts is None:
                return "train_counts"
            if "target_prior" not in correction:
                return "correction"
    for name, shares in by_label.items():
        if any(found is not None and set(found) != names for found in shares):
            return name
    return None


def _missing_option(manifest: Mapping[str, Any], needed: tuple[str, ...]) -> str | None:
    """Options without which no text can be read as in training."""
    options = ["data"] if "config" in needed else []
    if "text_columns" in needed:
        options += ["model", "max-length", "truncation-side"]
    if any(name not in manifest["config"] for name in options):
        return "config"
    return "data" if "data" in needed and "train" not in manifest["data"] else None


def _text(value: Any) -> bool:
    return isinstance(value, str) and len(value) <= _LONGEST_TEXT and _is_encodable(value)


def _is_encodable(text: str) -> bool:
    """Whether there is no half of a surrogate pair in it, which no file and no terminal takes."""
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def _texts(value: Any) -> bool:
    return isinstance(value, list) and all(map(_text, value))


def _number(value: Any) -> bool:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return is_number and -_LARGEST < value < _LARGEST


def _whole(value: Any) -> bool:
    return type(value) is int and -_LARGEST_WHOLE < value < _LARGEST_WHOLE


def _count(value: Any) -> bool:
    return _whole(value) and value >= 0


def _flag(value: Any) -> bool:
    return isinstance(value, bool)


def _or_none(check: Check) -> Check:
    return lambda value: value is None or check(value)


def _each(check: Check) -> Check:
    """An object whose values are all like that."""
    return lambda value: (
        isinstance(value, dict) and all(_text(key) and check(entry) for key, entry in value.items())
    )


def _object(**checks: Check) -> Check:
    """An object in which these entries, where they are, are like that."""
    return lambda value: (
        isinstance(value, dict)
        and all(check(value[name]) for name, check in checks.items() if name in value)
    )


def _labels(value: Any) -> bool:
    return _texts(value) and len(set(value)) == len(value) > 0


def _counts(value: Any) -> bool:
    return isinstance(value, list) and all(map(_count, value)) and sum(value) > 0


def _share(value: Any) -> bool:
    return _number(value) and value >= 0


def _correction(value: Any) -> bool:
    is_known = _object(
        asked=_text,
        method=_text,
        folded=_flag,
        strengths=_each(_number),
        target_prior=_or_none(_each(_share)),
        carried_prior=_or_none(_each(_share)),
        scale=_each(_number),
        bias=_each(_number),
        metric=_text,
        before=_number,
        cross_fitted=_number,
        standard_error=_number,
    )
    if not is_known(value) or not {"asked", "method"} <= value.keys():
        return False
    measured = {"metric", "before", "cross_fitted", "standard_error"} & value.keys()
    applied = {"folded", "strengths", "scale", "bias", "target_prior"} <= value.keys()
    return len(measured) in (0, 4) and (value["method"] == "none" or applied)


def _config(value: Any) -> bool:
    if not isinstance(value, dict):
        return False
    kinds = _option_kinds()
    for name, option in value.items():
        if not _text(name) or not _is_option(option, kinds.get(name)):
            return False
    is_cut = value.get("truncation-side", "right") in _TRUNCATION_SIDES
    return is_cut and bool(value.get("max-length", 1) > 0)


def _is_option(value: Any, kinds: tuple[type, ...] | None) -> bool:
    if isinstance(value, list):
        return _texts(value) and (kinds is None or tuple in kinds)
    is_value = value is None or _text(value) or _flag(value) or _whole(value) or _number(value)
    if kinds is None or not is_value:
        return is_value
    return type(value) in kinds or (float in kinds and type(value) is int)


@cache
def _option_kinds() -> dict[str, tuple[type, ...]]:
    """Option -> what its value may be."""
    return {
        name.replace("_", "-"): tuple(get_origin(kind) or kind for kind in _alternatives(hint))
        for name, hint in get_type_hints(TrainConfig).items()
    }


def _alternatives(hint: Any) -> tuple[Any, ...]:
    return get_args(hint) if get_origin(hint) in (Union, UnionType) else (hint,)


_PART = _object(path=_text, sha256=_or_none(_text), rows=_count)
_FIGURES = _or_none(_each(_or_none(_number)))

_CHECKS: Mapping[str, Check] = {
    "schema": _count,
    "run": _text,
    "created": _text,
    "completed": _or_none(_text),
    "config": _config,
    "data": _object(**dict.fromkeys(_HELD_OUT, _PART)),
    "text_columns": _texts,
    "label_column": _text,
    "labels": _labels,
    "train_counts": _counts,
    "validation_rows_sha256": _or_none(_text),
    "select_on": _text,
    "seed": _whole,
    "versions": _each(_text),
    "device": _each(_text),
    "base_model": _or_none(_text),
    "parent": _or_none(_text),
    "commands": _texts,
    "head": _or_none(_text),
    "resample": _or_none(_text),
    "refit": _or_none(_object(kept_beside=_flag)),
    "sweep": _or_none(_text),
    "error": _or_none(_text),
    "warnings": _or_none(_each(_texts)),
    "epochs": _count,
    "best_epoch": _or_none(_count),
    "correction": _or_none(_correction),
    "prior": _or_none(_each(_share)),
    "metrics": _each(_FIGURES),
    "baseline": _or_none(_object(model=_text)),
}
_OF_AN_EPOCH: Mapping[str, Check] = {
    "epoch": _count,
    "mix": _number,
    "judged": _flag,
    "drawn_by_group": _each(_or_none(_number)),
    "train_loss": _or_none(_number),
}
_MAYBE: Mapping[str, Check] = {
    "validation": _FIGURES,
    "expected": _each(_share),
    "drawn": _each(_count),
    "seconds": _share,
    "examples_per_second": _share,
}
