"""Registries, near names, and options by signature."""

import pytest

from dsample_cli.core.names import did_you_mean, look_up
from dsample_cli.core.signatures import call_with, input_names, option_names
from dsample_cli.errors import ConfigError


def test_a_known_name_is_found():
    assert look_up({"cyclic": 1, "switch": 2}, "switch", "schedule") == 2


def test_an_unknown_name_says_what_it_is_and_what_was_meant():
    with pytest.raises(ConfigError, match=r"^Unknown schedule 'swich'\.$") as caught:
        look_up({"cyclic": 1, "switch": 2}, "swich", "schedule")
    assert caught.value.hint == "Did you mean switch?"


def test_capitals_do_not_hide_a_near_name():
    assert did_you_mean("CYCLIC", ["natural", "cyclic"]) == "Did you mean cyclic?"


def test_several_near_names_are_all_given():
    hint = did_you_mean("lr-warmp", ["lr-warmup", "lr-warm", "seed"])
    assert "lr-warmup" in hint
    assert "lr-warm" in hint
    assert "seed" not in hint


def test_without_a_near_name_all_are_listed():
    assert did_you_mean("zzz", ["a", "b"]) == "Choose one of: a, b."


def scored(counts, temperature=1.0, *, floor=0):
    return counts, temperature, floor


def test_options_are_the_parameters_with_a_default():
    assert option_names(scored) == {"temperature", "floor"}


def test_inputs_are_the_parameters_without_one_in_their_order():
    assert input_names(scored) == ("counts",)
    assert input_names(lambda losses, codes, share=0.5: None) == ("losses", "codes")
    assert input_names(lambda: None) == ()


def test_a_function_gets_only_the_options_that_it_has():
    assert call_with(scored, 5, temperature=2, cycle=3) == (5, 2, 0)
    assert call_with(scored, 5, floor=1) == (5, 1.0, 1)


def test_a_positional_argument_is_no_option():
    assert call_with(scored, 5, counts=6) == (5, 1.0, 0)
