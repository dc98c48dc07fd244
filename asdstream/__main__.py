"""python -m asdstream."""

from asdstream.cli.app import main

main()
