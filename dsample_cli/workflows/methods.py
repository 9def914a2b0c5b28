"""What there is to choose from: every score, schedule and loss, in its own docstring's words."""

import ast
import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from importlib.resources import files
from typing import Any, NamedTuple

from dsample_cli.core.class_scores import CLASS_SCORES
from dsample_cli.core.config import TrainConfig
from dsample_cli.core.docstrings import Docstring, parse_docstring
from dsample_cli.core.example_scores import EXAMPLE_SCORES
from dsample_cli.core.names import look_up
from dsample_cli.core.resampling import RESAMPLINGS
from dsample_cli.core.schedules import SCHEDULES

_TRAIN_DEFAULTS: dict[str, Any] = {field.name: field.default for field in fields(TrainConfig)}
# What stands for an option that is not set.
_DEFAULT_WORDS = {
    "warmup_epochs": "half of --epochs",
    "score_warmup": "a fifth of --epochs, at least 1",
    "equalization_share": "half of 1/C",
}
# Options of `dsample train` that act on a method without being in its function's signature.
_BESIDE = {
    "minority_share": "Sets the temperature instead, so that the rarest class has this share.",
    "window": "Predictions of each example that are remembered, H.",
    "score_warmup": "Epochs in which all examples of a class are drawn alike, before it acts.",
}


@dataclass(frozen=True)
class MethodOption:
    """An option of `dsample train` that sets a method.

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
    """A score, schedule or loss.

    Attributes:
        name: What a user types.
        kind: "score", "schedule" or "loss", which is also the option of `dsample train`.
        family: What it is among those of its kind, such as "example score".
        is_default: Whether `dsample train` takes it unasked.
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
    """Describe every method, or the one called `name`.

    Raises:
        ConfigError: If there is no such method; the hint holds the nearest names.
    """
    found = {method.name: method for method in _all_methods()}
    chosen = found.values() if name is None else [look_up(found, name, "method")]
    return MethodsResult(tuple(chosen))


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
        ("loss", "loss", _losses()),
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


def _losses() -> dict[str, _Strategy]:
    """The losses, read from their source: to import them takes torch, and seconds."""
    source = files("dsample_cli.training").joinpath("losses.py").read_text(encoding="utf-8")
    body = ast.parse(source).body
    functions = {node.name: node for node in body if isinstance(node, ast.FunctionDef)}
    registry = next(
        node.value
        for node in body
        if isinstance(node, ast.AnnAssign) and ast.unparse(node.target) == "LOSSES"
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
    doc = parse_docstring(strategy.doc)
    when, cost, risk = (doc.sections.get(heading, "") for heading in ("When", "Cost", "Risk"))
    return Method(
        name,
        kind,
        family,
        _TRAIN_DEFAULTS[kind] == name,
        doc.summary,
        doc.formula,
        when,
        cost,
        risk,
        _options(name, family, strategy.defaults, doc),
        doc.sections.get("References", ""),
        _examples(name, kind, family, strategy.defaults),
    )


def _options(
    name: str, family: str, defaults: Mapping[str, Any], doc: Docstring
) -> tuple[MethodOption, ...]:
    described = {option: doc.arguments.get(option, "") for option in defaults}
    described |= {option: _BESIDE[option] for option in _options_beside(name, family)}
    return tuple(
        MethodOption(
            _flag(option), _DEFAULT_WORDS.get(option, _TRAIN_DEFAULTS[option]), description
        )
        for option, description in described.items()
        if option in _TRAIN_DEFAULTS
    )


def _options_beside(name: str, family: str) -> list[str]:
    own = {"softmax": ["minority_share"], "recency-bias": ["window"]}.get(name, [])
    return own + ["score_warmup"] * (family == "example score")


def _examples(name: str, kind: str, family: str, defaults: Mapping[str, Any]) -> tuple[str, ...]:
    """Commands that use a method: alone with its options, and together with another."""
    settings = [f"--{kind} {name}"]
    for option, default in defaults.items():
        if option in _TRAIN_DEFAULTS and option != "epochs":
            usual = _TRAIN_DEFAULTS[option]
            value = default if usual is None else usual
            if value is not None:
                settings.append(f"{_flag(option)} {_as_typed(value)}")
    examples = [f"dsample train data.csv {' '.join(settings)}"]
    if family in ("resampling", "example score"):
        examples.append(f"dsample train data.csv --score {name}+sqrt")
    if kind == "schedule":
        examples[:0] = [f"dsample schedule data.csv {' '.join(settings)}"]
        follower = "cyclic" if name == "warmup" else name
        examples.append(f"dsample train data.csv --schedule warmup:2+{follower}")
    return tuple(examples)


def _as_typed(value: str | float) -> str:
    return value if isinstance(value, str) else f"{value:g}"


def _flag(option: str) -> str:
    return f"--{option.replace('_', '-')}"
