"""What a recipe may say, and what is answered when it says something else."""

from pathlib import Path

import pytest

from trainer.errors import RecipeError
from trainer.recipe import Recipe, parse_recipe, read_recipe

RECIPES = Path(__file__).resolve().parents[2] / "conf" / "trainer"

SMALL = """\
name = "small"
[sound]
kind = "folder"
[export]
licence_notes = ["none"]
"""


def refusal(text: str) -> str:
    with pytest.raises(RecipeError) as caught:
        parse_recipe(text, Path("small.toml"))
    assert caught.value.exit_code == 78
    return str(caught.value)


def test_what_is_left_out_is_the_report() -> None:
    text = SMALL.replace('small"', 'small"\nsystem = 3') + "[generative]\n[phase1]\n[phase2]\n[fusion]\n"
    recipe = parse_recipe(text, Path("small.toml"))
    generative, phase1, phase2, fusion = recipe.generative, recipe.phase1, recipe.phase2, recipe.fusion
    assert generative is not None
    assert (generative.epochs, generative.warmup_epochs, generative.batch_size) == (100, 10, 512)
    assert (generative.learning_rate, generative.minimum_learning_rate, generative.weight_decay) == (2e-4, 1e-6, 1e-5)
    assert (generative.loss, generative.mask.kind, generative.mask.ratio) == ("l1", "random", 0.8)
    assert phase1 is not None
    assert (phase1.epochs, phase1.warmup_epochs, phase1.learning_rate, phase1.batch_size) == (100, 10, 2e-4, 512)
    assert (phase1.loss, phase1.trains, phase1.noise) == ("cross_entropy", "encoder", True)
    assert phase2 is not None
    assert fusion is not None
    for phase, rank in ((phase2, 8), (fusion, 64)):
        assert (phase.epochs, phase.warmup_epochs, phase.learning_rate, phase.rank) == (10, 2, 1e-5, rank)
        assert phase.noise is False
    assert (recipe.prototypes.source, recipe.prototypes.target) == (16, 10)
    assert (recipe.augmentation.noise, recipe.augmentation.snr_db) == ("off", (-5.0, 10.0))


def test_only_the_stages_with_a_table_run() -> None:
    recipe = parse_recipe(SMALL + "[phase1]\n", Path("small.toml"))
    assert recipe.generative is None
    assert recipe.phase1 is not None
    assert recipe.separators is None


@pytest.mark.parametrize(
    ("system", "tables", "sentence"),
    [
        (
            4,
            "[phase1]\n[fusion]\ndeviation = true\n",
            "small.toml:9: fusion.deviation: belongs to System-3, whose fusion pools statistics",
        ),
        (3, "[fusion]\nlayers = 7\n", "small.toml:8: fusion.layers: should be at most 6, as many as encoders have"),
        (1, "[fusion]\n", "small.toml:7: fusion: belongs to Systems 3 and 4; System-1 fuses nothing"),
        (3, "", "small.toml:2: system: is 3, whose attention is trained in [fusion]; that table is missing"),
    ],
)
def test_a_table_that_the_system_has_no_use_for_is_refused(system: int, tables: str, sentence: str) -> None:
    assert refusal(SMALL.replace('small"', f'small"\nsystem = {system}') + tables) == sentence


def test_an_unknown_key_is_named_with_its_line() -> None:
    text = SMALL + "[generative]\nepochs = 3\nwarmup_epochs = 0\nlearning_speed = 2\n"
    assert refusal(text) == ("small.toml:9: generative.learning_speed: unknown key; did you mean learning_rate?")


def test_every_problem_is_one_line_in_the_order_of_the_file() -> None:
    text = SMALL.replace('kind = "folder"', 'kind = "folder"\nheld_out = 2') + '[generative]\nloss = "l3"\n'
    first, second = refusal(text).splitlines()
    assert first.startswith("small.toml:4: sound.held_out: ")
    assert second.startswith("small.toml:8: generative.loss: ")


def test_a_missing_key_stands_at_its_table() -> None:
    assert refusal('name = "small"\n[sound]\nkind = "folder"\n[export]\n').startswith(
        "small.toml:4: export.licence_notes: is missing: what may be done with the bundle"
    )


def test_a_warm_up_longer_than_the_training_is_refused() -> None:
    text = SMALL + "[generative]\nepochs = 5\nwarmup_epochs = 10\n"
    assert refusal(text).startswith("small.toml:8: generative.warmup_epochs: should be smaller than epochs (5)")


@pytest.mark.parametrize("epochs", [2, 3])
def test_a_warm_up_longer_than_the_training_of_audiomae_is_refused(epochs: int) -> None:
    text = SMALL + f"[phase1]\nepochs = 9\nwarmup_epochs = 3\naudiomae_epochs = {epochs}\n"
    assert refusal(text) == "small.toml:9: phase1.audiomae_epochs: should be more than warmup_epochs (3)"


def test_audiomae_may_have_more_epochs_than_beats() -> None:
    recipe = parse_recipe(SMALL + "[phase1]\nepochs = 9\nwarmup_epochs = 3\naudiomae_epochs = 27\n", Path("small.toml"))
    assert recipe.phase1 is not None
    assert {name: recipe.phase1.of(name).epochs for name in ("beats", "audiomae")} == {"beats": 9, "audiomae": 27}


def test_without_epochs_of_its_own_audiomae_has_those_of_beats() -> None:
    recipe = parse_recipe(SMALL + "[phase1]\nepochs = 9\nwarmup_epochs = 3\n", Path("small.toml"))
    assert recipe.phase1 is not None
    assert {recipe.phase1.of(name).epochs for name in ("beats", "audiomae")} == {9}


def test_a_range_that_falls_is_refused() -> None:
    text = SMALL.replace('kind = "folder"', 'kind = "simulator"\nmachines = [{machine_type = "fan", snr_db = [9, 3]}]')
    assert refusal(text) == ("small.toml:4: sound.machines[0].snr_db: should begin with the smaller value, not 9")


FAN, SECOND_FAN = '{machine_type = "fan"}', '{machine_type = "fan", identity = 2}'


@pytest.mark.parametrize(
    ("sound", "sentence"),
    [
        (f"machines = [{FAN}, {SECOND_FAN}]", "sound.machines[1].machine_type: is fan a second time; a bundle knows"),
        ("variety = {identities = [3, 4, 3]}", "sound.variety.identities: should name 3 once"),
        ('variety = {identities = "3-5, 4"}', "sound.variety.identities: should name 4 once"),
        ('variety = {identities = "5-3"}', "sound.variety.identities: should be a list of numbers, or a text such as"),
        ('variety = {machine_types = ["fan", "fan"]}', "sound.variety.machine_types: should name fan once"),
        ('machines = [{machine_type = "fan", snr_db = [0, inf]}]', "sound.machines[0].snr_db[1]: should be a finite"),
        ("variety = {seconds = nan}", "sound.variety.seconds: should be a finite number"),
    ],
)
def test_sound_that_cannot_be_made_is_refused_at_its_line(sound: str, sentence: str) -> None:
    assert refusal(SMALL.replace('kind = "folder"', f'kind = "simulator"\n{sound}')).startswith(
        f"small.toml:4: {sentence}"
    )


def test_a_folder_s_machine_is_named_once() -> None:
    text = SMALL.replace('kind = "folder"', 'kind = "folder"\nmachines = ["fan", "pump", "fan"]')
    assert refusal(text) == "small.toml:4: sound.machines: should name fan once"


def test_text_that_is_not_toml_and_a_file_that_is_not_there_are_one_sentence(tmp_path: Path) -> None:
    assert refusal("name = \n").startswith("small.toml:1: not TOML: ")
    with pytest.raises(RecipeError, match="cannot be read: No such file"):
        read_recipe(tmp_path / "away.toml")


@pytest.mark.parametrize("path", sorted(RECIPES.glob("*.toml")), ids=lambda path: path.stem)
def test_every_recipe_that_ships_is_valid(path: Path) -> None:
    assert isinstance(read_recipe(path), Recipe)
