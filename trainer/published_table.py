"""Table 1 of the report with our row under the published ones.

Zhang, Chen and Li, "Enhancing Machine Sound Anomaly Detection via Source Separation and Hybrid SSL Fusion", DCASE 2025.
"""

from collections.abc import Sequence
from types import MappingProxyType

from trainer.comparison import ComparedSystem

MACHINES = ("ToyCar", "ToyTrain", "bearing", "fan", "gearbox", "slider", "valve")
"""The development set of DCASE 2025, which the published figures are computed from."""

PUBLISHED = MappingProxyType(
    {
        "autoencoder, MSE (published)": 56.26,
        "autoencoder, selective Mahalanobis (published)": 55.34,
        "System-1 (published)": 64.83,
        "System-2 (published)": 65.74,
        "System-3 (published)": 66.34,
        "System-4 (published)": 65.75,
    }
)
"""Harmonic means of the table's cells. Its per-machine rows are left out: the report prints those of its systems in
another order than the columns."""


def published_table(compared: Sequence[ComparedSystem]) -> str:
    """Markdown, in per cent: the published totals, then each of `compared` machine by machine.

    Says so where ours was not measured on the published machines.
    """
    found = sorted({machine for system in compared for machine in system.result.by_machine})
    machines = MACHINES if set(found) == set(MACHINES) else tuple(found)
    lines = [
        f"| system | {' | '.join(machines)} | all |" if machines else "| system | all |",
        "|---" * (len(machines) + 2) + "|",
    ]
    lines += [f"| {name} |{' |' * len(machines)} {total:.2f} |" for name, total in PUBLISHED.items()]
    for system in compared:
        means = system.result.by_machine
        cells = "".join(f" {100 * means[m]:.2f} |" if m in means else " - |" for m in machines)
        total = system.result.harmonic_mean
        said = "-" if total is None else f"{100 * total:.2f}"
        if system.interval:
            said += f" ({100 * system.interval.low:.2f} to {100 * system.interval.high:.2f})"
        lines.append(f"| {system.name} |{cells} {said} |")
    lines += ["", "Harmonic means in per cent; in brackets the 95 % bootstrap interval over test clips."]
    if machines != MACHINES:
        lines.append(
            "The published totals are over the seven machines of the DCASE 2025 development set, ours over the "
            "machines in the table: they do not measure the same thing."
        )
    return "\n".join(lines) + "\n"
