r"""The normal form of a text: equal for texts that say the same in another spelling.

A form keeps the words and drops what is spelling: Unicode form (NFKC), case, punctuation and other
symbols, runs of blanks, and which digits there are.

All is done by Arrow on whole arrays: a million texts of 15 words take a few seconds.
"""

from typing import TypeAlias

import pyarrow as pa
import pyarrow.compute as pc

Strings: TypeAlias = pa.Array | pa.ChunkedArray

# Combining marks are parts of letters: without them Hindi and Thai words would lose their vowels.
NOT_IN_WORDS = r"[^\p{L}\p{M}\p{N}]+"
DIGITS = r"[ \p{N}]*\p{N}[ \p{N}]*"
# Stands before a text that is compared as it is; no form can hold it.
AS_IT_IS = "\0"


def normal_forms(texts: Strings, keep_digits: bool = False) -> Strings:
    """Bring each text into its normal form; a missing text is an empty one.

    Letters of any script and digits are kept; all else parts words. Each number, with the blanks
    and punctuation in it, becomes 0. Case falls as in case folding (ß is ss, final sigma is sigma).
    A text without a letter has no words to compare: it stays as it is, behind a NUL.

    Args:
        texts: Strings, at most 2 GiB a chunk.
        keep_digits: Leave numbers as they are.

    Examples:
        >>> normal_forms(pa.array(["Order  No. 1,234!", "order no 77"])).to_pylist()
        ['order no 0', 'order no 0']
        >>> normal_forms(pa.array(["ＧＲＯẞ, 2 (two)"]), keep_digits=True).to_pylist()
        ['gross 2 two']
        >>> normal_forms(pa.array(["12:30", ":-)", None])).to_pylist()
        ['\\x0012:30', '\\x00:-)', '\\x00']
    """
    texts = pc.fill_null(texts, "")
    words = pc.utf8_lower(pc.utf8_upper(pc.utf8_normalize(texts, form="NFKC")))
    words = pc.replace_substring(words, "ß", "ss")
    forms = pc.utf8_trim_whitespace(pc.replace_substring_regex(words, NOT_IN_WORDS, " "))
    if not keep_digits:
        forms = without_digits(forms)
    has_letter = pc.match_substring_regex(forms, r"\p{L}")
    # Join takes no two widths of offsets.
    mark, between = pa.scalar(AS_IT_IS, texts.type), pa.scalar("", texts.type)
    return pc.if_else(has_letter, forms, pc.binary_join_element_wise(mark, texts, between))


def without_digits(forms: Strings) -> Strings:
    """Make forms that keep digits into forms that do not.

    Examples:
        >>> without_digits(pa.array(["covid19 in 20 21", "\\x0012:30"])).to_pylist()
        ['covid 0 in 0', '\\x0012:30']
    """
    replaced = pc.utf8_trim_whitespace(pc.replace_substring_regex(forms, DIGITS, " 0 "))
    return pc.if_else(pc.starts_with(forms, AS_IT_IS), forms, replaced)
