"""Models from strangers: what is no model is told, what is a program is not run."""

import json
import shutil
import struct
import sys
import threading
import time
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from huggingface_hub import constants
from safetensors.torch import load_file, save_file

from dsample_cli.errors import ConfigError, DsampleError, MissingExtraError, RunError
from dsample_cli.runs.run import Run
from dsample_cli.training import downloads, encoders
from dsample_cli.training.encoders import load_for_training, load_tokenizer, load_trained
from dsample_cli.workflows.model import open_model
from tests.helpers import make_tickets
from tests.trust.fake_hub import REPO, serving
from tests.trust.mutated_models import REFUSED, WORKS, load, make_model, mutate
from tests.trust.planted import make_planted_model, pickle_that_writes

LABELS = ["a", "b", "c"]
SECRET = "hf_thisisasecrettoken"

pytestmark = pytest.mark.usefixtures("blank_pictures")


@pytest.fixture(scope="module")
def saved(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("saved")
    make_model(folder)
    return folder


@pytest.fixture
def model(saved, tmp_path) -> Path:
    return Path(shutil.copytree(saved, tmp_path / "stranger"))


def refused(model, *parts, way=None) -> ConfigError:
    """Check that a folder is refused, by both ways of loading it, with a hint; give the error."""
    ways = [lambda: load_for_training(str(model), LABELS, [[]]), lambda: load_trained(model)]
    for load_it in ways if way is None else [ways[way]]:
        began = time.monotonic()
        with pytest.raises(ConfigError) as caught:
            load_it()
        assert time.monotonic() - began < 20
        for part in (*parts, str(model)):
            assert part in caught.value.message
        assert caught.value.hint
    return caught.value


def edit(file: Path, **entries) -> None:
    file.write_text(json.dumps(json.loads(file.read_text()) | entries))


class TestPickles:
    @pytest.mark.parametrize(
        "names",
        [
            ["pytorch_model.bin"],
            ["pytorch_model-00001-of-00002.bin", "pytorch_model.bin.index.json"],
            ["model.pt", "training_args.bin"],
            ["last.ckpt"],
        ],
    )
    def test_they_are_refused_and_not_loaded(self, model, tmp_path, names):
        (model / "model.safetensors").unlink()
        for name in names:
            (model / name).write_bytes(pickle_that_writes(tmp_path / "marker"))
        error = refused(model, "are a pickle", names[0], "A pickle is a program")
        assert ("weights_only=True" in error.hint) == names[0].startswith("pytorch_model")
        assert not (tmp_path / "marker").exists()

    @pytest.mark.parametrize("shards", [1, 2])
    def test_the_conversion_that_is_told_gives_the_same_weights(self, model, monkeypatch, shards):
        weights = load_file(model / "model.safetensors")
        (model / "model.safetensors").unlink()
        names = sorted(weights)
        for k in range(shards):
            part = {name: weights[name] for name in names[k::shards]}
            torch.save(part, model / f"pytorch_model-{k}.bin")
        program = refused(model).hint.partition('python -c "')[2].rpartition('"')[0]
        monkeypatch.chdir(model)
        exec(program, {})
        found = load_file("model.safetensors")
        assert all(torch.equal(found[name], weights[name]) for name in names)
        load_trained(model)

    def test_the_conversion_that_is_told_runs_no_program(self, model, monkeypatch, tmp_path):
        (model / "model.safetensors").unlink()
        (model / "pytorch_model.bin").write_bytes(pickle_that_writes(tmp_path / "marker"))
        program = refused(model).hint.partition('python -c "')[2].rpartition('"')[0]
        monkeypatch.chdir(model)
        with pytest.raises(Exception, match=r"[Ww]eights.only"):
            exec(program, {})
        assert not (tmp_path / "marker").exists()

    def test_beside_safetensors_they_do_not_matter(self, model, tmp_path):
        (model / "pytorch_model.bin").write_bytes(pickle_that_writes(tmp_path / "marker"))
        load_trained(model)
        assert not (tmp_path / "marker").exists()


@pytest.mark.parametrize(
    ("name", "part"),
    [
        ("tf_model.h5", "are in tf_model.h5"),
        ("flax_model.msgpack", "are in flax_model.msgpack"),
        ("model.gguf", "are in model.gguf"),
        ("shard-00000-model-00001-of-00002.safetensors", "distributed checkpoint"),
        ("adapter_config.json", "is an adapter"),
    ],
)
def test_other_weights_are_refused(model, name, part):
    (model / "model.safetensors").unlink()
    (model / name).write_text("{}")
    refused(model, part)


class TestShards:
    @pytest.fixture
    def sharded(self, model) -> Path:
        weights = load_file(model / "model.safetensors")
        (model / "model.safetensors").unlink()
        places = {}
        for k, name in enumerate(sorted(weights)):
            places[name] = f"model-{k % 2}.safetensors"
        for file in set(places.values()):
            part = {name: weights[name] for name, place in places.items() if place == file}
            save_file(part, model / file, {"format": "pt"})
        self.write_index(model, places)
        return model

    def write_index(self, model, places) -> None:
        index = {"metadata": {"total_size": 1}, "weight_map": places}
        (model / "model.safetensors.index.json").write_text(json.dumps(index))

    def test_they_work(self, sharded):
        load_trained(sharded)
        load_for_training(str(sharded), LABELS, [[]])

    @pytest.mark.parametrize(
        "place", ["../other.safetensors", "/other.safetensors", "pytorch_model.bin", "..", ""]
    )
    def test_an_index_that_leaves_the_folder_is_not_followed(self, sharded, saved, place):
        shutil.copyfile(saved / "model.safetensors", sharded.parent / "other.safetensors")
        if place.startswith("/"):
            place = str(sharded.parent / place[1:])
        self.write_index(sharded, dict.fromkeys(load_file(saved / "model.safetensors"), place))
        refused(sharded, "is no safetensors file of the folder")

    @pytest.mark.parametrize("content", ["", "[]", "{}", '{"weight_map": 1}', '{"metadata": {}}'])
    def test_a_damaged_index(self, sharded, content):
        (sharded / "model.safetensors.index.json").write_text(content)
        refused(sharded, "model.safetensors.index.json is")

    def test_a_missing_shard(self, sharded):
        (sharded / "model-1.safetensors").unlink()
        refused(sharded, "model-1.safetensors is damaged or cut off")


CONFIGS = {
    "not JSON": ("{", "config.json is damaged"),
    "no object": ("[]", "config.json is no JSON object"),
    "deep": ("[" * 100_000, "config.json is damaged"),
    "empty": ("", "config.json is damaged"),
    "no type": ('{"vocab_size": 5}', "model_type"),
}
ENTRIES: dict[str, tuple[dict[str, Any], str]] = {
    "unknown type": ({"model_type": "nothing-known"}, "nothing-known"),
    "no classifier": ({"model_type": "marian"}, "MarianConfig"),
    "wide": ({"hidden_size": 10**9}, "hidden_size = 1000000000"),
    "wider than its files": ({"intermediate_size": 2**22}, "and its files hold"),
    "deep": ({"num_hidden_layers": 10**9}, "num_hidden_layers = 1000000000"),
    "long": ({"vocab_size": 10**9}, "vocab_size = 1000000000"),
    "other width": ({"hidden_size": 18}, "another shape"),
    "odd heads": ({"num_attention_heads": 3}, "attention heads"),
    "text for a number": ({"hidden_size": "x"}, "hidden_size"),
    "null": ({"hidden_size": None}, "holds no usable model"),
    "quantised": ({"quantization_config": {"quant_method": "gptq"}}, "quantised"),
    "code for attention": ({"attn_implementation": "someone/kernel"}, "code of the hub"),
    "another file": ({"transformers_weights": "adapter_model.bin"}, "names a file of weights"),
}


class TestDamagedConfigs:
    @pytest.mark.parametrize("case", CONFIGS)
    def test_what_is_no_config(self, model, case):
        content, part = CONFIGS[case]
        (model / "config.json").write_text(content)
        refused(model, part)

    @pytest.mark.parametrize("case", ENTRIES)
    def test_what_no_model_has(self, model, case):
        entries, part = ENTRIES[case]
        edit(model / "config.json", **entries)
        refused(model, part)

    def test_a_hundred_million_classes(self, model):
        edit(model / "config.json", num_labels=10**8, id2label=None, label2id=None)
        refused(model, "num_labels = 100000000")

    def test_ten_megabytes(self, model):
        edit(model / "config.json", more="x" * 11_000_000)
        refused(model, "larger than 10 MB")


def with_header(file: Path, change) -> None:
    content = file.read_bytes()
    (size,) = struct.unpack("<Q", content[:8])
    header = json.loads(content[8 : 8 + size])
    change(header)
    made = json.dumps(header).encode()
    file.write_bytes(struct.pack("<Q", len(made)) + made + content[8 + size :])


class TestDamagedWeights:
    @pytest.mark.parametrize("size", [0, 7, 100, 20_000])
    def test_cut_off(self, model, size):
        file = model / "model.safetensors"
        file.write_bytes(file.read_bytes()[:size])
        refused(model, "model.safetensors is damaged or cut off")

    @pytest.mark.parametrize("length", [0, 1, 2**20, 2**40, 2**64 - 1])
    def test_a_header_that_lies(self, model, length):
        file = model / "model.safetensors"
        file.write_bytes(struct.pack("<Q", length) + file.read_bytes()[8:])
        refused(model, "model.safetensors is damaged or cut off")

    def test_integers_in_place_of_weights(self, model):
        name = "classifier.weight"
        with_header(model / "model.safetensors", lambda h: h[name].update(dtype="I32"))
        refused(model, "classifier.weight as I32")

    def test_other_shapes(self, model):
        name = "bert.encoder.layer.0.attention.self.query.weight"
        with_header(model / "model.safetensors", lambda h: h[name].update(shape=[8, 32]))
        refused(model, "another shape", way=0)

    def test_tensors_that_are_absent(self, model):
        weights = load_file(model / "model.safetensors")
        kept = {name: w for name, w in weights.items() if "classifier" not in name}
        save_file(kept, model / "model.safetensors", {"format": "pt"})
        load_for_training(str(model), LABELS, [[]])
        refused(model, "its files lack 2 of", way=1)

    def test_weights_of_another_model(self, model):
        weights = load_file(model / "model.safetensors")
        other = {f"other.{name}": weight for name, weight in weights.items()}
        save_file(other, model / "model.safetensors", {"format": "pt"})
        refused(model, "its files lack")

    def test_what_is_no_number(self, model):
        weights = load_file(model / "model.safetensors")
        weights["bert.embeddings.word_embeddings.weight"][:] = torch.nan
        save_file(weights, model / "model.safetensors", {"format": "pt"})
        refused(model, "no finite numbers")


class TestDamagedTokenizers:
    @pytest.mark.parametrize("content", ["", "{", "[]", "{}", '{"model": {"type": "x"}}'])
    def test_what_is_none(self, model, content):
        (model / "tokenizer.json").write_text(content)
        refused(model, "holds no usable model")

    def test_no_vocabulary(self, model):
        content = json.loads((model / "tokenizer.json").read_text())
        content["added_tokens"], content["model"]["vocab"] = [], {}
        (model / "tokenizer.json").write_text(json.dumps(content))
        (model / "tokenizer_config.json").unlink()
        refused(model)

    def test_more_tokens_than_the_model_knows(self, model):
        content = json.loads((model / "tokenizer.json").read_text())
        content["model"]["vocab"]["zebra"] = 10**6
        (model / "tokenizer.json").write_text(json.dumps(content))
        refused(model, "ids up to 1000000")

    def test_an_added_token_gets_a_row_in_an_encoder(self, model):
        tokenizer = load_tokenizer(str(model))
        tokenizer.add_tokens(["<new>"])
        tokenizer.save_pretrained(model)
        network, tokenizer = load_for_training(str(model), LABELS, [[]])
        assert network.get_input_embeddings().num_embeddings == len(tokenizer)
        refused(model, "ids up to", way=1)

    def test_texts_of_no_length(self, model):
        edit(model / "tokenizer_config.json", model_max_length=1)
        refused(model, "model_max_length 1")

    def test_inputs_that_it_does_not_give(self, model):
        edit(model / "tokenizer_config.json", model_input_names=["input_ids", "pixels"])
        refused(model, "model_input_names")

    def test_another_ones_tokenizer(self, model):
        with pytest.raises(ConfigError, match="does not belong"):
            load_for_training("tiny", LABELS, [["one", "two"]], tokenizer=str(model))


@pytest.mark.parametrize("seed", range(40))
def test_a_damaged_model_works_or_is_refused(model, seed):
    """`python -m tests.trust.mutated_models` tries thousands."""
    how = mutate(model, seed)
    assert load(model) in (WORKS, REFUSED), how


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A folder with the model, a table, and a workspace with a run of it; and the marker."""
    folder = tmp_path_factory.mktemp("planted")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setenv("PLANTED", str(folder / "marker"))
        patch.setattr("transformers.dynamic_module_utils.HF_MODULES_CACHE", str(folder / "modules"))
        patch.setattr(sys, "path", list(sys.path))  # transformers puts that folder there
        make_planted_model(folder / "model")
        (folder / "tickets.csv").write_text(make_tickets(), encoding="utf-8")
        yield folder


class TestCodeOfAModel:
    """A model that comes with code, which writes a file when it is run."""

    @pytest.fixture
    def run(self, made, dsample, monkeypatch):
        """Run a command; give its outcome and whether the code was run."""
        monkeypatch.chdir(made)
        marker = made / "marker"

        def call(*args):
            marker.unlink(missing_ok=True)
            for name in [n for n in sys.modules if n.startswith("transformers_modules.")]:
                del sys.modules[name]  # so that it would be run once more
            done = dsample(*args)
            return done, marker.exists()

        return call

    TRAIN = ("train", "tickets.csv", "--model", "model", "--epochs", "1")

    @pytest.fixture
    def stored(self, made, run):
        if not (made / "dsample_workspace").exists():
            done, was_run = run(*self.TRAIN, "--trust-remote-code", "--json")
            assert (done.code, was_run) == (0, True), done.err
            (made / "run").write_text(done.json["path"])
        return Path((made / "run").read_text())

    @pytest.mark.parametrize(
        "command",
        [
            ("predict", "tickets.csv", "-o", "out.jsonl"),
            ("predict", "tickets.csv", "-o", "out.jsonl", "--engine", "onnx"),
            ("evaluate", "tickets.csv"),
            ("refit",),
            ("correct", "--method", "none"),
            ("export", "--to", "out", "--format", "onnx"),
            TRAIN,
            ("train", "tickets.csv", "--model", "tiny", "--tokenizer", "model"),
        ],
        ids=" ".join,
    )
    def test_it_is_not_run(self, stored, run, command: tuple[str, ...], monkeypatch):
        if command[0] != "train":
            command = (*command, "--run", stored.name)
        monkeypatch.setattr("builtins.input", lambda *_: pytest.fail("asked"))
        if "--tokenizer" in command:
            edit(stored.parents[2] / "model/tokenizer_config.json", **TOKENIZER_CODE)
        done, was_run = run(*command)
        assert (done.code, was_run) == (1, False), done.err
        assert "comes with Python code of its own, which is not run" in done.err
        assert "--trust-remote-code" in done.err.splitlines()[-1]

    @pytest.mark.parametrize(
        "command",
        [
            ("predict", "tickets.csv", "-o", "out.jsonl"),
            ("evaluate", "tickets.csv"),
            ("refit", "--epochs", "1"),
            ("correct", "--method", "none"),
        ],
        ids=" ".join,
    )
    def test_it_is_run_by_those_who_say_so(self, stored, run, command):
        assert (stored / "model" / "planted.py").is_file()
        done, was_run = run(*command, "--run", stored.name, "--trust-remote-code")
        assert (done.code, was_run) == (0, True), done.err

    def test_a_run_that_goes_on_asks_again(self, stored, run):
        assert "trust" not in (stored / "config.toml").read_text()
        manifest = stored / "run.json"
        assert "trust-remote-code" not in json.loads(manifest.read_text())["config"]
        edit(manifest, status="interrupted")
        done, was_run = run("train", "--resume", stored.name)
        assert (done.code, was_run) == (1, False), done.err
        done, was_run = run("train", "--resume", stored.name, "--trust-remote-code")
        assert (done.code, was_run) == (0, True), done.err

    def test_a_sweep_asks_too(self, stored, run):
        command = ("sweep", *self.TRAIN[1:], "--seed", "3", "--workspace", "swept")
        done, was_run = run(*command)
        assert (done.code, was_run) == (1, False), done.err
        done, was_run = run(*command, "--trust-remote-code")
        assert (done.code, was_run) == (0, True), done.err

    @pytest.mark.parametrize("name", ["trust-remote-code", "trust_remote_code"])
    def test_no_file_says_so(self, stored, run, name):
        Path("own.toml").write_text(f"{name} = true\n")
        commands: list[tuple[str, ...]] = [self.TRAIN, ("predict", "tickets.csv")]
        for command in [*commands, ("sweep", *self.TRAIN[1:])]:
            done, was_run = run(*command, "--config", "own.toml")
            assert (done.code, was_run) == (1, False), done.err
            assert "trust-remote-code is not taken from a file" in done.err
        manifest = json.loads((stored / "run.json").read_text())
        config = manifest["config"] | {name: True}
        (stored / "run.json").write_text(json.dumps(manifest | {"config": config}))
        for command in (("predict", "tickets.csv", "-o", "o"), ("refit",)):
            done, was_run = run(*command, "--run", stored.name)
            assert (done.code, was_run) == (1, False), done.err
        (stored / "run.json").write_text(json.dumps(manifest))

    def test_minilm_runs_none_in_any_case(self, made, monkeypatch, tmp_path):
        folder = made / "model"
        monkeypatch.setattr(encoders, "find_minilm", lambda: str(folder))
        (made / "marker").unlink(missing_ok=True)
        with pytest.raises(ConfigError, match="which is not run"):
            load_for_training("minilm", LABELS, [[]], trust_remote_code=True)
        assert not (made / "marker").exists()


TOKENIZER_CODE = {
    "auto_map": {"AutoTokenizer": ["planted.PlantedTokenizer", None]},
    "tokenizer_class": "PlantedTokenizer",
}


class TestHub:
    @pytest.fixture
    def hub(self, saved, tmp_path, monkeypatch):
        folder = Path(shutil.copytree(saved, tmp_path / "served"))
        downloads.hub_is_reachable.cache_clear()
        with serving(folder) as hub:
            for name in ("HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy", "ALL_PROXY"):
                monkeypatch.delenv(name, raising=False)
            template = hub.address + "/{repo_id}/resolve/{revision}/{filename}"
            for name, value in {
                "ENDPOINT": hub.address,
                "HUGGINGFACE_CO_URL_TEMPLATE": template,
                "HF_HUB_CACHE": str(tmp_path / "cache"),
                "HF_HUB_ETAG_TIMEOUT": 0.3,
                "HF_HUB_DOWNLOAD_TIMEOUT": 0.3,
                "DOWNLOAD_CHUNK_SIZE": 1024,
                "HF_HUB_OFFLINE": False,
            }.items():
                monkeypatch.setattr(constants, name, value)
            monkeypatch.setattr("huggingface_hub.file_download.time.sleep", lambda seconds: None)
            monkeypatch.setenv("HF_TOKEN", SECRET)
            yield hub
        downloads.hub_is_reachable.cache_clear()

    def load(self):
        return load_for_training(REPO, LABELS, [[]])

    def fails(self) -> DsampleError:
        began = time.monotonic()
        with pytest.raises(ConfigError) as caught:
            self.load()
        assert time.monotonic() - began < 10
        assert REPO in caught.value.message
        assert SECRET not in f"{caught.value.message} {caught.value.hint}"
        return caught.value

    def test_a_model_is_fetched_once(self, hub, tmp_path):
        (hub.folder / "pytorch_model.bin").write_bytes(b"x")
        (hub.folder / "planted.py").write_text("")
        network, tokenizer = self.load()
        asked = {path.rpartition("/")[2] for _, path, _ in hub.asked}
        assert asked >= {"config.json", "model.safetensors", "tokenizer.json"}
        assert not asked & {"pytorch_model.bin", "planted.py"}
        # No path of this machine is stored.
        network.save_pretrained(tmp_path / "own")
        tokenizer.save_pretrained(tmp_path / "own")
        for name in ("config.json", "tokenizer_config.json"):
            assert str(tmp_path) not in (tmp_path / "own" / name).read_text()
        hub.asked.clear()
        self.load()
        assert not [path for method, path, _ in hub.asked if method == "GET" and "/api" not in path]

    @pytest.mark.parametrize(
        ("fault", "part"),
        [
            ("hang-api", "the hub does not answer"),
            ("hang-file", "the hub does not answer"),
            ("401", "no such model, or does not show it"),
            ("403", "its owner must let you in"),
            ("404", "no such model"),
            ("500", "the hub answered 500"),
            ("cut", "could not be loaded from the model hub"),
            ("noise", "other bytes than the hub announced"),
        ],
    )
    def test_what_fails_is_told_and_then_works(self, hub, fault, part):
        hub.fault = fault
        assert part in self.fails().message
        hub.fault = None
        hub.asked.clear()
        self.load()
        hub.fault = fault
        self.load()  # what was fetched serves while the hub does not

    def test_a_download_goes_on_where_it_stopped(self, hub):
        hub.fault = "cut"
        self.fails()
        starts = [start for _, path, start in hub.asked if path.endswith("model.safetensors")]
        assert max(starts) > 0
        assert starts == sorted(starts)

    def test_a_model_of_pickles_is_refused_and_not_fetched(self, hub, monkeypatch):
        (hub.folder / "model.safetensors").rename(hub.folder / "pytorch_model.bin")

        def converted(*args, **options):
            raise AssertionError("a service was asked to convert it")

        monkeypatch.setattr("transformers.modeling_utils.auto_conversion", converted)
        error = self.fails()
        assert "are a pickle" in error.message
        assert f"hf download {REPO}" in error.hint
        assert not [path for _, path, _ in hub.asked if path.endswith(".bin")]
        assert not [t for t in threading.enumerate() if "conversion" in t.name]

    def test_the_conversion_service_is_switched_off(self):
        from transformers.utils.import_utils import is_env_variable_true

        assert is_env_variable_true("DISABLE_SAFETENSORS_CONVERSION")

    def test_shards_that_leave_the_folder_are_not_fetched(self, hub):
        (hub.folder / "model.safetensors").unlink()
        index = {"metadata": {}, "weight_map": {"x": "../../../etc/x.safetensors"}}
        (hub.folder / "model.safetensors.index.json").write_text(json.dumps(index))
        with pytest.raises(ConfigError, match="is no safetensors file of the folder"):
            self.load()
        assert not [path for _, path, _ in hub.asked if "etc" in path]

    def test_offline_is_respected(self, hub, monkeypatch):
        monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
        assert "HF_HUB_OFFLINE is set" in self.fails().message
        assert not hub.asked
        monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
        self.load()
        hub.asked.clear()
        monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
        self.load()
        assert not hub.asked

    def test_minilm_from_the_hub_must_be_the_known_one(self, hub, monkeypatch):
        monkeypatch.setattr(encoders, "packaged_minilm", lambda: None)
        with pytest.raises(ConfigError, match="does not have the known SHA-256"):
            load_for_training("minilm", LABELS, [[]])
        hub.fault = "hang-api"
        downloads.hub_is_reachable.cache_clear()
        monkeypatch.setattr(constants, "HF_HUB_CACHE", str(hub.folder / "none"))
        with pytest.raises(MissingExtraError):
            load_for_training("minilm", LABELS, [[]])

    def test_the_variables_of_the_hub_are_respected(
        self, hub, dsample_process, tmp_path, monkeypatch
    ):
        (tmp_path / "tickets.csv").write_text(make_tickets(), encoding="utf-8")
        monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
        for name, value in {
            "HF_ENDPOINT": hub.address,
            "HF_HUB_CACHE": str(tmp_path / "another"),
            "HF_HUB_ETAG_TIMEOUT": "1",
        }.items():
            monkeypatch.setenv(name, value)
        hub.fault = "hang-file"
        began = time.monotonic()
        done = dsample_process("train", "tickets.csv", "--model", REPO)
        assert done.code == 1
        assert "the hub does not answer" in done.err
        assert time.monotonic() - began < 60
        assert f"Bearer {SECRET}" in hub.tokens
        stored = [p for p in (tmp_path / "dsample_workspace").rglob("*") if p.is_file()]
        assert stored
        assert SECRET not in done.out + done.err
        assert not [p for p in stored if SECRET.encode() in p.read_bytes()]


class TestGraphs:
    """ONNX graphs in a run, which may have been put there."""

    @pytest.fixture
    def make(self, tmp_path):
        onnx = pytest.importorskip("onnx")
        pytest.importorskip("onnxruntime")
        from onnx import TensorProto, helper

        def make(place="weights.bin", output="logits", domain=""):
            weight = TensorProto(name="w", data_type=TensorProto.FLOAT, dims=[1, 3])
            weight.data_location = TensorProto.EXTERNAL
            for key, value in {"location": place, "offset": "0", "length": "12"}.items():
                weight.external_data.add(key=key, value=value)
            nodes = [
                helper.make_node("Cast", ["input_ids"], ["ids"], to=TensorProto.FLOAT),
                helper.make_node("MatMul", ["ids", "w"], [output], domain=domain),
            ]
            graph = helper.make_graph(
                nodes,
                "g",
                [helper.make_tensor_value_info("input_ids", TensorProto.INT64, ["b", 1])],
                [helper.make_tensor_value_info(output, TensorProto.FLOAT, ["b", 3])],
                [weight],
            )
            versions = [helper.make_opsetid("", 18), helper.make_opsetid("own", 1)]
            made = helper.make_model(graph, opset_imports=versions, ir_version=9)
            folder = tmp_path / "run" / "onnx"
            folder.mkdir(parents=True, exist_ok=True)
            for secret in (folder / "weights.bin", tmp_path / "secret.bin"):
                secret.write_bytes(torch.ones(3).numpy().tobytes())
            (folder / "model.onnx").write_bytes(made.SerializeToString())
            return folder / "model.onnx"

        assert onnx
        return make

    def logits(self, file, classes=3):
        from dsample_cli.training.onnx_export import OnnxModel

        def collator(rows) -> Any:
            return {"input_ids": torch.ones(len(rows), 1, dtype=torch.int64)}

        rows: Any = collator
        return OnnxModel(file, classes).logits(rows, [np.arange(2)])

    def test_one_that_is_right(self, make):
        assert self.logits(make()).tolist() == [[1, 1, 1]] * 2

    @pytest.mark.parametrize("place", ["../../secret.bin", "/secret.bin", "link.bin"])
    def test_weights_outside_of_the_folder_are_not_read(self, make, tmp_path, place):
        if place.startswith("/"):
            place = str(tmp_path / place[1:])
        file = make(place)
        (file.parent / "link.bin").symlink_to(tmp_path / "secret.bin")
        with pytest.raises(RunError, match="is damaged, or the graph of another model"):
            self.logits(file)

    def test_operators_of_a_library_are_not_known(self, make):
        with pytest.raises(RunError, match="is damaged, or the graph of another model"):
            self.logits(make(domain="own"))

    def test_the_graph_of_another_model(self, make):
        with pytest.raises(RunError, match="logits of shape"):
            self.logits(make(), classes=4)
        with pytest.raises(RunError, match="is damaged, or the graph of another model"):
            self.logits(make(output="other"))

    def test_no_graph(self, tmp_path):
        pytest.importorskip("onnxruntime")
        (tmp_path / "model.onnx").write_bytes(b"no graph")
        with pytest.raises(RunError, match="is damaged, or the graph of another model"):
            self.logits(tmp_path / "model.onnx")


@pytest.mark.parametrize("names", [["spam", "ham"], ["ham"], ["ham", "spam", "eggs"], []])
def test_a_model_of_other_classes_than_its_run_is_refused(saved, tmp_path, names):
    shutil.copytree(saved, tmp_path / "model")
    config = {"truncation-side": "right", "max-length": 16}
    for labels, is_refused in ((names, True), (["ham", "spam"], False)):
        manifest = {"labels": labels, "config": config}
        expected = (
            pytest.raises(RunError, match="are not those in") if is_refused else nullcontext()
        )
        with expected:
            assert open_model(Run(tmp_path), manifest, "cpu", "fp32").names == ("ham", "spam")


def test_texts_are_in_no_file_of_a_run_and_in_no_log(saved, dsample, tmp_path):
    """Nor in the logs of a tracker; `predict` alone repeats them, where it is asked to."""
    pytest.importorskip("tensorboard")
    secret = "Zqxsentinel"
    lines = make_tickets().splitlines()
    table = [lines[0], *(f"{secret} {line}" for line in lines[1:])]
    (tmp_path / "tickets.csv").write_text("\n".join(table) + "\n", encoding="utf-8")
    options = "--epochs 1 --keep-checkpoints --record-draws --report-to tensorboard --max-length 16"
    done = dsample("train", "tickets.csv", "--model", saved, *options.split(), "--json")
    assert done.code == 0, done.err
    run = Path(done.json["path"])
    files = [file for file in run.rglob("*") if file.is_file()]
    names = {file.relative_to(run).parts[0] for file in files}
    assert names >= {"logs", "checkpoints", "model", "report.html", "run.json", "config.toml"}
    assert secret not in done.out + done.err
    for file in files:
        assert secret.lower().encode() not in file.read_bytes().lower(), file.name
    assert dsample("predict", "tickets.csv", "-o", "out.jsonl").code == 0
    assert secret in Path("out.jsonl").read_text()
