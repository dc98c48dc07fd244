"""The separators: TF-GridNets that take away what surrounds a machine."""

from collections.abc import Mapping
from functools import partial

import torch

from asdstream.audio.simulator.machine import machine_types
from asdstream.bundle import ANY_TYPE
from asdstream.models.tfgridnet import TFGridNet, TFGridNetConfig
from trainer.errors import DataError
from trainer.fingerprint import data_fingerprint
from trainer.pairs import Pairs, PairSettings, PairSound
from trainer.products import Product
from trainer.randomness import derived_seed
from trainer.recipe import SeparatorSettings
from trainer.separator_stage import SeparatorObjective
from trainer.simulated_pairs import SimulatedPairSettings, simulated_pairs
from trainer.stages.order import StageName
from trainer.stages.part import Part
from trainer.stages.run import Run
from trainer.stages.training import train, what_matters

STAGE = StageName.SEPARATORS
FOR_ALL = f"{STAGE}-all"


def parts(run: Run) -> tuple[Part, ...]:
    """One for each machine type that a separator can be trained for, or one for all, if the recipe has the stage."""
    settings = run.recipe.separators
    if settings is None:
        return ()
    sounds = pair_sounds(run, settings)
    if not sounds:
        raise DataError(
            "no machine has clean recordings that a separator could learn from; give them as supplemental recordings, "
            'set serves = "all" in [separators] to learn from the simulator, or leave the stage out'
        )
    return tuple(_part(run, settings, machine_type, sound) for machine_type, sound in sounds.items())


def product_of(machine_type: str) -> str:
    """The product that holds the separator of a machine type."""
    return FOR_ALL if machine_type == ANY_TYPE else f"{STAGE}-{machine_type}"


def product_for(run: Run, machine_type: str) -> str | None:
    """The product that holds the separator which serves a machine type: its own, else that for all, else None."""
    if run.recipe.separators is None:
        return None
    return next((name for name in (product_of(machine_type), FOR_ALL) if run.products.has(name)), None)


def pair_sounds(run: Run, settings: SeparatorSettings) -> dict[str, PairSound]:
    """What each separator learns from, by machine type: recordings where there are clean ones, else the simulator."""
    recorded = {machine.machine: machine.clean for machine in run.sound.machines if machine.clean and run.sound.noise}
    simulate = partial(_simulated, settings, run.recipe.seed)
    if settings.serves == "all":
        simulated = simulate(None)
        clean = tuple(recording for recordings in recorded.values() for recording in recordings)
        return {ANY_TYPE: PairSound(simulated.clean + clean, simulated.noise + run.sound.noise)}
    return {
        machine.machine: PairSound(recorded[machine.machine], run.sound.noise)
        if machine.machine in recorded
        else simulate((machine.machine,))
        for machine in run.sound.machines
        if machine.machine in recorded or machine.machine in machine_types()
    }


def _simulated(settings: SeparatorSettings, seed: int, types: tuple[str, ...] | None) -> PairSound:
    return simulated_pairs(
        SimulatedPairSettings(
            machine_types=types,
            identities=settings.identities,
            recordings=settings.recordings,
            noises=settings.noises,
        ),
        seed,
    )


def _part(run: Run, settings: SeparatorSettings, machine_type: str, sound: PairSound) -> Part:
    product = product_of(machine_type)

    def make(fingerprint: str) -> Mapping[str, Product]:
        config = TFGridNetConfig.tiny() if settings.size == "tiny" else TFGridNetConfig.base()
        torch.manual_seed(derived_seed(run.recipe.seed, product, "first weights"))
        separator = TFGridNet(config)
        pairs = Pairs(
            run.kept(sound.clean, f"{product}: machines"),
            run.kept(sound.noise, f"{product}: noise"),
            PairSettings(snr_db=settings.snr_db),
        )
        train(run, SeparatorObjective(product, separator, pairs, settings.seconds), settings, fingerprint)
        return {product: Product(separator.state_dict(), {"machine_type": machine_type, "config": config.to_dict()})}

    return Part(
        name=product,
        products=(product,),
        needs=(),
        depends_on={
            "seed": run.recipe.seed,
            "settings": {k: v for k, v in what_matters(settings).items() if k != "separated_prototypes"},
            "sound": data_fingerprint(sound.clean),
            "noise": data_fingerprint(sound.noise),
        },
        make=make,
    )
