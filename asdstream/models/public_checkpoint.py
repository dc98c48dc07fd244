"""Which of the published checkpoints a file is, and the network it holds."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from torch import Tensor

from asdstream.models import audiomae, beats, masked_audiomae
from asdstream.models.audiomae import AudioMAE
from asdstream.models.beats import BEATs
from asdstream.models.checkpoint import CheckpointError, read_file, sha256_of, state_dict_of
from asdstream.models.masked_audiomae import MaskedAudioMAE


class CheckpointKind(StrEnum):
    """The files that BEATs and AudioMAE are published as."""

    BEATS_PRETRAINED = "BEATs, pre-trained"
    BEATS_FINETUNED = "BEATs, fine-tuned, with its predictor"
    AUDIOMAE_PRETRAINED = "AudioMAE, pre-trained, with its decoder"
    AUDIOMAE_ENCODER = "AudioMAE, the encoder alone"
    AUDIOMAE_CONVERTED = "AudioMAE, the encoder alone, converted for timm / Hugging Face"


@dataclass(frozen=True, slots=True, eq=False)
class PublicCheckpoint:
    """What a file turned out to be.

    Attributes:
        path: the file.
        kind: which of the published files it is.
        model: all that the file holds of the network, in float32 and evaluation mode.
        sha256: of the file, in hexadecimal; published links die and files get renamed, this stays.
        size_bytes: of the file.
        licence_note: one sentence, which a bundle made from the weights must repeat.
    """

    path: Path
    kind: CheckpointKind
    model: BEATs | AudioMAE
    sha256: str
    size_bytes: int
    licence_note: str

    @property
    def encoder(self) -> BEATs | AudioMAE:
        """The network that turns a waveform (B, N) into tokens (B, T, D), without a decoder."""
        return self.model.encoder() if isinstance(self.model, MaskedAudioMAE) else self.model

    @property
    def numbers(self) -> int:
        """How many numbers the network holds."""
        return sum(parameter.numel() for parameter in self.model.parameters())


def load(path: Path | str, heads: int | None = None) -> PublicCheckpoint:
    """Find out which published checkpoint a local file is, and build its network.

    Args:
        path: a `.pt`, `.pth` or `.safetensors` file. It is read as tensors and plain containers, never as code.
        heads: attention heads of an AudioMAE whose heads are not 64 wide.

    Raises:
        CheckpointError: one sentence: the file cannot be read, is none of the known ones, or (listing them) keys are
            missing, unexpected or misshapen.
    """
    path = Path(path)
    content = read_file(path)
    state = state_dict_of(content, path)
    kind, model = _recognise(content, state, path, heads)
    note = beats.LICENCE_NOTE if isinstance(model, BEATs) else audiomae.LICENCE_NOTE
    return PublicCheckpoint(path, kind, model, sha256_of(path), path.stat().st_size, note)


def _recognise(
    content: object, state: Mapping[str, Tensor], path: Path, heads: int | None
) -> tuple[CheckpointKind, BEATs | AudioMAE]:
    if beats.is_beats(state):
        network = beats.from_reference(content, path)
        kind = CheckpointKind.BEATS_PRETRAINED if network.predictor is None else CheckpointKind.BEATS_FINETUNED
        return kind, network
    if audiomae.is_audiomae(state):
        if masked_audiomae.has_decoder(state):
            return CheckpointKind.AUDIOMAE_PRETRAINED, masked_audiomae.from_reference(state, path, heads)
        # The reference wraps its state dict, a conversion does not.
        wrapped = isinstance(content, Mapping) and "model" in content
        kind = CheckpointKind.AUDIOMAE_ENCODER if wrapped else CheckpointKind.AUDIOMAE_CONVERTED
        return kind, audiomae.from_reference(state, path, heads)
    if any(".intra_rnn." in name for name in state):
        raise CheckpointError(
            f"checkpoint {path} is a TF-GridNet, which is not published as one file; right would be a checkpoint of "
            "BEATs or AudioMAE"
        )
    raise CheckpointError(
        f"checkpoint {path} is neither BEATs nor AudioMAE: its {len(state)} tensors begin with "
        f"{next(iter(state))!r}; right would be a published checkpoint of one of them"
    )
