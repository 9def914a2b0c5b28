"""The section of the report page on the class prior and its correction."""

from collections.abc import Mapping
from html import escape

from dsample_cli.reports._markup import number_cell, row_head, section, share_cell, table, tile
from dsample_cli.reports._metrics import metric_name
from dsample_cli.reports._run_report import ClassShares, CorrectionGain, CorrectionReport

STRENGTHS = {
    "strength_carried": "{} × log of the prior left by training",
    "strength_data": "{} × log of the training shares",
    "temperature": "temperature {}",
    "tau": "weights over their norm to the power of {}",
}


def correction_section(correction: CorrectionReport | None) -> str:
    """Say how the logits were corrected, what it was worth and what the probabilities stand for."""
    if correction is None:
        return ""
    is_corrected = correction.method != "none"
    sentences = [f"{correction.verdict}."]
    if is_corrected and correction.is_folded:
        sentences.append("It is folded into the last layer of the saved model.")
    elif is_corrected:
        sentences.append("It is kept beside the saved model, whose last layer cannot hold it.")
    sentences.append(f"The probabilities stand for {correction.prior}.")
    if correction.strengths:
        sentences.append(f"Fitted: {_strengths_text(correction.strengths)}.")
    has_bias = any(of_class.bias for of_class in correction.shares)
    heads = [
        ("Class", False),
        ("Share of training rows", True),
        ("Prior left by training", True),
        ("Prior of the probabilities", True),
        ("Logit bias", True),
    ]
    return section(
        "Correction",
        f'<p class="lead">{escape(" ".join(sentences))}</p>',
        "" if correction.gain is None else _gain_tiles(correction.gain),
        table(
            "Class shares",
            heads if has_bias else heads[:-1],
            [_shares_cells(of_class, has_bias) for of_class in correction.shares],
            is_sortable=True,
            is_tall=len(correction.shares) > 20,
        ),
    )


def _strengths_text(strengths: Mapping[str, float]) -> str:
    named = [(STRENGTHS.get(name, f"{name} {{}}"), value) for name, value in strengths.items()]
    return ", ".join(text.format(f"{value:.3g}") for text, value in named)


def _gain_tiles(gain: CorrectionGain) -> str:
    name, change = metric_name(gain.metric), 100 * (gain.after - gain.before)
    # What auto tries, and may leave, is logit adjustment.
    tried = "corrected" if gain.is_taken else "with logit adjustment, not taken"
    return (
        '<div class="tiles">'
        + tile(f"{name} uncorrected", f"{gain.before:.3f}", "validation rows")
        + tile(f"{name} {tried}", f"{gain.after:.3f}", "each row by what was fitted without it")
        + tile("Change", f"{change:+.1f} points", f"standard error {100 * gain.error:.1f}")
        + "</div>"
    )


def _shares_cells(of_class: ClassShares, has_bias: bool) -> str:
    shares = (of_class.natural, of_class.carried, of_class.served)
    return "".join(
        (
            row_head(of_class.label),
            *(share_cell(share) for share in shares),
            number_cell(of_class.bias, 2) if has_bias else "",
        )
    )
