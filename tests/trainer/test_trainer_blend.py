"""Weights between what a network began with and what it has learnt."""

import pytest
import torch
from torch import nn

from trainer.blend import blend


@pytest.mark.parametrize("share", [0.0, 0.25, 0.5])
def test_every_weight_lies_between_both(share: float) -> None:
    learnt, brought = nn.Linear(3, 2), nn.Linear(3, 2)
    wanted = {
        name: (1 - share) * tensor + share * brought.state_dict()[name] for name, tensor in learnt.state_dict().items()
    }
    blend(learnt, brought, share)
    for name, tensor in learnt.state_dict().items():
        torch.testing.assert_close(tensor, wanted[name])


def test_networks_that_differ_have_no_mean() -> None:
    with pytest.raises(ValueError, match="differ in their layers or widths"):
        blend(nn.Linear(3, 2), nn.Linear(3, 4), 0.5)
    with pytest.raises(ValueError, match="differ in their layers or widths"):
        blend(nn.Linear(3, 2), nn.Sequential(nn.Linear(3, 2)), 0.5)
