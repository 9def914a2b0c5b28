"""Where options come from: flag, DSAMPLE_* variable, config file, preset, default."""

import pytest

from dsample_cli.core.config import TrainConfig
from dsample_cli.errors import RunError


@pytest.fixture
def resolved(dsample, monkeypatch):
    """The config that `dsample train data.csv` would train with."""

    def resolve(*args: object) -> TrainConfig:
        seen: list[TrainConfig] = []

        def remember(config: TrainConfig, *rest: object) -> None:
            seen.append(config)
            raise RunError("Not trained.", "This is a test.")

        monkeypatch.setattr("dsample_cli.workflows.train.train", remember)
        done = dsample("train", *args)
        assert seen, done.err
        return seen[0]

    return resolve


@pytest.fixture
def config_file(tmp_path):
    def write(content: str) -> str:
        (tmp_path / "options.toml").write_text(content, encoding="utf-8")
        return "options.toml"

    return write


def test_each_source_wins_over_the_next(resolved, config_file, monkeypatch):
    config_file("batch-size = 64\n")
    assert resolved("data.csv").batch_size == 32
    assert resolved("data.csv", "--preset", "paper").batch_size == 128
    sources = ["data.csv", "--preset", "paper", "--config", "options.toml"]
    assert resolved(*sources).batch_size == 64
    monkeypatch.setenv("DSAMPLE_BATCH_SIZE", "16")
    assert resolved(*sources).batch_size == 16
    assert resolved(*sources, "--batch-size", "8").batch_size == 8


def test_the_order_of_preset_and_config_on_the_line_does_not_matter(resolved, config_file):
    file = config_file("batch-size = 64\n")
    for args in (["--preset", "paper", "--config", file], ["--config", file, "--preset", "paper"]):
        config = resolved("data.csv", *args)
        assert (config.batch_size, config.optimizer) == (64, "adam")


def test_a_flag_that_repeats_the_default_still_wins(resolved, config_file):
    file = config_file("batch-size = 64\n")
    assert resolved("data.csv", "--config", file, "--batch-size", "32").batch_size == 32


def test_the_paper_preset_reaches_the_training(resolved):
    config = resolved("data.csv", "--preset", "paper", "--model", "tiny")
    assert (config.lr, config.temperature, config.patience) == (1e-5, 1.0, 6)
    assert (config.order, config.select_on, config.model) == ("file", "loss", "tiny")


def test_a_preset_can_stand_in_the_config_file(resolved, config_file):
    file = config_file('preset = "paper"\nepochs = 5\n')
    config = resolved("data.csv", "--config", file)
    assert (config.optimizer, config.epochs) == ("adam", 5)


def test_a_config_file_can_hold_the_data_and_every_kind_of_option(resolved, config_file):
    file = config_file(
        'data = "x.csv"\nlr = 3e-5\ntemperature = "auto"\nlabel_column = "kind"\n'
        'text-column = ["question", "answer"]\nkeep-checkpoints = true\n'
    )
    config = resolved("--config", file)
    assert config.data.endswith("/x.csv")
    assert (config.lr, config.temperature) == (3e-5, "auto")
    assert (config.label_column, config.text_column) == ("kind", ("question", "answer"))
    assert config.keep_checkpoints


def test_one_text_column_in_a_config_file_may_be_a_string(resolved, config_file):
    file = config_file('text-column = "body text"\n')
    assert resolved("data.csv", "--config", file).text_column == ("body text",)


def test_a_table_of_a_config_file_belongs_to_its_command(resolved, config_file, dsample, tickets):
    file = config_file('label-column = "label"\n[train]\nbatch-size = 7\n[predict]\ntop = 1\n')
    config = resolved("data.csv", "--config", file)
    assert (config.batch_size, config.label_column) == (7, "label")
    assert dsample("analyze", tickets, "--config", file, "--json").code == 0


def test_a_wrong_type_in_a_config_file_names_the_option(fails, config_file, tickets):
    file = config_file('epochs = "many"\n')
    fails(
        *("train", tickets, "--config", file),
        kind="UsageError",
        message="--epochs",
        hint="--help",
        code=2,
    )


def test_a_run_keeps_only_what_was_resolved(resolved, monkeypatch):
    monkeypatch.setenv("DSAMPLE_SCHEDULE", "warmup")
    monkeypatch.setenv("DSAMPLE_WARMUP_EPOCHS", "1")
    config = resolved("data.csv", "--epochs", "4")
    assert (config.schedule, config.warmup_epochs) == ("warmup", 1)


def test_the_workspace_comes_from_the_flag_then_the_variable(
    dsample, tickets, tmp_path, monkeypatch
):
    assert dsample("analyze", tickets, "-q").code == 0
    assert (tmp_path / "dsample_workspace" / "workspace.json").is_file()
    monkeypatch.setenv("DSAMPLE_WORKSPACE", "from_variable")
    assert dsample("analyze", tickets, "-q").code == 0
    assert (tmp_path / "from_variable" / "workspace.json").is_file()
    assert dsample("analyze", tickets, "-q", "--workspace", "from_flag").code == 0
    assert (tmp_path / "from_flag" / "workspace.json").is_file()


def test_json_can_be_asked_for_by_variable(dsample, monkeypatch):
    monkeypatch.setenv("DSAMPLE_JSON", "1")
    assert dsample("runs", "list").json == {"runs": []}
    assert dsample("analyze", "none.csv").json["error"]["type"] == "DataError"
