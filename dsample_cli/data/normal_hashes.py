"""Hashes of normal forms, without making the forms of plain ASCII texts.

An ASCII text is brought into a compact form by arithmetic on all bytes of an array: the words of
its normal form without blanks, each with its first letter in upper case. That is one to one with
the normal form, and several times faster than regular expressions.
"""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from dsample_cli.data.hashing import Hashes, flat_bytes, hash_strings
from dsample_cli.data.normalize import normal_forms

Bytes = NDArray[np.uint8]
Offsets = NDArray[np.int64]

BLANK, ZERO, FIRST_LETTER = ord(" "), ord("0"), ord("a")
TO_UPPER = np.uint8(ord("a") - ord("A"))
# What each ASCII byte becomes; the others do not occur.
PLAIN = bytes(
    ord(char.lower()) if char.isalpha() else ZERO if char.isdigit() else BLANK
    for char in map(chr, range(128))
).ljust(256)


def hash_normal_forms(texts: pa.Array) -> Hashes:
    """Hash each text so that the hashes are equal where the normal forms are. Shape [2, rows].

    Examples:
        >>> hashes = hash_normal_forms(pa.array(["Order No. 1,234!", "order no 77", "other no 7"]))
        >>> (hashes == hashes[:, :1]).all(axis=0)
        array([ True,  True, False])
    """
    if texts.null_count:
        texts = pc.fill_null(texts, "")
    is_plain = np.asarray(pc.string_is_ascii(texts), dtype=bool)
    hashes = np.empty((2, len(texts)), np.uint64)
    hashed = _hash_into(hashes, texts, np.flatnonzero(is_plain))
    rest = np.setdiff1d(np.arange(len(texts)), hashed) if len(hashed) < len(texts) else hashed[:0]
    if len(rest) == 0:
        return hashes
    forms = normal_forms(texts.take(pa.array(rest)))
    rest_hashes = hash_strings(forms)
    # Of a text such as “it’s” the form is ASCII, and may be that of an ASCII text.
    plain_forms = np.flatnonzero(np.asarray(pc.string_is_ascii(forms), dtype=bool))
    _hash_into(rest_hashes, forms, plain_forms)
    hashes[:, rest] = rest_hashes
    return hashes


def _hash_into(hashes: Hashes, texts: pa.Array, rows: NDArray[np.int64]) -> NDArray[np.int64]:
    """Hash the compact forms of those ASCII texts that have a letter; return their rows."""
    chosen = texts if len(rows) == len(texts) else texts.take(pa.array(rows))
    starts, lengths, data = flat_bytes(chosen)
    compact, offsets = _compact(data, np.append(starts, starts[-1:] + lengths[-1:]))
    array = pa.LargeStringArray.from_buffers(
        len(rows), pa.py_buffer(offsets), pa.py_buffer(compact)
    )
    compact_lengths = np.diff(offsets)
    # All that is left of a text without letters is one number, or nothing.
    has_letter = compact_lengths > 1
    single = np.flatnonzero(compact_lengths == 1)
    has_letter[single] = compact[offsets[single]] != ZERO
    if has_letter.all():
        hashes[:, rows] = hash_strings(array)
        return rows
    rows = rows[has_letter]
    hashes[:, rows] = hash_strings(array)[:, has_letter]
    return rows


def _compact(data: Bytes, offsets: Offsets) -> tuple[Bytes, Offsets]:
    """Compact forms of ASCII texts.

    Args:
        data: Bytes of all texts, and more.
        offsets: Where each text begins in them, and where the last one ends; shape [texts + 1].

    Returns:
        The same for the compact forms.
    """
    if len(offsets) < 2:
        return np.empty(0, np.uint8), np.zeros(1, np.int64)
    plain = np.frombuffer(data[: offsets[-1]].tobytes().translate(PLAIN), np.uint8).copy()
    is_letter = plain >= FIRST_LETTER
    plain -= (is_letter & ~_shifted(is_letter, offsets)) * TO_UPPER
    is_zero = plain == ZERO
    kept = (plain != BLANK) & ~(is_zero & _shifted(is_zero, offsets))
    plain, offsets = _only(plain, offsets, kept)
    # A number goes on behind blanks and punctuation.
    is_zero = plain == ZERO
    repeated = is_zero & _shifted(is_zero, offsets)
    return _only(plain, offsets, ~repeated) if repeated.any() else (plain, offsets)


def _shifted(mask: NDArray[np.bool_], offsets: Offsets) -> NDArray[np.bool_]:
    """Whether the byte before, in the same text, is marked."""
    before = np.empty_like(mask)
    before[1:] = mask[:-1]
    starts = offsets[:-1]
    before[starts[starts < len(mask)]] = False
    return before


def _only(data: Bytes, offsets: Offsets, kept: NDArray[np.bool_]) -> tuple[Bytes, Offsets]:
    """Leave out the bytes that are not marked."""
    filled = np.flatnonzero(np.diff(offsets))
    lengths = np.zeros(len(offsets), np.int64)
    if len(filled):
        lengths[1 + filled] = np.add.reduceat(kept, offsets[filled], dtype=np.int64)
    return np.compress(kept, data), np.cumsum(lengths)
