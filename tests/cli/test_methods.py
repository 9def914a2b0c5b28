"""dsample methods."""

import re
import shlex

import pytest
import typer

from dsample_cli.cli.main import app
from dsample_cli.errors import RunError
from dsample_cli.workflows.methods import methods

COMMANDS = typer.main.get_command(app).commands
ALL = methods().methods
KINDS = ("score", "schedule", "loss", "contrastive", "correction", "head", "resampling")


def test_the_json_has_the_keys_of_the_contract(dsample):
    found = dsample("methods", "--json").json
    assert list(found) == ["methods"]
    assert [entry["name"] for entry in found["methods"]] == [method.name for method in ALL]
    for entry in found["methods"]:
        assert list(entry) == [
            *("name", "kind", "summary", "formula", "when", "cost", "risk", "options", "source")
        ]
        assert entry["kind"] in KINDS
        assert all(list(option) == ["flag", "default", "help"] for option in entry["options"])


def test_one_name_gives_one_method(dsample):
    (entry,) = dsample("methods", "warmup", "--json").json["methods"]
    assert entry["name"] == "warmup"
    assert entry["options"][0]["flag"] == "--warmup-epochs"


def test_every_flag_is_an_option_of_the_command_with_the_default_that_is_told():
    for method in ALL:
        command = COMMANDS["refit" if method.kind in ("head", "resampling") else "train"]
        options = {option: p for p in command.params for option in p.opts}
        assert method.flag in options
        for option in method.options:
            default = options[option.flag].default
            assert default is None or str(default) == str(option.default)


def test_the_list_shows_every_name_and_summary(dsample):
    done = dsample("methods")
    assert (done.code, done.err) == (0, "")
    text = " ".join(done.out.split())
    for method in ALL:
        assert re.search(rf"^ +{method.name}( \(default\))?  +\S", done.out, re.MULTILINE)
        assert method.summary in text
    for heading in (
        *("Class scores", "Resampling", "Example scores", "Schedules", "Losses"),
        *("Contrastive losses", "Corrections", "Heads", "Feature resampling"),
    ):
        assert f"\n{heading}\n" in f"\n{done.out}"
    assert done.out.count("(default)") == 5
    assert max(map(len, done.out.splitlines())) <= 110


@pytest.mark.parametrize("method", ALL, ids=lambda method: f"{method.kind}-{method.name}")
def test_a_page_holds_all_that_is_known(dsample, method):
    done = dsample("methods", method.name)
    text = " ".join(done.out.split())
    for part in (method.summary, method.formula, method.when, method.risk, method.source):
        assert part in text
    for option in method.options:
        assert f"{option.flag} {option.help}" in text
    assert all(f"  {example}\n" in done.out for example in method.examples)


EXAMPLES = [example for method in ALL for example in method.examples]


@pytest.mark.parametrize("example", EXAMPLES)
def test_every_example_can_be_typed(dsample, monkeypatch, example):
    def refuse(config, *rest):
        raise RunError(f"Read {config.data}.", "This is a test.")

    def refuse_run(run, *rest):
        raise RunError(f"Read {run}.", "This is a test.")

    monkeypatch.setattr("dsample_cli.workflows.train.train", refuse)
    monkeypatch.setattr("dsample_cli.workflows.schedule.preview_schedule", refuse)
    monkeypatch.setattr("dsample_cli.runs.workspace.Workspace.find_run", lambda self, name: name)
    monkeypatch.setattr("dsample_cli.workflows.refit.refit", refuse_run)
    monkeypatch.setattr("dsample_cli.workflows.correct.correct", refuse_run)
    told = dsample(*shlex.split(example)[1:]).err
    assert any(words in told for words in ("data.csv.", "Read latest.", "Read RUN."))


def test_an_unknown_name_is_refused(fails):
    fails(
        *("methods", "sofmax"),
        kind="ConfigError",
        message="Unknown method 'sofmax'.",
        hint="Did you mean softmax?",
    )
