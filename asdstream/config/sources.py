"""Where the sound of a channel comes from."""

from typing import Literal, Self

from pydantic import Field, model_validator

from asdstream.config.fields import ExistingPaths, Name, Section
from asdstream.config_problems import problem


class MicrophoneSettings(Section):
    """Sound from a device of this box."""

    kind: Literal["microphone"]
    device: str = Field(min_length=1, max_length=256, description="Name or stable id, as `asdstream devices` lists.")
    sample_rate: int | None = Field(default=None, ge=8000, le=384_000, description="Hz; the device's own when absent.")
    channels: int | None = Field(default=None, ge=1, le=64)


class MqttSettings(Section):
    """Sound in messages on `channel/<id>/audio`."""

    kind: Literal["mqtt"]
    format: Literal["wav", "pcm"] = Field(
        default="wav", description="`wav`: each message is a WAV file; `pcm`: bare samples."
    )
    encoding: Literal["s16le", "s24le", "s32le", "f32le"] | None = Field(default=None, description="Of `pcm`.")
    sample_rate: int | None = Field(default=None, ge=8000, le=384_000, description="Of `pcm`, in Hz.")
    channels: int | None = Field(default=None, ge=1, le=64, description="Of `pcm`, interleaved.")
    max_message_bytes: int = Field(
        default=4_000_000, ge=1024, le=64_000_000, description="Larger messages are refused."
    )
    silence_gap_s: float = Field(
        default=2.0, gt=0.0, le=3600.0, description="A longer pause between messages is a gap."
    )

    @model_validator(mode="after")
    def _pcm_is_described(self) -> Self:
        described = {"encoding": self.encoding, "sample_rate": self.sample_rate, "channels": self.channels}
        if self.format == "pcm":
            absent = [key for key, value in described.items() if value is None]
            if absent:
                raise problem(
                    '"pcm" needs {absent} beside it: bare samples do not say what they are',
                    "format",
                    absent=" and ".join(absent),
                )
        else:
            for key, value in described.items():
                if value is not None:
                    raise problem('belongs to format = "pcm"; a WAV message says it itself', key)
        return self


class FileSettings(Section):
    """Sound from recordings, WAV or FLAC."""

    kind: Literal["file"]
    path: ExistingPaths = Field(description="A recording, a folder of them, or a list of either.")
    realtime: bool = Field(default=True, description="Whether to keep to real time or to read as fast as possible.")
    loop: bool = Field(default=False, description="Whether to begin again after the last recording.")


class FaultSettings(Section):
    """A fault that a simulated machine develops."""

    kind: Name
    start_s: float = Field(default=0.0, ge=0.0, le=1e9)
    ramp_s: float = Field(default=0.0, ge=0.0, le=1e9, description="Seconds until `severity` is reached.")
    severity: float = Field(default=1.0, ge=0.0, le=1.0)


class SimulatorSettings(Section):
    """A simulated machine."""

    kind: Literal["simulator"]
    machine_type: Name | None = Field(default=None, description="Of the simulator; the channel's own when absent.")
    identity: int = Field(default=0, ge=0, le=1_000_000, description="The same identity is the same physical machine.")
    speed_rpm: float | None = Field(default=None, gt=0.0, le=100_000.0)
    load: float = Field(default=0.6, ge=0.0, le=1.0)
    microphone: Name = "flat"
    snr_db: float = Field(default=15.0, ge=-40.0, le=100.0)
    background: Name = "factory"
    seed: int = Field(default=0, ge=0, le=2**31 - 1)
    realtime: bool = True
    fault: FaultSettings | None = None


SourceSettings = MicrophoneSettings | MqttSettings | FileSettings | SimulatorSettings
