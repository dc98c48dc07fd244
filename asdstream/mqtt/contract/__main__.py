"""`python -m asdstream.mqtt.contract FOLDER` writes the documents there."""

import sys
from pathlib import Path

from asdstream.mqtt.contract.documents import write_documents

if len(sys.argv) != 2:
    sys.exit("usage: python -m asdstream.mqtt.contract FOLDER")
write_documents(Path(sys.argv[1]))
