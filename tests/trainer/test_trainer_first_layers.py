"""An encoder's first layers compute alone what they compute within the whole."""

import pytest
import torch
from torch import Tensor, nn

from asdstream.models.audiomae import AudioMAE, AudioMAEConfig
from asdstream.models.beats import BEATs, BEATsConfig
from trainer.first_layers import first_layers, layer_count

BEATS = BEATsConfig(5, 24, 48, 2, embed_dim=16, conv_pos=8, conv_pos_groups=4, num_buckets=32, max_distance=80)
AUDIOMAE = AudioMAEConfig(embed_dim=24, depth=5, heads=2)


def sound() -> Tensor:
    return 0.1 * torch.randn(2, 40_000, generator=torch.Generator().manual_seed(1))


def put_out(layer: nn.Module, network: nn.Module) -> Tensor:
    """What a layer puts out while the whole network hears."""
    seen: list[Tensor] = []
    handle = layer.register_forward_hook(lambda _, __, output: seen.append(output))
    network(sound())
    handle.remove()
    return seen[0]


@pytest.mark.parametrize("layers", [1, 3, 5])
def test_the_first_layers_of_beats_put_out_what_they_did(layers: int) -> None:
    torch.manual_seed(2)
    whole = BEATs(BEATS).eval()
    # As after training: no bias is zero, and branches are no longer small.
    for parameter in whole.encoder.layers.parameters():
        nn.init.normal_(parameter, std=0.3)
    with torch.inference_mode():
        wanted = put_out(whole.encoder.layers[layers - 1], whole)
        shallow = first_layers(whole, layers).eval()
        torch.testing.assert_close(shallow(sound()), wanted, atol=1e-5, rtol=1e-5)
    assert layer_count(shallow) == layers


@pytest.mark.parametrize("layers", [1, 3, 5])
def test_the_first_blocks_of_audiomae_put_out_what_they_did(layers: int) -> None:
    torch.manual_seed(3)
    whole = AudioMAE(AUDIOMAE).eval()
    with torch.inference_mode():
        wanted = whole.norm(put_out(whole.blocks[layers - 1], whole))
        shallow = first_layers(whole, layers).eval()
        torch.testing.assert_close(shallow(sound()), wanted)
    assert layer_count(shallow) == layers


@pytest.mark.parametrize("layers", [0, 6])
def test_layers_that_are_not_there_are_refused(layers: int) -> None:
    with pytest.raises(ValueError, match=f"{layers} layers were asked for; right would be 1 to 5"):
        first_layers(BEATs(BEATS), layers)
