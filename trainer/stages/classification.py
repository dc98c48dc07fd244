"""Phases I and II: each encoder learns to tell machines and their attributes apart."""

from collections.abc import Mapping

import torch

from trainer.classification import ClassificationObjective
from trainer.errors import DataError
from trainer.fingerprint import data_fingerprint
from trainer.heads import ClassificationHead, SoftmaxHead, SubCentreArcFace
from trainer.networks import BranchNetwork, EmbeddingNetwork, phase_one, phase_two
from trainer.products import Product
from trainer.randomness import derived_seed
from trainer.recipe import ClassificationSettings, Phase1Settings, Phase2Settings
from trainer.stages.encoders import encoder_before, encoder_product, needs_before
from trainer.stages.first_windows import embeddings
from trainer.stages.labels import Labelled, check_scale, heard, labelled
from trainer.stages.order import StageName
from trainer.stages.part import Part
from trainer.stages.recognition import measure_recognition
from trainer.stages.run import Run
from trainer.stages.training import train, what_matters


def phase1_parts(run: Run) -> tuple[Part, ...]:
    """One for each encoder, if the recipe has phase I."""
    settings = run.recipe.phase1
    if settings is None:
        return ()
    return tuple(_part(run, StageName.PHASE1, name, settings.of(name)) for name in run.recipe.encoders)


def phase2_parts(run: Run) -> tuple[Part, ...]:
    """One for each encoder, if the recipe has phase II."""
    settings = run.recipe.phase2
    if settings is None:
        return ()
    return tuple(_part(run, StageName.PHASE2, name, settings) for name in run.recipe.encoders)


def _part(run: Run, stage: StageName, name: str, settings: Phase1Settings | Phase2Settings) -> Part:
    product = f"{stage}-{name}"

    def make(fingerprint: str) -> Mapping[str, Product]:
        encoder, notes = encoder_before(run, name, stage)
        pooling = run.recipe.model.pooling
        labels = labelled(
            run.sound,
            settings,
            lambda recordings: embeddings(BranchNetwork(encoder, pooling), run.waveforms(recordings), run.processes),
        )
        if isinstance(settings, Phase1Settings):
            network = phase_one(encoder, pooling, whole_encoder=settings.trains == "encoder")
        else:
            # LoRA's first factor is drawn at random; a run that goes on in another process draws the same.
            torch.manual_seed(derived_seed(run.recipe.seed, product, "steps"))
            network = phase_two(encoder, pooling, rank=settings.rank)
        facts = train_classes(run, product, network, labels, settings, fingerprint)
        trained = encoder_product(network.merge().encoder, notes)
        return {product: Product(trained.tensors, {**trained.facts, **facts})}

    return Part(
        name=product,
        products=(product,),
        needs=needs_before(run, [name], stage),
        depends_on=classes_depend_on(run, settings),
        make=make,
    )


def classes_depend_on(run: Run, settings: ClassificationSettings) -> dict[str, object]:
    """What a classifying stage's result depends on besides its encoders, for JSON."""
    recordings = heard(run.sound, settings)
    return {
        "seed": run.recipe.seed,
        "model": run.recipe.model.model_dump(mode="json", exclude={"decoder", "loudness"}),
        "settings": what_matters(settings),
        "sound": data_fingerprint(recordings),
        "labels": sorted({recording.label for recording in recordings}),
        "noise": run.noise_fingerprint(wanted=settings.noise),
    }


def train_classes(
    run: Run, name: str, network: EmbeddingNetwork, labels: Labelled, settings: ClassificationSettings, fingerprint: str
) -> dict[str, float]:
    """Train a network on classes; returns how well it tells them apart."""
    if len(labels.classes) < 2:
        raise DataError(f"all recordings that {name} hears sound alike, so it has nothing to tell apart; give more")
    check_scale(labels.classes, settings, name)
    torch.manual_seed(derived_seed(run.recipe.seed, name, "head"))
    objective = ClassificationObjective(
        name,
        network,
        _head(network.embedding_size, len(labels.classes), settings),
        run.waveforms(labels.recordings),
        labels.labels,
        run.augmentation(wanted=settings.noise),
        crop_seconds=settings.crop_seconds,
        patch_drop=settings.patch_drop if network.audiomae is not None else 0.0,
        window_end=settings.window_end,
        examples_per_epoch=settings.clips_per_epoch,
        balanced=settings.balanced,
    )
    steps = train(run, objective, settings, fingerprint)
    return measure_recognition(run, objective, labels, steps) if run.processes.is_first else {}


def _head(size: int, classes: int, settings: ClassificationSettings) -> ClassificationHead:
    if settings.loss == "cross_entropy":
        return SoftmaxHead(size, classes)
    return SubCentreArcFace(size, classes, settings.sub_centres, settings.margin, settings.scale)
