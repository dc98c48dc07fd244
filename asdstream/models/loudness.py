"""How loud a window is in each mel band: what stands beside the embedding that networks make of it.

An ear's specific loudness grows as about the fourth root of a band's power (H. Fastl and E. Zwicker, "Psychoacoustics:
Facts and Models", 2007, chapter 8: an exponent of 0.23), and with that exponent neither the loudest band alone nor all
the quiet ones decide how alike two spectra are.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from asdstream.models.fbank import FbankFrontEnd, emphasis

EXPONENT = 0.25


class SpecificLoudness(nn.Module):
    """A front end's mel spectrogram to the mean over time of each band's power to the `EXPONENT`, at unit length.

    The front end's normalisation and pre-emphasis are taken back, so that bands compare as a microphone hears them.
    It has no parameters and nothing in the state dict.

    Args:
        front_end: what made the spectrograms.
        frames: how many of them are sound; what a front end pads behind them is left out.
    """

    def __init__(self, front_end: FbankFrontEnd, frames: int) -> None:
        super().__init__()
        self.frames = frames
        self.scale = EXPONENT * 2.0 * front_end.deviation
        self.offset: Tensor
        self.register_buffer("offset", EXPONENT * (front_end.mean - emphasis().log()), persistent=False)

    def forward(self, spectrogram: Tensor) -> Tensor:
        """Normalised (B, T, 128) to (B, 128) of unit length."""
        loudness = (spectrogram[:, : self.frames] * self.scale + self.offset).exp().mean(dim=1)
        return F.normalize(loudness)


def beside(embedding: Tensor, loudness: Tensor, length: float) -> Tensor:
    """(B, D) brought to unit length, with (B, 128) of unit length behind it brought to `length`: (B, D + 128).

    So the cosine of two of them is (c + length^2 l) / (1 + length^2), where c is that of the embeddings and l that of
    the loudness. NaN where an embedding is zero.
    """
    return torch.cat([embedding / torch.linalg.vector_norm(embedding, dim=1, keepdim=True), length * loudness], dim=1)
