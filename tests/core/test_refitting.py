"""Options of a refit."""

import pytest

from dsample_cli.core.config import CORRECT_NAMES
from dsample_cli.core.corrections import CORRECTIONS
from dsample_cli.core.refitting import HEAD_NAMES, RESAMPLE_NAMES, RefitConfig
from dsample_cli.errors import ConfigError
from dsample_cli.training.feature_resampling import FEATURE_RESAMPLINGS
from dsample_cli.training.refit import REFITS


def test_the_names_are_those_of_the_registries():
    assert tuple(REFITS) == HEAD_NAMES
    assert tuple(FEATURE_RESAMPLINGS) == RESAMPLE_NAMES
    assert set(CORRECTIONS) | {"auto", "none"} == set(CORRECT_NAMES)


@pytest.mark.parametrize(
    ("options", "message", "hint"),
    [
        ({"head": "ctr"}, "Unknown head 'ctr'.", "Did you mean crt?"),
        ({"resample": "smoke"}, "Unknown resampling 'smoke'.", "Did you mean smote?"),
        ({"epochs": 0}, "--epochs must be at least 1, not 0.", "--epochs"),
        ({"lr": 0.0}, "--lr must be above 0, not 0.0.", "--lr"),
        ({"lr": float("nan")}, "--lr must be above 0, not nan.", "--lr"),
        ({"rho": -1.0}, "--rho must be 0 or more, not -1.0.", "--rho"),
        ({"seed": -1}, "--seed must be 0 or more, not -1.", "--seed"),
        ({"head": "tau-norm", "resample": "smote"}, "--resample does not act on", "--head crt"),
    ],
)
def test_impossible_options_are_refused(options, message, hint):
    with pytest.raises(ConfigError) as caught:
        RefitConfig(**options)
    assert message in caught.value.message
    assert hint in caught.value.hint
