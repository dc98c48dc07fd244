"""Messages that are not what their topic asks for: damaged, of another kind, or made to do harm."""

import io
import json
import random
import struct
from collections.abc import Iterator

import numpy as np
import soundfile

WORDS = ("transaction", "actor", "args", "alarm_id", "machine", "seconds", "schema", "force")


def no_sound(chance: random.Random) -> Iterator[bytes]:
    """Endless; none of them can be played."""
    file = io.BytesIO()
    soundfile.write(file, np.zeros(800), 16_000, format="WAV", subtype="PCM_16")
    wav = file.getvalue()
    while True:
        kind = chance.randrange(7)
        if kind == 0:
            yield b""
        elif kind == 1:
            yield b"\x00" + chance.randbytes(chance.randrange(2000))
        elif kind == 2:
            yield wav[: chance.randrange(4, 40)]
        elif kind == 3:
            yield b"fLaC" + chance.randbytes(200)
        elif kind == 4:
            # A format, a number of channels, a rate that there is none of.
            yield wav[:20] + struct.pack("<HHI", chance.choice((0, 7, 0xFFF0)), 0xFFFF, 0xFFFFFFFF) + wav[28:]
        elif kind == 5:
            yield b"RIFF" + struct.pack("<I", 0xFFFFFFFF) + b"WAVE" + chance.randbytes(64)
        else:
            yield b"This is a sentence and no sound. " * chance.randrange(1, 9)


def no_command(chance: random.Random) -> Iterator[bytes]:
    """Endless; none of them is a command that may be carried out, although some have a transaction to be answered."""
    while True:
        right = {"transaction": f"bad-{chance.randrange(10**9)}", "actor": "eve", "args": {}}
        encoded = json.dumps(right).encode()
        kind = chance.randrange(9)
        if kind == 0:
            yield chance.randbytes(chance.randrange(200))
        elif kind == 1:
            yield encoded[: chance.randrange(len(encoded) - 1)]
        elif kind == 2:
            yield b"[" * chance.randrange(1, 20_000)
        elif kind == 3:
            yield json.dumps(_tangle(chance, 4)).encode()
        elif kind == 4:
            yield json.dumps(
                right | {"transaction": chance.choice(("", "a/b", "+", "#", "../x", "\ud800", "x" * 999))}
            ).encode()
        elif kind == 5:
            yield json.dumps(right | {"actor": chance.choice((None, "", 7, [], "\x00"))}).encode()
        elif kind == 6:
            yield json.dumps(right | {"args": {chance.choice(WORDS): _tangle(chance, 2), "nonsense": 1}}).encode()
        elif kind == 7:
            yield encoded.replace(
                b"{}", chance.choice((b"NaN", b"1e999", b'{"seconds": -Infinity}', b"[]", b"9" * 5000))
            )
        else:
            yield encoded + b" " * chance.choice((1, 70_000)) + b"}"


def _tangle(chance: random.Random, depth: int) -> object:
    if depth == 0 or chance.random() < 0.3:
        return chance.choice((None, True, -1, 10**40, 1e308, "", "\ufffe", "x" * 300, [], {}))
    if chance.random() < 0.5:
        return [_tangle(chance, depth - 1) for _ in range(chance.randrange(4))]
    return {chance.choice(WORDS): _tangle(chance, depth - 1) for _ in range(chance.randrange(4))}
