"""Files that betray themselves: a pickle and a model with code that write a file when they run."""

import json
import pickle
from pathlib import Path
from typing import Any

_CODE = """
import os
from pathlib import Path

import torch
from transformers import PreTrainedConfig, PreTrainedModel, PreTrainedTokenizerFast
from transformers.modeling_outputs import SequenceClassifierOutput

Path(os.environ["PLANTED"]).write_text("ran")


class PlantedConfig(PreTrainedConfig):
    model_type = "planted"

    def __init__(self, vocab_size=100, hidden_size=16, **options):
        super().__init__(**options)
        self.vocab_size, self.hidden_size = vocab_size, hidden_size


class PlantedTokenizer(PreTrainedTokenizerFast):
    pass


class PlantedModel(PreTrainedModel):
    config_class = PlantedConfig
    base_model_prefix = "encoder"

    def __init__(self, config):
        super().__init__(config)
        self.embeddings = torch.nn.Embedding(config.vocab_size, config.hidden_size)
        self.classifier = torch.nn.Linear(config.hidden_size, config.num_labels)
        self.post_init()

    def get_input_embeddings(self):
        return self.embeddings

    def set_input_embeddings(self, value):
        self.embeddings = value

    def forward(self, input_ids, attention_mask=None, **ignored):
        mask = attention_mask.unsqueeze(-1).to(self.embeddings.weight.dtype)
        pooled = (self.embeddings(input_ids) * mask).sum(1) / mask.sum(1)
        return SequenceClassifierOutput(logits=self.classifier(pooled))
"""


def make_planted_model(folder: Path) -> None:
    """Save a model that no library has, with its code."""
    import torch
    from safetensors.torch import save_file

    from dsample_cli.training.tiny import train_tokenizer

    tokenizer = train_tokenizer(["invoice charge password account down offline case"] * 3)
    tokenizer.save_pretrained(folder)
    (folder / "planted.py").write_text(_CODE)
    config = {
        "model_type": "planted",
        "vocab_size": len(tokenizer),
        "architectures": ["PlantedModel"],
        "auto_map": {
            "AutoConfig": "planted.PlantedConfig",
            "AutoModelForSequenceClassification": "planted.PlantedModel",
        },
    }
    (folder / "config.json").write_text(json.dumps(config))
    embeddings = torch.randn(len(tokenizer), 16, generator=torch.Generator().manual_seed(0))
    save_file({"embeddings.weight": embeddings}, folder / "model.safetensors", {"format": "pt"})


class Writes:
    """What, unpickled, writes a file."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.write_text, (self.marker, "a pickle was loaded")


def pickle_that_writes(marker: Path) -> bytes:
    """A pickle that writes a file when it is loaded."""
    return pickle.dumps(Writes(marker))
