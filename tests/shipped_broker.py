"""Mosquitto with the example of conf/mosquitto, of which only the places of files and the port are others."""

import subprocess
from pathlib import Path

from certificates import Certificates
from mosquitto_broker import MosquittoBroker, find_program

CONF = Path(__file__).resolve().parents[1] / "conf"
PASSWORDS = {user: f"password of {user}" for user in ("asdstream", "dashboard", "sensor-fan-1", "homeassistant")}


def make_shipped_broker(folder: Path, certificates: Certificates) -> MosquittoBroker:
    """It knows the users in `PASSWORDS`; to be started by the caller, who keeps `folder` until it has ended."""
    passwords = folder / "passwd"
    for user, password in PASSWORDS.items():
        create = [] if passwords.exists() else ["-c"]
        command = [find_program("mosquitto_passwd"), "-b", *create, str(passwords), user, password]
        subprocess.run(command, check=True, capture_output=True)
    settings = (CONF / "mosquitto" / "asdstream.conf").read_text()
    for place, here in {
        "/etc/mosquitto/certs": str(certificates.folder),
        "/etc/mosquitto/asdstream.passwd": str(passwords),
        "/etc/mosquitto/asdstream.acl": str(CONF / "mosquitto" / "asdstream.acl"),
        "listener 8883\n": "",
    }.items():
        assert place in settings
        settings = settings.replace(place, here)
    return MosquittoBroker(folder, settings.splitlines(), allow_anonymous=False)
