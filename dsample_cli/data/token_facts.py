"""What a tokenizer makes of sampled texts, joined with the scripts that they are written in."""

from collections import Counter
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dsample_cli.data.samples import TextSample
from dsample_cli.data.scripts import count_scripts


@dataclass(frozen=True)
class ScriptFacts:
    """The texts that are mostly in one script.

    Attributes:
        script: Its name.
        share: Of the letters of all sampled texts, those in this script.
        rows: Row numbers of the texts that have more letters of it than of any other.
        tokens_per_letter: Mean over these texts; special tokens left out.
    """

    script: str
    share: float
    rows: NDArray[np.int64]
    tokens_per_letter: float


@dataclass(frozen=True)
class TokenFacts:
    """Tokens of the sampled texts.

    Attributes:
        model: What `--model` said.
        max_length: What `--max-length` said.
        rows: Row numbers of the texts.
        is_whole: Whether these are all the usable rows.
        lengths: Tokens of each text before any cut, special tokens included.
        unknown: Those of them that the tokenizer has no entry for.
        scripts: The most frequent first.
    """

    model: str
    max_length: int
    rows: NDArray[np.int64]
    is_whole: bool
    lengths: NDArray[np.int64]
    unknown: NDArray[np.int64]
    scripts: tuple[ScriptFacts, ...]

    def cut_share(self, max_length: int) -> float:
        """Share of the texts that have more tokens."""
        return float((self.lengths > max_length).mean())

    def lost_share(self, max_length: int) -> float:
        """Share of all tokens that are behind the cut."""
        lost = np.maximum(self.lengths - max_length, 0).sum()
        return float(lost / max(self.lengths.sum(), 1))

    @property
    def unknown_share(self) -> float:
        """Share of all tokens that are unknown."""
        return float(self.unknown.sum() / max(self.lengths.sum(), 1))


def token_facts(
    model: str,
    max_length: int,
    sample: TextSample,
    lengths: NDArray[np.int64],
    unknown: NDArray[np.int64],
    special: int,
) -> TokenFacts:
    """Join the counts of tokens with the scripts of the texts.

    Args:
        model: What `--model` said.
        max_length: What `--max-length` said.
        sample: The texts.
        lengths: Tokens of each, special tokens included.
        unknown: Unknown tokens of each.
        special: Special tokens that each text has.
    """
    scripts = _scripts(sample, lengths - special)
    return TokenFacts(model, max_length, sample.rows, sample.is_whole, lengths, unknown, scripts)


def _scripts(sample: TextSample, tokens: NDArray[np.int64]) -> tuple[ScriptFacts, ...]:
    columns = [text.to_pylist() for text in sample.texts]
    letters = [count_scripts(" ".join(texts)) for texts in zip(*columns, strict=True)]
    total: Counter[str] = sum(letters, Counter())
    main = np.array([found.most_common(1)[0][0] if found else "" for found in letters])
    n_letters = np.array([found.total() for found in letters])
    facts = []
    for script, count in total.most_common():
        chosen = main == script
        per_letter = tokens[chosen].sum() / max(n_letters[chosen].sum(), 1)
        facts.append(
            ScriptFacts(script, count / total.total(), sample.rows[chosen], float(per_letter))
        )
    return tuple(facts)
