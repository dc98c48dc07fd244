"""asdstream feed: recordings become live audio on MQTT."""

import io
import time
from pathlib import Path
from typing import Annotated

import typer

from asdstream.audio.block import AudioBlock
from asdstream.audio.file import FileSource
from asdstream.audio.source import AudioError, SourceState
from asdstream.cli.options import ConfigOption, load_config
from asdstream.config import ConfigError
from asdstream.mqtt.client import MqttClient
from asdstream.mqtt.errors import MqttError
from asdstream.mqtt.topics import Topics
from asdstream.wiring import broker_of

CONNECT_WITHIN_S = 10.0


def wav_message(block: AudioBlock) -> bytes:
    """A block as a WAV file of 16-bit samples, at the block's own rate and channel count."""
    import soundfile

    buffer = io.BytesIO()
    soundfile.write(buffer, block.samples, block.sample_rate, format="WAV", subtype="PCM_16")
    return buffer.getvalue()


def feed(
    files: Annotated[list[Path], typer.Argument(help="WAV or FLAC files, or folders of them.", metavar="FILES...")],
    channel: Annotated[str, typer.Option(help="Channel of the configuration, with source kind mqtt.", metavar="ID")],
    config: ConfigOption = None,
    speed: Annotated[float, typer.Option(min=0.1, max=1000, help="Times real time.")] = 1.0,
    loop: Annotated[bool, typer.Option("--loop", help="Begin again at the end, until Ctrl-C.")] = False,
) -> None:
    """Play recordings into MQTT as live audio for one channel, as half-second WAV messages.

    The broker and the channel are those of the configuration, so the daemon that runs with it hears them. A recording
    that cannot be read is named, the others are played, and the exit code is 1.
    """
    settings = load_config(config)
    found = next((section for section in settings.channels if section.id == channel), None)
    if found is None:
        known = ", ".join(section.id for section in settings.channels)
        raise ConfigError(f"--channel {channel}: the configuration has no such channel; it has {known}")
    if found.source.kind != "mqtt" or found.source.format != "wav":
        raise ConfigError(f'--channel {channel}: its source should be {{ kind = "mqtt", format = "wav" }} to be fed')
    topic = Topics(settings.site.name, settings.site.node).audio(channel)
    source = FileSource(files, realtime=False, loop=loop)
    source.start(0.0)
    client = MqttClient(broker_of(settings.mqtt), f"asdstream-feed-{channel}-{time.time_ns() % 10**9}")
    client.start()
    try:
        if not client.wait_connected(CONNECT_WITHIN_S):
            raise MqttError(client.problem or f"no connection to the broker within {CONNECT_WITHIN_S:.0f} s")
        seconds = _play(source, client, topic, speed, found.source.max_message_bytes)
    except KeyboardInterrupt:
        return
    finally:
        source.stop()
        client.stop()
    typer.echo(f"fed {seconds:.1f} s of sound to {topic}")
    raise typer.Exit(int(source.rejected > 0))


def _play(source: FileSource, client: MqttClient, topic: str, speed: float, most_bytes: int) -> float:
    begun = time.monotonic()
    played_s = 0.0
    while source.state is not SourceState.ENDED:
        for block in source.poll(0.0):
            message = wav_message(block)
            if len(message) > most_bytes:
                raise AudioError(
                    f"half a second of this sound ({block.sample_rate} Hz, {block.samples.shape[1]} channels) is "
                    f"{len(message)} bytes, and the channel's max_message_bytes is {most_bytes}: the daemon would "
                    "refuse it"
                )
            if not client.publish_wait(topic, message, qos=0):
                raise MqttError(client.problem or "the broker did not take the sound in time")
            played_s += len(block.samples) / block.sample_rate
            time.sleep(max(0.0, begun + played_s / speed - time.monotonic()))
    if source.rejected:
        typer.echo(f"{source.rejected} files were passed over; the last: {source.problem}", err=True)
    return played_s
