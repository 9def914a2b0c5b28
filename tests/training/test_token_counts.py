import json
import subprocess
import sys

import numpy as np
import pytest
from tokenizers import Tokenizer, models, pre_tokenizers, processors

from dsample_cli.training import token_counts
from dsample_cli.training.token_counts import count_tokens, find_tokenizer

VOCABULARY = {"[UNK]": 0, "[CLS]": 1, "[SEP]": 2, "good": 3, "day": 4}


@pytest.fixture
def folder(tmp_path):
    """A model folder with a tokenizer of two words, set to cut and pad as many are."""
    tokenizer = Tokenizer(models.WordLevel(VOCABULARY, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.post_processor = processors.BertProcessing(("[SEP]", 2), ("[CLS]", 1))
    tokenizer.enable_truncation(4)
    tokenizer.enable_padding()
    tokenizer.save(str(tmp_path / "tokenizer.json"))
    return tmp_path


def test_tokens_before_any_cut(folder):
    file = find_tokenizer(str(folder))
    counts = count_tokens(file, [["good day", "", "good good good bad odd"]])
    assert counts.lengths.tolist() == [4, 2, 7]
    assert counts.unknown.tolist() == [0, 0, 2]
    assert counts.special == 2


def test_pairs(folder):
    counts = count_tokens(find_tokenizer(str(folder)), [["good day"], ["bad"]])
    assert counts.lengths.tolist() == [6]
    assert counts.special == 3


def test_many_texts_come_in_order(folder):
    texts = ["good " * (i % 7) for i in range(2500)]
    counts = count_tokens(find_tokenizer(str(folder)), [texts])
    assert np.array_equal(counts.lengths, np.arange(2500) % 7 + 2)


@pytest.mark.parametrize("model", ["tiny", "no/such-model", "../not a name", "/no/such/folder"])
def test_no_tokenizer(model, monkeypatch, tmp_path):
    monkeypatch.setenv("HF_HOME", str(tmp_path))
    assert find_tokenizer(model) is None


def test_a_folder_without_a_tokenizer(tmp_path):
    assert find_tokenizer(str(tmp_path)) is None


def test_a_broken_tokenizer(tmp_path):
    (tmp_path / "tokenizer.json").write_text(json.dumps({"model": "none"}))
    with pytest.raises(ValueError, match=r".+"):
        count_tokens(find_tokenizer(str(tmp_path)), [["x"]])


def test_minilm_is_found_in_its_package(monkeypatch, folder):
    monkeypatch.setattr(token_counts, "packaged_minilm", lambda: folder)
    assert find_tokenizer("minilm") == folder / "tokenizer.json"


def test_counting_needs_no_torch(folder):
    code = (
        "import sys\n"
        "from dsample_cli.training.token_counts import count_tokens, find_tokenizer\n"
        f"count_tokens(find_tokenizer({str(folder)!r}), [['x']])\n"
        "assert 'torch' not in sys.modules and 'transformers' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
