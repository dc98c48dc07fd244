"""Weights between those that a network began with and those that it has learnt."""

from torch import nn


def blend(learnt: nn.Module, brought: nn.Module, share: float) -> None:
    """Make every weight of `learnt` `share` of that of `brought` and otherwise its own, in place.

    M. Wortsman et al., "Robust fine-tuning of zero-shot models", CVPR 2022 (their alpha is 1 - share): trained on
    little, a network forgets what served other sound; halfway back it keeps much of both. ValueError for networks of
    different shapes.
    """
    own, other = learnt.state_dict(), brought.state_dict()
    if {name: tensor.shape for name, tensor in own.items()} != {name: tensor.shape for name, tensor in other.items()}:
        raise ValueError("the networks differ in their layers or widths, so their weights have no common mean")
    for name, tensor in own.items():
        if tensor.is_floating_point():
            tensor.lerp_(other[name].to(tensor), share)
