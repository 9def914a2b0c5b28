"""Problems of the texts under the tokenizer of the chosen encoder, seen on a sample."""

import numpy as np

from dsample_cli.data.problems._problem import (
    Evidence,
    Problem,
    first_rows,
    percent,
    shortened,
)
from dsample_cli.data.token_facts import TokenFacts

TOKEN_LENGTHS = (64, 128, 256, 512)
LEAST_CUT = 0.001
MANY_CUT = 0.05
LEAST_UNKNOWN = 0.01
LEAST_SCRIPT_SHARE = 0.1
# A tokenizer that knows a script needs about half of these; above, it spells letter by letter or
# byte by byte. Han and Kana are spelled by every tokenizer.
TOKENS_PER_LETTER = {"Hangul": 1.2, "Han": 1.6, "Kana": 1.6}
OTHER_TOKENS_PER_LETTER = 0.8
KOREAN_ENCODERS = ("klue/bert-base", "klue/roberta-base")
OTHER_ENCODERS = ("xlm-roberta-base", "intfloat/multilingual-e5-small")


def truncation(evidence: Evidence) -> Problem | None:
    """Texts that `--max-length` would cut."""
    tokens = evidence.tokens
    if tokens is None or tokens.cut_share(tokens.max_length) < LEAST_CUT:
        return None
    share = tokens.cut_share(tokens.max_length)
    rows = tokens.rows[tokens.lengths > tokens.max_length]
    table = ", ".join(
        f"{length}: {percent(tokens.cut_share(length))} ({percent(tokens.lost_share(length))})"
        for length in TOKEN_LENGTHS
    )
    enough = next(
        (n for n in TOKEN_LENGTHS if n > tokens.max_length and tokens.cut_share(n) < 0.01), 0
    )
    mend = (
        f"Raise it: --max-length {enough}."
        if enough
        else "Raise --max-length, or shorten the texts to what tells the class."
    )
    return Problem(
        "truncation",
        "warning" if share >= MANY_CUT else "info",
        f"--max-length {tokens.max_length} cuts {percent(share)} of {_texts(tokens)}. "
        f"Texts cut, and tokens lost with them, at {table}. {mend}",
        len(rows),
        first_rows(rows),
        f"--max-length {enough}" if enough else "",
    )


def unknown_tokens(evidence: Evidence) -> Problem | None:
    """Texts whose characters or words the tokenizer does not know."""
    tokens = evidence.tokens
    if tokens is None:
        return None
    spelled = [
        facts
        for facts in tokens.scripts
        if facts.script != "Latin"
        and facts.share >= LEAST_SCRIPT_SHARE
        and facts.tokens_per_letter >= TOKENS_PER_LETTER.get(facts.script, OTHER_TOKENS_PER_LETTER)
    ]
    told = [
        f"{percent(facts.share)} of the letters are {facts.script}, which it takes apart into "
        f"{facts.tokens_per_letter:.1f} tokens a letter"
        for facts in spelled
    ]
    has_unknown = tokens.unknown_share >= LEAST_UNKNOWN
    if has_unknown:
        told.insert(0, f"{percent(tokens.unknown_share)} of the tokens are unknown to it")
    if not told:
        return None
    bad = [facts.rows for facts in spelled]
    if has_unknown:
        bad.append(tokens.rows[tokens.unknown > 0])
    rows = np.unique(np.concatenate(bad))
    encoders = _encoders(tokens)
    return Problem(
        "unknown-tokens",
        "warning",
        f"The tokenizer of '{shortened(tokens.model)}' does not fit {_texts(tokens)}: "
        f"{'; '.join(told)}. Take an encoder that knows the language: --model "
        f"{' or '.join(encoders)}, or one made from the data: --model tiny.",
        len(rows),
        first_rows(rows),
        f"--model {encoders[0]}",
    )


def _texts(tokens: TokenFacts) -> str:
    n_texts = len(tokens.lengths)
    return "the texts" if tokens.is_whole else f"{n_texts} sampled texts"


def _encoders(tokens: TokenFacts) -> tuple[str, ...]:
    foreign = [f.script for f in tokens.scripts if f.script != "Latin" and f.share >= 0.01]
    return KOREAN_ENCODERS if foreign[:1] == ["Hangul"] else OTHER_ENCODERS
