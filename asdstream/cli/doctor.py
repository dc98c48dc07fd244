"""asdstream doctor: what is wrong with this box, and what mends it."""

import json
import platform
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from asdstream import __version__
from asdstream.cli.options import ConfigOption, JsonOption, config_path
from asdstream.cli.output_file import OutputFile
from asdstream.doctor.finding import Finding, State

ARCHIVE_MODE = 0o600
"""For whoever asked for it alone."""


def doctor(
    config: ConfigOption = None,
    as_json: JsonOption = False,
    quick: Annotated[bool, typer.Option("--quick", help="Leave out the speed of the engine.")] = False,
    bundle: Annotated[
        Path | None,
        typer.Option(
            "--bundle",
            metavar="FILE",
            help="Write a support archive (zip) as well: findings, configuration, versions and journal, no secrets.",
        ),
    ] = None,
) -> None:
    """Look at everything that the daemon needs, and say what mends what is wrong: one line for each thing.

    Sound devices with a reading of their level, PortAudio, the broker step by step, the bundle, device and precision,
    speed against the configured channels, disk, clock and permissions. Run it as the user of the service, best while
    the service is stopped: a microphone may serve only one program, and the engine is measured. Exit code 0 when
    nothing has failed, 1 otherwise.
    """
    archive = None if bundle is None else OutputFile("--bundle", bundle)
    from asdstream.doctor.examination import examine

    path = config_path(config)
    findings: list[Finding] = []
    for finding in examine(path, measure=not quick):
        findings.append(finding)
        if not as_json:
            _tell(finding)
    if as_json:
        typer.echo(json.dumps([asdict(finding) for finding in findings], indent=2))
    if archive is not None:
        from asdstream.doctor.archive import archive_of

        facts = {"asdstream": __version__, "python": platform.python_version(), "platform": platform.platform()}
        archive.write(archive_of(findings, path, facts), ARCHIVE_MODE)
        typer.echo(
            f"{bundle} holds what a helper needs to see, without secrets; look through it before you send it", err=True
        )
    raise typer.Exit(int(any(finding.state is State.FAILED for finding in findings)))


def _tell(finding: Finding) -> None:
    typer.echo(finding.line)
    if finding.mend is not None:
        typer.echo(f"      -> {finding.mend}")
