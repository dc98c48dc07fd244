"""An encoder made shallower: its first layers, as they compute inside the whole.

The last layers of a network bend to what it was trained for, and those before them often serve other sound better
(F. Bordes, R. Balestriero, Q. Garrido, A. Bardes and P. Vincent, "Guillotine Regularization", TMLR 2023).
"""

from dataclasses import replace

from torch import Tensor

from asdstream.bundle.networks import Encoder
from asdstream.models.audiomae import AudioMAE
from asdstream.models.beats import BEATs
from asdstream.models.checkpoint import load_weights, shapes_only


def layer_count(encoder: Encoder) -> int:
    """How many layers it has."""
    return encoder.config.encoder_layers if isinstance(encoder, BEATs) else encoder.config.depth


def first_layers(encoder: Encoder, layers: int) -> Encoder:
    """The encoder of only its first `layers`; a final norm behind them stays.

    Of a BEATs the tokens are those that the layer put out within the whole. Its layers weigh what passes them by
    against what they add by the number of layers (deep-norm, Wang et al. 2022), so what they add is brought to the
    new weight; the norm behind takes the common factor away. ValueError where it has fewer layers.
    """
    had = layer_count(encoder)
    if not 1 <= layers <= had:
        raise ValueError(f"{layers} layers were asked for; right would be 1 to {had}, which it has")
    with shapes_only():
        if isinstance(encoder, BEATs):
            shallow: Encoder = BEATs(replace(encoder.config, encoder_layers=layers))
        else:
            shallow = AudioMAE(replace(encoder.config, depth=layers))
    state = encoder.state_dict()
    kept = {name: state[name] for name in shallow.state_dict()}
    if isinstance(encoder, BEATs):
        kept = {name: _weighed(name, tensor, (layers / had) ** 0.25) for name, tensor in kept.items()}
    load_weights(shallow, kept, "the encoder's first layers")
    return shallow


def _weighed(name: str, tensor: Tensor, factor: float) -> Tensor:
    """A weight of BEATs, times `factor` where it is the last of what a layer adds to its input."""
    adds = (".self_attn.out_proj.", ".fc2.")
    return tensor * factor if any(part in name for part in adds) else tensor
