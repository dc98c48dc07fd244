"""LoRA: fine-tuning moves only a low-rank step on an encoder's queries and keys (Hu et al. 2022)."""

from typing import TypeVar

import torch
from torch import Tensor, nn

from asdstream.models.attention import SelfAttention
from asdstream.models.audiomae import AudioMAE
from asdstream.models.beats import BEATs

ADAPTED = ("q_proj", "k_proj")

Encoder = TypeVar("Encoder", bound=AudioMAE | BEATs)


class _SplitProjection(nn.Module):
    """AudioMAE's joint projection of query, key and value as three, so that each can be adapted or left alone.

    A step of rank r on the joint projection would move the values too, and would tie the queries' step to the keys'.
    The joint layer is taken apart here, for as long as an encoder is being adapted, and not in the network: there,
    one product is faster than three, and the published name `qkv` needs no translation.
    """

    def __init__(self, joint: nn.Linear) -> None:
        super().__init__()
        self.q_proj, self.k_proj, self.v_proj = (
            _linear(weight, bias) for weight, bias in zip(joint.weight.chunk(3), joint.bias.chunk(3), strict=True)
        )

    def forward(self, x: Tensor) -> Tensor:
        """(..., D) to (..., 3 D)."""
        return torch.cat([self.q_proj(x), self.k_proj(x), self.v_proj(x)], dim=-1)

    def joined(self) -> nn.Linear:
        """One layer again."""
        parts = (self.q_proj, self.k_proj, self.v_proj)
        return _linear(torch.cat([part.weight for part in parts]), torch.cat([part.bias for part in parts]))


def _linear(weight: Tensor, bias: Tensor) -> nn.Linear:
    """A frozen layer with copies of these."""
    with torch.device("meta"):
        layer = nn.Linear(weight.shape[1], weight.shape[0])
    layer.weight = nn.Parameter(weight.detach().clone(), requires_grad=False)
    layer.bias = nn.Parameter(bias.detach().clone(), requires_grad=False)
    return layer


def adapt(encoder: Encoder, rank: int, *, alpha: int | None = None, dropout: float = 0.0) -> Encoder:
    """Freeze `encoder` and give the query and key projections of its layers a trainable step, in place.

    A projection W becomes W + (alpha / rank) B A, with A random and B zero, so that nothing has changed yet. Values,
    outputs, feed-forward layers and a decoder stay as they are.

    Args:
        encoder: AudioMAE (with or without its decoder) or BEATs, on any device.
        rank: rank of the step; the report uses 8 for System-2 and 64 for Systems 3 and 4.
        alpha: the factor's numerator; `rank` unless told, which makes it the report's plain W + B A.
        dropout: on what enters A, in training.

    Raises:
        ValueError: the rank or the dropout is out of range, or the encoder is adapted already.
    """
    # peft brings transformers with it, seconds of import that only this stage needs.
    from peft import LoraConfig, inject_adapter_in_model

    if rank < 1:
        raise ValueError(f"the rank is {rank}; right would be at least 1")
    if not 0.0 <= dropout < 1.0:
        raise ValueError(f"the dropout is {dropout}; right would be at least 0 and below 1")
    if is_adapted(encoder):
        raise ValueError(f"this {type(encoder).__name__} is adapted already; merge it first")
    encoder.requires_grad_(False)
    for module in encoder.modules():
        if isinstance(module, SelfAttention):
            module.qkv = _SplitProjection(module.qkv)  # type: ignore[assignment]
    settings = LoraConfig(
        r=rank,
        lora_alpha=rank if alpha is None else alpha,
        lora_dropout=dropout,
        target_modules=list(ADAPTED),
    )
    inject_adapter_in_model(settings, encoder)
    return encoder


def is_adapted(encoder: nn.Module) -> bool:
    """Whether `adapt` has been called on it and `merge` has not."""
    return any(".lora_A." in name for name, _ in encoder.named_parameters())


def merge(encoder: Encoder) -> Encoder:
    """Add the steps to the projections and remove every trace of them, in place: the inverse of `adapt`.

    The state dict then has the names and shapes of the published checkpoint again. All parameters are left frozen.

    Raises:
        ValueError: the encoder is not adapted, or a step holds NaN or infinite numbers.
    """
    from peft.tuners.lora import LoraLayer

    if not is_adapted(encoder):
        raise ValueError(f"this {type(encoder).__name__} is not adapted; there is nothing to merge")
    for name, module in list(encoder.named_modules()):
        if isinstance(module, LoraLayer):
            module.merge(safe_merge=True)
            encoder.set_submodule(name, module.get_base_layer())
    for module in encoder.modules():
        if isinstance(module, SelfAttention) and isinstance(module.qkv, _SplitProjection):
            module.qkv = module.qkv.joined()
    if hasattr(encoder, "peft_config"):
        del encoder.peft_config
    encoder.requires_grad_(False)
    return encoder
