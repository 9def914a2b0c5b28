"""The correction in words."""

import pytest

from dsample_cli.reports.correction import correction_line, correction_text, prior_text

GAIN = {"metric": "macro_f1", "before": 0.5, "cross_fitted": 0.5625, "standard_error": 0.01}
WORTH = (
    "macro-f1 0.5000 -> 0.5625 on rows that it was not fitted on (+6.2 points, standard error 1.0)."
)
NATURAL = {"ham": 0.9, "spam": 0.1}
EVEN = {"ham": 0.5, "spam": 0.5}


@pytest.mark.parametrize(
    ("asked", "method", "gain", "text"),
    [
        ("none", "none", {}, "No correction was asked for."),
        ("auto", "none", {}, "No correction: there is no validation data to fit one on."),
        ("auto", "none", GAIN, f"No correction: it would not be worth it, {WORTH}"),
        ("auto", "logit-adjust", GAIN, f"Corrected by logit-adjust: {WORTH}"),
        (
            *("auto", "temperature", GAIN),
            f"Calibrated by temperature; logit adjustment not worth it, {WORTH}",
        ),
        ("temperature", "temperature", GAIN, f"Corrected by temperature: {WORTH}"),
    ],
)
def test_what_was_taken_is_told_with_its_worth(asked, method, gain, text):
    assert correction_text({"asked": asked, "method": method} | gain) == text


@pytest.mark.parametrize(
    ("prior", "target", "text"),
    [
        (EVEN, None, "equal class shares"),
        (NATURAL, None, "the class shares of the training data"),
        ({"ham": 0.98, "spam": 0.02}, {"ham": 0.98, "spam": 0.02}, "the class shares of --target"),
        ({"ham": 0.7, "spam": 0.3}, None, "the class shares that training drew"),
        ({"ham": 0.7, "spam": 0.3}, EVEN, "the class shares that training drew"),
    ],
)
def test_the_prior_is_named(prior, target, text):
    assert prior_text(prior, NATURAL, target).startswith(text)


def test_one_line_says_how_and_for_what():
    run = {
        "labels": ["ham", "spam"],
        "train_counts": [9, 1],
        "prior": EVEN,
        "correction": {"method": "logit-adjust", "target_prior": None},
    }
    assert correction_line(run) == (
        "Corrected by logit-adjust; the probabilities stand for equal class shares."
    )
    assert correction_line(run, "spam=0.2") == (
        "Corrected by logit-adjust, then shifted to --target-prior spam=0.2."
    )
    run |= {"correction": {"method": "none", "target_prior": None}, "prior": NATURAL}
    assert correction_line(run).startswith("Not corrected; the probabilities stand for the class")
    assert correction_line({"labels": []}) is None
