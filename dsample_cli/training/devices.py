"""Which device, and in which precision."""

import os
from collections.abc import Sequence
from dataclasses import dataclass

import torch

from dsample_cli.core.config import DEVICE_NAMES, PRECISION_NAMES
from dsample_cli.core.names import did_you_mean
from dsample_cli.errors import ConfigError


@dataclass(frozen=True)
class Device:
    """Where a model runs and how it computes.

    Attributes:
        type: "cpu", "cuda" or "mps".
        precision: "fp32", or the autocast type "bf16" or "fp16".
        name: The hardware, for the record.
    """

    type: str
    precision: str
    name: str

    def autocast(self) -> torch.autocast:
        """Context in which the model's forward pass runs."""
        dtype = torch.float16 if self.precision == "fp16" else torch.bfloat16
        return torch.autocast(self.type, dtype=dtype, enabled=self.precision != "fp32")


def choose_device(device: str = "auto", precision: str = "auto") -> Device:
    """Pick the device (CUDA, then MPS, then CPU) and the fastest precision that it has.

    CUDA and CPUs with native bf16 get bf16 autocast, older CUDA cards fp16, everything else fp32.

    Raises:
        ConfigError: If the device or the precision is unknown, or not to be had here.
    """
    _check_name("device", device, DEVICE_NAMES)
    _check_name("precision", precision, PRECISION_NAMES)
    kind = _available_device() if device == "auto" else device
    if kind == "cuda" and not torch.cuda.is_available():
        raise ConfigError(
            "--device cuda: no CUDA device is available to PyTorch here.",
            "Use --device auto or cpu, or install a CUDA build of PyTorch and a driver.",
        )
    if kind == "mps" and not torch.backends.mps.is_available():
        raise ConfigError("--device mps: there is no Apple GPU here.", "Use --device auto.")
    if precision == "fp16" and kind != "cuda":
        raise ConfigError(
            "--precision fp16 needs a CUDA device.", "Use --precision bf16, fp32 or auto."
        )
    chosen = _fastest_precision(kind) if precision == "auto" else precision
    if kind == "cuda":
        torch.set_float32_matmul_precision("high")
        return Device(kind, chosen, torch.cuda.get_device_name())
    return Device(kind, chosen, "Apple GPU" if kind == "mps" else _cpu_name())


def _check_name(option: str, name: str, names: Sequence[str]) -> None:
    if name not in names:
        raise ConfigError(f"Unknown --{option} '{name}'.", did_you_mean(name, names))


def cuda_devices(device: str = "auto") -> list[str]:
    """Names of the CUDA devices that a training may choose from, as CUDA_VISIBLE_DEVICES has them.

    Args:
        device: What --device asks for; other devices than CUDA's have no names.
    """
    if device not in ("auto", "cuda") or not torch.cuda.is_available():
        return []
    count = torch.cuda.device_count()
    visible = [name for name in os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",") if name]
    return visible[:count] or [str(number) for number in range(count)]


def _available_device() -> str:
    if torch.cuda.is_available():
        return "cuda"
    return "mps" if torch.backends.mps.is_available() else "cpu"


def _fastest_precision(kind: str) -> str:
    if kind == "cuda":
        return "bf16" if torch.cuda.is_bf16_supported(including_emulation=False) else "fp16"
    if kind == "cpu" and _cpu_has_bf16():
        return "bf16"
    return "fp32"


def _cpu_has_bf16() -> bool:
    capabilities = _cpu_capabilities()
    return any(capabilities.get(name) for name in ("avx512_bf16", "amx_bf16", "amx_tile"))


def _cpu_name() -> str:
    return str(_cpu_capabilities().get("cpu_name", "CPU"))


def _cpu_capabilities() -> dict[str, object]:
    if hasattr(torch.cpu, "get_capabilities"):
        return dict(torch.cpu.get_capabilities())
    return {"avx512_bf16": torch.cpu._is_avx512_bf16_supported()}
