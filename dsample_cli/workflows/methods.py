"""What there is to choose from: every method, in its own docstring's words."""

import ast
import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from importlib.resources import files
from typing import Any, NamedTuple

from dsample_cli.core.class_scores import CLASS_SCORES
from dsample_cli.core.config import TrainConfig
from dsample_cli.core.corrections import CORRECTIONS
from dsample_cli.core.docstrings import Docstring, parse_docstring
from dsample_cli.core.example_scores import EXAMPLE_SCORES
from dsample_cli.core.names import look_up
from dsample_cli.core.refitting import RefitConfig
from dsample_cli.core.resampling import RESAMPLINGS
from dsample_cli.core.schedules import SCHEDULES


class _Kind(NamedTuple):
    """How the methods of a kind are typed.

    Attributes:
        command: That takes them, as far as the method's flag.
        flag: Of the option that names one.
        defaults: Options of the command by name, with their defaults.
        words: What stands for an option that is not set.
    """

    command: str
    flag: str
    defaults: Mapping[str, Any]
    words: Mapping[str, str]


_TRAIN_DEFAULTS: dict[str, Any] = {field.name: field.default for field in fields(TrainConfig)}
_TRAIN_WORDS = {
    "warmup_epochs": "half of --epochs",
    "score_warmup": "a fifth of --epochs, at least 1",
    "equalization_share": "half of 1/C",
}
_REFIT_DEFAULTS: dict[str, Any] = {field.name: field.default for field in fields(RefitConfig)}
_REFIT_WORDS = {"epochs": "100, stopped early; 10 without validation data"}
_TRAIN, _REFIT = "dsample train data.csv", "dsample refit"
_KINDS = {
    "score": _Kind(_TRAIN, "--score", _TRAIN_DEFAULTS, _TRAIN_WORDS),
    "schedule": _Kind(_TRAIN, "--schedule", _TRAIN_DEFAULTS, _TRAIN_WORDS),
    "loss": _Kind(_TRAIN, "--loss", _TRAIN_DEFAULTS, _TRAIN_WORDS),
    "contrastive": _Kind(
        f"{_TRAIN} --contrastive 0.5", "--contrastive-form", _TRAIN_DEFAULTS, _TRAIN_WORDS
    ),
    "correction": _Kind(_TRAIN, "--correct", _TRAIN_DEFAULTS, _TRAIN_WORDS),
    "head": _Kind(_REFIT, "--head", _REFIT_DEFAULTS, _REFIT_WORDS),
    "resampling": _Kind(_REFIT, "--resample", _REFIT_DEFAULTS, _REFIT_WORDS),
}
# Options that act on a method without being in its function's signature.
_BESIDE = {
    "minority_share": "Sets the temperature instead, so that the rarest class has this share.",
    "window": "Predictions of each example that are remembered, H.",
    "score_warmup": "Epochs in which all examples of a class are drawn alike, before it acts.",
    "target_prior": "Class shares that it corrects for.",
}


@dataclass(frozen=True)
class MethodOption:
    """An option that sets a method.

    Attributes:
        flag: As typed.
        default: Its value when it is not given, or what that depends on; None when it is off.
        help: What it does.
    """

    flag: str
    default: str | float | None
    help: str


@dataclass(frozen=True)
class Method:
    """A score, schedule, loss, contrastive loss, correction, head or resampling of features.

    Attributes:
        name: What a user types; a correction and a head may have the same.
        kind: "score", "schedule", "loss", "contrastive", "correction", "head" or "resampling".
        flag: Of the option that names it.
        family: What it is among those of its kind, such as "example score".
        is_default: Whether it is taken unasked.
        summary: In one sentence.
        formula: How it is computed.
        when: What speaks for it.
        cost: What it costs.
        risk: How it fails.
        options: Options that set it.
        source: Where it comes from.
        examples: Commands that use it.
    """

    name: str
    kind: str
    flag: str
    family: str
    is_default: bool
    summary: str
    formula: str
    when: str
    cost: str
    risk: str
    options: tuple[MethodOption, ...]
    source: str
    examples: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """An entry of `dsample methods --json`."""
        return {
            "name": self.name,
            "kind": self.kind,
            "summary": self.summary,
            "formula": self.formula,
            "when": self.when,
            "cost": self.cost,
            "risk": self.risk,
            "options": [
                {"flag": o.flag, "default": o.default, "help": o.help} for o in self.options
            ],
            "source": self.source,
        }


@dataclass(frozen=True)
class MethodsResult:
    """What `dsample methods` shows."""

    methods: tuple[Method, ...]

    def to_json(self) -> dict[str, Any]:
        """The public JSON object of `dsample methods --json`."""
        return {"methods": [method.to_json() for method in self.methods]}


def methods(name: str | None = None) -> MethodsResult:
    """Describe every method, or those called `name`.

    Raises:
        ConfigError: If there is no such method; the hint holds the nearest names.
    """
    found = _all_methods()
    if name is not None:
        look_up({method.name: method for method in found}, name, "method")
        found = [method for method in found if method.name == name]
    return MethodsResult(tuple(found))


class _Strategy(NamedTuple):
    """What the code says of a method: its function's docstring, and its options' defaults."""

    doc: str
    defaults: Mapping[str, Any]


def _all_methods() -> list[Method]:
    families = [
        ("class score", "score", _of_functions(CLASS_SCORES)),
        ("resampling", "score", _of_functions(RESAMPLINGS)),
        ("example score", "score", _of_functions(EXAMPLE_SCORES)),
        ("schedule", "schedule", _of_functions(SCHEDULES)),
        ("loss", "loss", _of_source("losses", "LOSSES")),
        (
            "contrastive loss",
            "contrastive",
            _of_source("contrastive", "CONTRASTIVE_LOSSES"),
        ),
        ("correction", "correction", _of_functions(CORRECTIONS)),
        ("head", "head", _of_source("refit", "REFITS")),
        (
            "feature resampling",
            "resampling",
            _of_source("feature_resampling", "FEATURE_RESAMPLINGS"),
        ),
    ]
    return [
        _describe(name, kind, family, strategy)
        for family, kind, strategies in families
        for name, strategy in strategies.items()
    ]


def _of_functions(registry: Mapping[str, Callable[..., Any]]) -> dict[str, _Strategy]:
    def read(function: Callable[..., Any]) -> _Strategy:
        parameters = inspect.signature(function).parameters.values()
        defaults = {p.name: p.default for p in parameters if p.default is not p.empty}
        return _Strategy(inspect.getdoc(function) or "", defaults)

    return {name: read(function) for name, function in registry.items()}


def _of_source(module: str, name: str) -> dict[str, _Strategy]:
    """A registry of the training room, read from its source: to import it takes torch, and seconds.

    Args:
        module: Of the training room.
        name: Of the registry, a dict of the module's functions.
    """
    source = files("dsample_cli.training").joinpath(f"{module}.py").read_text(encoding="utf-8")
    body = ast.parse(source).body
    functions = {node.name: node for node in body if isinstance(node, ast.FunctionDef)}
    registry = next(
        node.value
        for node in body
        if isinstance(node, ast.AnnAssign) and ast.unparse(node.target) == name
    )
    assert isinstance(registry, ast.Dict)

    def read(function: ast.FunctionDef) -> _Strategy:
        names = [argument.arg for argument in function.args.args]
        values = [ast.literal_eval(default) for default in function.args.defaults]
        with_default = names[len(names) - len(values) :]
        return _Strategy(
            ast.get_docstring(function) or "", dict(zip(with_default, values, strict=True))
        )

    return {
        ast.literal_eval(key): read(functions[ast.unparse(value)])
        for key, value in zip(registry.keys, registry.values, strict=True)
        if key is not None
    }


def _describe(name: str, kind: str, family: str, strategy: _Strategy) -> Method:
    doc, typed = parse_docstring(strategy.doc), _KINDS[kind]
    when, cost, risk = (doc.sections.get(heading, "") for heading in ("When", "Cost", "Risk"))
    return Method(
        name,
        kind,
        typed.flag,
        family,
        typed.defaults.get(_option(typed.flag)) == name,
        doc.summary,
        doc.formula,
        when,
        cost,
        risk,
        _options(name, family, typed, strategy.defaults, doc),
        doc.sections.get("References", ""),
        _examples(name, kind, family, strategy.defaults),
    )


def _options(
    name: str, family: str, kind: _Kind, defaults: Mapping[str, Any], doc: Docstring
) -> tuple[MethodOption, ...]:
    described = {option: doc.arguments.get(option, "") for option in defaults}
    described |= {option: _BESIDE[option] for option in _options_beside(name, family)}
    return tuple(
        MethodOption(_flag(option), _default(option, kind, defaults), description)
        for option, description in described.items()
        if option in kind.defaults
    )


def _default(option: str, kind: _Kind, defaults: Mapping[str, Any]) -> str | float | None:
    """An option's value when it is not given: the command's, else the method's own."""
    if option in kind.words:
        return kind.words[option]
    of_command = kind.defaults[option]
    return defaults.get(option) if of_command is None else of_command


def _options_beside(name: str, family: str) -> list[str]:
    own = {
        "softmax": ["minority_share"],
        "recency-bias": ["window"],
        "logit-adjust": ["target_prior"],
    }
    return own.get(name, []) + ["score_warmup"] * (family == "example score")


def _examples(name: str, kind: str, family: str, defaults: Mapping[str, Any]) -> tuple[str, ...]:
    """Commands that use a method: alone with its options, and together with another."""
    typed = _KINDS[kind]
    settings = [f"{typed.flag} {name}"]
    for option, default in defaults.items():
        if option in typed.defaults and option != "epochs":
            usual = typed.defaults[option]
            value = default if usual is None else usual
            if value is not None:
                settings.append(f"{_flag(option)} {_as_typed(value)}")
    examples = [f"{typed.command} {' '.join(settings)}"]
    if family in ("resampling", "example score"):
        examples.append(f"dsample train data.csv --score {name}+sqrt")
    if kind == "schedule":
        examples[:0] = [f"dsample schedule data.csv {' '.join(settings)}"]
        follower = "cyclic" if name == "warmup" else name
        examples.append(f"dsample train data.csv --schedule warmup:2+{follower}")
    if kind == "correction":
        examples.append(f"dsample correct --run RUN --method {name}")
    if kind == "resampling":
        examples.append(f"dsample refit --run RUN --head ncm --resample {name}")
    return tuple(examples)


def _as_typed(value: str | float) -> str:
    return value if isinstance(value, str) else f"{value:g}"


def _option(flag: str) -> str:
    return flag.removeprefix("--").replace("-", "_")


def _flag(option: str) -> str:
    return f"--{option.replace('_', '-')}"
