"""A trained run's model, ready to answer."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from dsample_cli.core.class_scores import Floats
from dsample_cli.core.corrections import Correction, no_correction, softmax
from dsample_cli.core.heads import BesideHead
from dsample_cli.core.priors import shift_prior
from dsample_cli.errors import RunError
from dsample_cli.runs.run import Run

if TYPE_CHECKING:
    from dsample_cli.training.devices import Device
    from dsample_cli.training.onnx_export import OnnxModel
    from dsample_cli.training.tokenization import Collator

# What run.json calls the head of a run that was trained with one.
COSINE = "cosine"
# Texts from which on it is worth while to pack a model's weights.
_MANY_TEXTS = 100


@dataclass(frozen=True)
class TrainedModel:
    """A loaded classifier with what it needs to read text.

    Attributes:
        names: Label id -> name.
        max_length: Tokens that training kept.
        head: What gives the logits in place of the last layer, which cannot hold it.
        correction: What the last layer cannot hold, applied to the logits.
        shift: Class prior of the model and the one that its probabilities are to stand for.
        graph: What gives the logits in place of network, head and correction, all of which it has;
            the network is None then.
    """

    network: Any
    tokenizer: Any
    device: "Device"
    names: tuple[str, ...]
    max_length: int
    head: BesideHead | None = None
    correction: Correction | None = None
    shift: tuple[Floats, Floats] | None = None
    graph: "OnnxModel | None" = None

    def logits(
        self,
        texts: Sequence[Sequence[str]],
        on_rows: Callable[[int], None] = lambda count: None,
    ) -> NDArray[np.floating]:
        """Logits of texts (a sequence per text column), shape [N, C]."""
        return self.collated_logits(self.collate(texts), on_rows)

    def collated_logits(
        self, collator: "Collator", on_rows: Callable[[int], None] = lambda count: None
    ) -> NDArray[np.floating]:
        """Logits of what `collate` gave, shape [N, C]."""
        if self.graph is not None:
            return self.graph.predict(collator, on_rows)
        from dsample_cli.training.features import pooled_features
        from dsample_cli.training.inference import predict_logits
        from dsample_cli.training.packed import packed

        device = self.device
        with packed(self.network, device) if _are_many(collator) else nullcontext():
            if self.head is None:
                logits: NDArray[np.floating] = predict_logits(
                    self.network, collator, device, len(self.names), on_rows
                )
            else:
                logits = self.head(*pooled_features(self.network, collator, device, on_rows))
        return logits if self.correction is None else self.correction(logits)

    def features(
        self,
        texts: Sequence[Sequence[str]],
        on_rows: Callable[[int], None] = lambda count: None,
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """What the network's last layer reads of texts and gives, shape [N, D] and [N, C].

        Raises:
            ConfigError: If its logits are not those of a linear layer.
        """
        from dsample_cli.training.features import pooled_features

        return pooled_features(self.network, self.collate(texts), self.device, on_rows)

    def logits_of(self, features: NDArray[np.float32]) -> NDArray[np.floating]:
        """Logits of what `features` gave for some texts, shape [N, C]."""
        from dsample_cli.training.features import last_layer_logits

        logits: NDArray[np.floating] = last_layer_logits(self.network, features, self.device)
        if self.head is not None:
            logits = self.head(features, logits)
        return logits if self.correction is None else self.correction(logits)

    def norms_and_bias(self) -> tuple[Floats, Floats] | None:
        """Of each class in the layer that gives the logits; None if that is not linear."""
        from dsample_cli.training.heads import head_parameters

        return None if self.head is not None else head_parameters(self.network)

    def probabilities(
        self,
        texts: Sequence[Sequence[str]],
        on_rows: Callable[[int], None] = lambda count: None,
    ) -> NDArray[np.float64]:
        """Class probabilities of texts, shape [N, C]."""
        return self.as_probabilities(self.logits(texts, on_rows))

    def as_probabilities(self, logits: NDArray[np.floating]) -> NDArray[np.float64]:
        """Class probabilities of logits of this model, shape [N, C]."""
        probabilities = softmax(logits)
        return probabilities if self.shift is None else shift_prior(probabilities, *self.shift)

    def collate(self, texts: Sequence[Sequence[str]]) -> "Collator":
        """Texts as rows of tokens, ready to be batched."""
        from dsample_cli.training.tokenization import make_collator, tokenize

        return make_collator(self.tokenizer, tokenize(self.tokenizer, texts, self.max_length))


def open_model(
    run: Run,
    manifest: dict[str, Any],
    device: str = "auto",
    precision: str = "auto",
    trust_remote_code: bool = False,
) -> TrainedModel:
    """Load the model of a completed run.

    Args:
        run: The run.
        manifest: Its run.json.
        device: As in training.
        precision: As in training.
        trust_remote_code: Whether Python code that was stored with the model is run.

    Raises:
        ConfigError: If the device is not to be had or model/ is damaged.
        RunError: If head.safetensors is damaged, or model/ is of other classes than the run.
    """
    from dsample_cli.training.devices import choose_device
    from dsample_cli.training.encoders import load_trained
    from dsample_cli.training.heads import read_beside

    chosen = choose_device(device, precision)
    with run.reading():
        network, tokenizer = load_trained(run.model_dir, trust_remote_code)
    _check_classes(run, network.config.id2label, manifest["labels"])
    tokenizer.truncation_side = manifest["config"]["truncation-side"]
    return TrainedModel(
        network.to(chosen.type),
        tokenizer,
        chosen,
        tuple(manifest["labels"]),
        manifest["config"]["max-length"],
        read_beside(run.head_file) if has_head_beside(manifest) else None,
        read_correction(manifest) if is_kept_beside(manifest) else None,
    )


def _check_classes(run: Run, of_model: Mapping[int, str], of_run: Sequence[str]) -> None:
    """Refuse a model whose classes are not those of the run, in the run's order."""
    if dict(of_model) != dict(enumerate(of_run)):
        raise RunError(
            f"The classes in {run.model_dir / 'config.json'} are not those in {run.manifest_file}.",
            f"Make the run again with: dsample train --config {run.config_file}",
        )


def _are_many(collator: "Collator") -> bool:
    return len(collator.tokens) >= _MANY_TEXTS


def uncorrected(model: TrainedModel, manifest: dict[str, Any]) -> TrainedModel:
    """The model of a run without the run's correction."""
    from dsample_cli.training.heads import unfold

    if (manifest.get("correction") or {}).get("folded"):
        correction = read_correction(manifest)
        unfold(model.network, correction.scale, correction.bias)
    return replace(model, correction=None)


def has_head_beside(manifest: dict[str, Any]) -> bool:
    """Whether a run's head is not the last layer of its model."""
    is_refitted = bool((manifest.get("refit") or {}).get("kept_beside"))
    return is_refitted or has_cosine_head(manifest)


def has_cosine_head(manifest: dict[str, Any]) -> bool:
    """Whether a run has the cosine head that training made, which a refit replaces."""
    return manifest.get("head") == COSINE


def is_kept_beside(manifest: dict[str, Any]) -> bool:
    """Whether a run's correction is not in its model's last layer."""
    entry = manifest.get("correction") or {"method": "none"}
    return entry["method"] != "none" and not entry["folded"]


def read_correction(manifest: dict[str, Any]) -> Correction:
    """The correction of a run; one that changes nothing for runs without."""
    names, entry = manifest["labels"], manifest.get("correction")
    if not entry:
        return no_correction(len(names))
    scale, bias = (np.array([entry[key][name] for name in names]) for key in ("scale", "bias"))
    return Correction(scale, bias, entry["strengths"])
