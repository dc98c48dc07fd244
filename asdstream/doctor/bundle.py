"""The bundle: whether it is whole, and what it knows of the machines that are listened to."""

from collections.abc import Iterator

from asdstream.config import Config, ConfigError
from asdstream.doctor.finding import Finding, failed, guarded, ok
from asdstream.doctor.store import enrolled
from asdstream.engine.separate_as import BothWays
from asdstream.wiring import separation_of, unlike_prototypes


def look_at_bundle(settings: Config) -> Iterator[Finding]:
    """Every hash and shape of it, and what each channel finds in it."""
    mend = "copy the bundle once more, then: asdstream bundle verify FOLDER"
    yield from guarded("bundle", lambda: _bundle(settings), mend)


def _bundle(settings: Config) -> Iterator[Finding]:
    # The networks are slow to import.
    from asdstream import bundle as bundles

    bundle = bundles.verify(bundles.resolve(settings.bundle))
    known = ", ".join(bundle.machine_types) or "no machine type"
    said = [f"{bundle.name} is whole ({bundle.sha256[:12]}) and knows {known}"]
    for channel in settings.channels:
        try:
            separate_as = separation_of(bundle, channel.machine_type, channel.separate)
        except ConfigError as error:
            yield failed("bundle", f"channel {channel.id}: {error}", "mend separate of that channel")
            return
        unlike = unlike_prototypes(bundle, channel.machine_type, separate_as)
        if unlike is not None:
            missing = ""
            if isinstance(separate_as, BothWays) and enrolled(settings.store.path, channel.machine) == 0:
                missing = f", and none is enrolled for {channel.machine}, so until then the other way counts alone"
            said.append(f"channel {channel.id}: {unlike}{missing}")
    unknown = sorted({channel.machine_type for channel in settings.channels} - set(bundle.machine_types))
    if unknown:
        said.append(f"{', '.join(unknown)} is scored against enrolled references alone")
    yield ok("bundle", "; ".join(said))
