import pytest

from dsample_cli.core.config import TrainConfig
from dsample_cli.core.read_options import ReadOptions, check_encoding, parse_delimiter
from dsample_cli.errors import ConfigError


@pytest.mark.parametrize("name", ["utf-8", "UTF8", "cp949", "EUC-KR", "latin-1", "utf_16_le"])
def test_encodings(name):
    check_encoding(name)


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("cp9499", "cp949"),
        ("utf9", "utf"),
        ("qqqqqq", "Choose one of: utf-8, utf-16, cp949"),
        ("hex", "Choose one of"),
        ("", "Choose one of"),
        ("a\0b", "Choose one of"),
        ("undefined", "Choose one of"),
        ("idna", "Choose one of"),
        ("punycode", "Choose one of"),
    ],
)
def test_unknown_encodings(name, hint):
    with pytest.raises(ConfigError, match="Unknown --encoding") as caught:
        ReadOptions(encoding=name)
    assert hint in caught.value.hint


@pytest.mark.parametrize(
    ("text", "character"),
    [(",", ","), ("\t", "\t"), (r"\t", "\t"), ("TAB", "\t"), ("pipe", "|"), (":", ":"), (" ", " ")],
)
def test_delimiters(text, character):
    assert parse_delimiter(text) == character


@pytest.mark.parametrize("text", ["", "a", "1", '"', "\n", ",,", "tabb", "·", "\0"])
def test_impossible_delimiters(text):
    with pytest.raises(ConfigError, match="--delimiter"):
        ReadOptions(delimiter=text)


@pytest.mark.parametrize("wrong", [{"encoding": "cp9499"}, {"delimiter": "tabb"}])
def test_a_config_checks_them(wrong):
    with pytest.raises(ConfigError, match="--"):
        TrainConfig(data="a.csv", **wrong)


def test_a_config_keeps_them():
    config = TrainConfig(data="a.csv", encoding="cp949", delimiter="tab")
    assert TrainConfig.from_options(config.to_options()) == config
    assert config.read_options == ReadOptions("cp949", "tab")
