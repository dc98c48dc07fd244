"""Certificates made at test time: two authorities, brokers good and bad, and a client."""

import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

_KEY = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]


@dataclass(frozen=True, slots=True)
class Certificates:
    """`<name>.crt` and `<name>.key` in PEM form, below `folder`.

    Signed by `ca`: `broker`, for 127.0.0.1; `edge`, for a client; `expired`, as `broker` but no longer valid;
    `elsewhere`, for a broker of another name. `strangers-ca` has signed `strange`.
    """

    folder: Path

    def crt(self, name: str) -> Path:
        return self.folder / f"{name}.crt"

    def key(self, name: str) -> Path:
        return self.folder / f"{name}.key"

    def listener(self, name: str = "broker") -> list[str]:
        """What a Mosquitto listener is configured with to show that certificate."""
        return [f"cafile {self.crt('ca')}", f"certfile {self.crt(name)}", f"keyfile {self.key(name)}"]


def make_certificates(folder: Path) -> Certificates:
    """Make them with openssl; skips the test where there is none."""
    if shutil.which("openssl") is None:
        pytest.skip("openssl is not installed")

    def openssl(*arguments: str) -> None:
        subprocess.run(["openssl", *arguments], cwd=folder, check=True, capture_output=True)

    for authority in ("ca", "strangers-ca"):
        openssl(
            *["req", "-x509", *_KEY, "-keyout", f"{authority}.key", "-out", f"{authority}.crt", "-days", "2"],
            *["-subj", f"/CN={authority}", "-addext", "keyUsage=critical,keyCertSign"],
        )
    here, away = "IP:127.0.0.1", "DNS:elsewhere.example"
    for name, authority, alternative, days in (
        ("broker", "ca", here, "2"),
        ("edge", "ca", here, "2"),
        ("expired", "ca", here, "-1"),
        ("elsewhere", "ca", away, "2"),
        ("strange", "strangers-ca", here, "2"),
    ):
        (folder / "names").write_text(f"subjectAltName={alternative}\n")
        openssl("req", *_KEY, "-keyout", f"{name}.key", "-out", f"{name}.csr", "-subj", f"/CN={name}")
        openssl(
            *["x509", "-req", "-in", f"{name}.csr", "-CA", f"{authority}.crt", "-CAkey", f"{authority}.key"],
            *["-CAcreateserial", "-out", f"{name}.crt", "-days", days, "-extfile", "names"],
        )
    return Certificates(folder)
