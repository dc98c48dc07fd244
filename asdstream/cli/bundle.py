"""asdstream bundle: look into what the trainer handed over."""

import json
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from asdstream.cli.options import JsonOption
from asdstream.cli.shown import show

if TYPE_CHECKING:
    from asdstream.bundle import Branch, Bundle, FusedBranch

app = typer.Typer(help="Look into a bundle, or verify it.", no_args_is_help=True, rich_markup_mode=None)
BundleArgument = Annotated[
    str, typer.Argument(metavar="BUNDLE", help='Folder of the bundle, or "builtin:demo" for the one that ships.')
]


def _describe(bundle: "Bundle") -> dict[str, object]:
    return {
        "name": bundle.name,
        "path": str(bundle.path),
        "sha256": bundle.sha256,
        "created": bundle.created.isoformat(),
        "trainer_version": bundle.trainer_version,
        "sample_rate": bundle.sample_rate,
        "window_seconds": bundle.window_seconds,
        "branches": {
            branch.name: {
                "encoders": list(branch.encoders),
                "made_by": _made_by(branch),
                "embedding_size": bundle.embedding_size(branch.name),
            }
            for branch in bundle.branches
        },
        "separators": {machine_type: separator.kind for machine_type, separator in bundle.separators.items()},
        "machine_types": {
            name: {
                "prototypes": {
                    branch: {"source": len(found.source), "target": len(found.target)}
                    for branch, found in known.prototypes.items()
                },
                "calibrated": known.calibration is not None,
                "separated": known.separated,
            }
            for name, known in bundle.machine_types.items()
        },
        "licence_notes": list(bundle.licence_notes),
        "bytes": sum(file.stat().st_size for file in bundle.path.rglob("*") if file.is_file()),
    }


def _made_by(branch: "Branch | FusedBranch") -> str:
    from asdstream.bundle import FusedBranch

    beside = ", loudness beside it" if branch.loudness else ""
    if not isinstance(branch, FusedBranch):
        return f"{branch.pooling} pooling{beside}"
    return f"{branch.fusion} fusion" + (" of each band" if branch.pooling == "bands" else "") + beside


@app.command("info")
def info(reference: BundleArgument, as_json: JsonOption = False) -> None:
    """Show what a bundle holds: branches, separators, machine types, calibration, licence notes."""
    from asdstream import bundle as bundles

    facts = _describe(bundles.load(bundles.resolve(reference)))
    if as_json:
        typer.echo(json.dumps(facts, indent=2))
        return
    table = Table(show_header=False, box=None)
    for key, value in facts.items():
        table.add_row(key.replace("_", " "), value if isinstance(value, str) else json.dumps(value, ensure_ascii=False))
    show(table)


@app.command("verify")
def verify(reference: BundleArgument) -> None:
    """Check every hash and every shape; exit code 0 when the bundle is whole."""
    from asdstream import bundle as bundles
    from asdstream.scoring.calibration import Calibration

    bundle = bundles.verify(bundles.resolve(reference))
    for known in bundle.machine_types.values():
        if known.calibration is not None:
            Calibration.from_dict(known.calibration)
    typer.echo(f"{bundle.path}: whole, {len(bundle.files)} files, sha256 {bundle.sha256}")
