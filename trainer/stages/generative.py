"""The generative stage: AudioMAE learns to draw what it cannot see of a spectrogram."""

from collections.abc import Mapping

import torch

from asdstream.models.masked_audiomae import MaskedAudioMAE
from trainer.fingerprint import data_fingerprint
from trainer.generative import GenerativeObjective
from trainer.pictures import draw_reconstruction
from trainer.products import Product
from trainer.randomness import torch_generator
from trainer.stages.encoders import encoder_product, masked_before, needs_before
from trainer.stages.order import StageName
from trainer.stages.part import Part
from trainer.stages.run import Run
from trainer.stages.training import train, what_matters

STAGE = StageName.GENERATIVE
PRODUCT = f"{STAGE}-audiomae"


def parts(run: Run) -> tuple[Part, ...]:
    """One, if the recipe has the stage."""
    settings = run.recipe.generative
    if settings is None:
        return ()

    def make(fingerprint: str) -> Mapping[str, Product]:
        model, notes = masked_before(run)
        objective = GenerativeObjective(
            model, run.waveforms(run.sound.generative), settings, run.augmentation(wanted=settings.noise)
        )
        train(run, objective, settings, fingerprint)
        if run.processes.is_first:
            _draw(run, model, objective)
        return {PRODUCT: encoder_product(model, notes)}

    return (
        Part(
            name=GenerativeObjective.stage,
            products=(PRODUCT,),
            needs=needs_before(run, ["audiomae"], STAGE),
            depends_on={
                "seed": run.recipe.seed,
                "model": run.recipe.model.model_dump(mode="json", include={"size", "decoder"}),
                "settings": what_matters(settings),
                "sound": data_fingerprint(run.sound.generative),
                "noise": run.noise_fingerprint(wanted=settings.noise),
            },
            make=make,
        ),
    )


def _draw(run: Run, model: MaskedAudioMAE, objective: GenerativeObjective) -> None:
    example = objective.example(0, torch_generator(run.recipe.seed, "picture"))
    with torch.no_grad():
        drawn = objective.reconstruct(*(value[None].to(run.processes.device) for value in example))
    config = model.config
    draw_reconstruction(run.folder.picture("reconstruction"), drawn, config.times, config.bands, config.patch)
