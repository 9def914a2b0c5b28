"""128-bit hashes of many strings at once, with no Python object for each.

Strings are equal when their hashes are: of 5 million distinct strings, the chance that any two
share a hash is about 4e-26. The hash is not made to withstand someone who looks for collisions.
"""

import hashlib

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

Hashes = NDArray[np.uint64]

WORD_BYTES = 8
# Strings above this are hashed one by one: the loop over words must not follow a single long one.
LONG_BYTES = 8192
SORTED_BYTES = LONG_BYTES + 1  # int16 sorts by radix
MULTIPLIERS = (np.uint64(0x9E3779B97F4A7C15), np.uint64(0xBF58476D1CE4E5B9))
SHIFT = np.uint64(32)
# Masks of the 0 to 7 bytes behind the last whole word.
TAIL_MASKS = np.array([(1 << 8 * n_bytes) - 1 for n_bytes in range(WORD_BYTES)], np.uint64)


def hash_strings(array: pa.Array) -> Hashes:
    """Hash each string, as two lanes of 64 bits.

    The first lane starts from the length and the last, incomplete word, and takes the string in
    8-byte words: h = (h ^ word) * multiplier; h ^= h >> 32. The second lane is the sum of all these
    states: strings whose first lanes meet have come there by other ones.

    Args:
        array: A string array; null is hashed as the empty string.

    Returns:
        Shape [2, rows].

    Examples:
        >>> hashes = hash_strings(pa.array(["spam", "ham", "spam"]))
        >>> (hashes[:, 0] == hashes[:, 2]).all(), (hashes[:, 0] == hashes[:, 1]).any()
        (np.True_, np.False_)
    """
    if array.null_count:
        array = pc.fill_null(array, "")
    starts, lengths, data = flat_bytes(array)
    # The longest first: those that still have a word are then always the first rows.
    order = np.argsort(-np.minimum(lengths, SORTED_BYTES).astype(np.int16), kind="stable")
    starts, lengths = starts[order], lengths[order]
    hashes = _hash_sorted(starts, lengths, data)
    for place in range(int(np.count_nonzero(lengths > LONG_BYTES))):
        string = data[starts[place] : starts[place] + lengths[place]]
        digest = hashlib.blake2b(string.data, digest_size=16).digest()
        hashes[:, place] = np.frombuffer(digest, np.uint64)
    result = np.empty_like(hashes)
    result[:, order] = hashes
    return result


def join_hashes(first: Hashes, second: Hashes) -> Hashes:
    """Hash pairs of hashes; the order within a pair matters. Shape [2, rows]."""
    lanes = [first[lane] * MULTIPLIERS[lane] for lane in range(len(MULTIPLIERS))]
    for lane, other in zip(lanes, second, strict=True):
        _mix(lane, other.copy())
    return np.stack(lanes)


def _hash_sorted(
    starts: NDArray[np.int64], lengths: NDArray[np.int64], data: NDArray[np.uint8]
) -> Hashes:
    """Hash strings that come by falling length; those above LONG_BYTES only in part."""
    words = np.ndarray((len(data) - WORD_BYTES + 1,), np.uint64, data, strides=(1,))
    n_words = np.minimum(lengths, LONG_BYTES) // WORD_BYTES
    hashes = np.empty((2, len(lengths)), np.uint64)
    states, sums = hashes
    np.multiply(lengths.astype(np.uint64), MULTIPLIERS[1], out=states)
    _mix(states, words[starts + n_words * WORD_BYTES] & TAIL_MASKS[lengths % WORD_BYTES])
    sums[:] = states
    # How many strings have more than 0, 1, 2 ... words.
    longest = int(n_words[0]) if len(n_words) else 0
    n_active = len(lengths) - np.cumsum(np.bincount(n_words, minlength=longest + 1))
    places = starts.copy()
    for active in n_active[:longest].tolist():
        _mix(states[:active], words[places[:active]])
        sums[:active] += states[:active]
        places[:active] += WORD_BYTES
    return hashes


def _mix(states: NDArray[np.uint64], word: NDArray[np.uint64]) -> None:
    """Take a word into each state, in place; `word` is used up."""
    states ^= word
    states *= MULTIPLIERS[0]
    states ^= np.right_shift(states, SHIFT, out=word)


def flat_bytes(
    array: pa.Array,
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.uint8]]:
    """Start and length in bytes of each string, and the bytes, with a spare word at the end."""
    is_large = pa.types.is_large_string(array.type)
    _, offsets_buffer, data_buffer = array.buffers()
    if len(array) == 0 or offsets_buffer is None:
        return np.empty(0, np.int64), np.empty(0, np.int64), np.zeros(WORD_BYTES, np.uint8)
    all_offsets = np.frombuffer(offsets_buffer, np.int64 if is_large else np.int32)
    used = slice(array.offset, array.offset + len(array) + 1)
    offsets: NDArray[np.int64] = all_offsets[used].astype(np.int64)
    first, last = int(offsets[0]), int(offsets[-1])
    data = np.zeros(last - first + WORD_BYTES, np.uint8)
    if last > first:
        data[: last - first] = np.frombuffer(data_buffer, np.uint8)[first:last]
    return offsets[:-1] - first, offsets[1:] - offsets[:-1], data
