"""The command line: collects the commands."""

from asdstream.cli import (
    alarms,
    bench,
    bundle,
    calibrate,
    check,
    dashboard,
    demo,
    devices,
    doctor,
    enroll,
    feed,
    references,
    run,
    score,
)
from asdstream.cli.frame import new_app, run_app

app = new_app(
    "asdstream",
    "Hears a machine fail before it does: listens, scores ten-second windows, raises alarms over MQTT.",
)
app.command("demo")(demo.demo)
app.command("run")(run.run)
app.command("check")(check.check)
app.command("score")(score.score)
app.command("feed")(feed.feed)
app.command("enroll")(enroll.enroll)
app.command("calibrate")(calibrate.calibrate)
app.command("dashboard")(dashboard.dashboard)
app.command("devices")(devices.devices)
app.command("doctor")(doctor.doctor)
app.command("bench")(bench.bench)
app.add_typer(references.app, name="references")
app.add_typer(alarms.app, name="alarms")
app.add_typer(bundle.app, name="bundle")


def main() -> None:
    """Entry point of `asdstream`."""
    run_app(app)
