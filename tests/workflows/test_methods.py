"""What the docstrings say reaches the user whole."""

import pytest

from dsample_cli.core.class_scores import CLASS_SCORES
from dsample_cli.core.config import CONTRASTIVE_FORMS, LOSS_NAMES, TrainConfig
from dsample_cli.core.corrections import CORRECTIONS
from dsample_cli.core.docstrings import parse_docstring
from dsample_cli.core.example_scores import EXAMPLE_SCORES
from dsample_cli.core.refitting import HEAD_NAMES, RESAMPLE_NAMES, RefitConfig
from dsample_cli.core.resampling import RESAMPLINGS
from dsample_cli.core.schedules import SCHEDULES, cyclic
from dsample_cli.errors import ConfigError
from dsample_cli.training.contrastive import CONTRASTIVE_LOSSES
from dsample_cli.training.feature_resampling import FEATURE_RESAMPLINGS
from dsample_cli.training.losses import LOSSES
from dsample_cli.training.refit import REFITS
from dsample_cli.workflows.methods import _of_functions, _of_source, methods

KINDS = {
    "score": [*CLASS_SCORES, *RESAMPLINGS, *EXAMPLE_SCORES],
    "schedule": list(SCHEDULES),
    "loss": list(LOSS_NAMES),
    "contrastive": list(CONTRASTIVE_FORMS),
    "correction": list(CORRECTIONS),
    "head": list(HEAD_NAMES),
    "resampling": list(RESAMPLE_NAMES),
}
ALL = methods().methods
METHODS = {method.name: method for method in reversed(ALL)}  # by name the first of its name
every_method = pytest.mark.parametrize("method", ALL, ids=lambda m: f"{m.kind}-{m.name}")


def test_every_registered_name_is_listed_once_by_kind():
    listed = [(method.kind, method.name) for method in methods().methods]
    assert listed == [(kind, name) for kind, names in KINDS.items() for name in names]


@pytest.mark.parametrize(
    ("module", "name", "registry"),
    [
        ("losses", "LOSSES", LOSSES),
        ("contrastive", "CONTRASTIVE_LOSSES", CONTRASTIVE_LOSSES),
        ("refit", "REFITS", REFITS),
        ("feature_resampling", "FEATURE_RESAMPLINGS", FEATURE_RESAMPLINGS),
    ],
)
def test_what_is_read_from_the_source_is_what_is_imported(module, name, registry):
    assert _of_source(module, name) == _of_functions(registry)


@every_method
def test_nothing_is_left_unsaid(method):
    entry = method.to_json()
    for part in ("summary", "formula", "when", "cost", "risk", "source"):
        assert entry[part]
        assert "\n" not in entry[part]
        assert "  " not in entry[part]
    assert all(option["help"] for option in entry["options"])


@every_method
def test_a_formula_has_something_to_compute(method):
    assert " = " in method.formula or " ~ " in method.formula


def test_one_method_is_shown_alone():
    (found,) = methods("cyclic").methods
    assert found.kind == "schedule"
    assert found.is_default
    assert found.formula == "mix(epoch) = 0 if epoch % cycle == 0 else 1"
    assert found.when.endswith("so that the score sets no lasting bias.")
    (option,) = found.options
    assert (option.flag, option.default) == ("--cycle", 3)
    assert option.help == parse_docstring(cyclic.__doc__.replace("\n    ", "\n")).arguments["cycle"]


def test_defaults_are_those_of_train_and_not_of_the_function():
    def default(name, flag):
        return {option.flag: option.default for option in METHODS[name].options}[flag]

    assert default("softmax", "--temperature") == default("effective-number", "--beta") == "auto"
    assert default("linear", "--epochs") == TrainConfig(data="x").epochs
    assert default("warmup", "--warmup-epochs") == "half of --epochs"
    assert default("softmax", "--minority-share") is None
    assert (default("crt", "--lr"), default("lws", "--lr")) == (0.001, 0.01)
    assert default("disalign", "--rho") == RefitConfig().rho


def test_options_beside_the_signature_are_told():
    assert [option.flag for option in METHODS["recency-bias"].options] == [
        "--pressure",
        "--window",
        "--score-warmup",
    ]


def test_a_name_that_two_kinds_have_shows_both():
    assert [m.kind for m in methods("tau-norm").methods] == ["correction", "head"]
    assert [m.kind for m in methods("oversample").methods] == ["score", "resampling"]


def test_what_is_not_an_option_of_the_command_is_left_out():
    for method in ALL:
        of_refit = method.kind in ("head", "resampling")
        fields = (RefitConfig if of_refit else TrainConfig).__dataclass_fields__
        known = {f"--{name.replace('_', '-')}" for name in fields}
        assert {option.flag for option in method.options} <= known


def test_an_unknown_name_is_answered_with_the_nearest():
    with pytest.raises(ConfigError, match="Unknown method 'cylic'") as caught:
        methods("cylic")
    assert caught.value.hint == "Did you mean cyclic?"


def test_a_docstring_without_formula_or_sections_has_none():
    doc = parse_docstring("Do it.")
    assert (doc.summary, doc.formula, doc.sections, doc.arguments) == ("Do it.", "", {}, {})
