# SPDX-License-Identifier: Apache-2.0
"""Recipes: every shipped one loads, every wrong key is named with the nearest right one, nothing is guessed."""

from __future__ import annotations

import tomllib

import pytest
from support import one_line

from training import models
from training.errors import HalfbyteError
from training.optim import SCHEDULES, learning_rate_factor
from training.recipe import RECIPES, Recipe, TrainSection, check_recipe, load_recipe, recipe_names

MINIMAL = {"name": "small", "data": "digits"}


def wrong(table: dict, message: str) -> None:
    with pytest.raises(HalfbyteError, match=message) as caught:
        check_recipe({**MINIMAL, **table}, "here.toml")
    assert one_line(str(caught.value))
    assert str(caught.value).startswith("here.toml: ")


@pytest.mark.parametrize("name", recipe_names())
def test_every_shipped_recipe_loads_and_builds_a_network(name: str):
    recipe = load_recipe(name)
    assert recipe.name == name
    assert recipe.about
    shape = (28, 28) if recipe.input.resize else (8, 8)
    assert models.build(recipe, shape, "uint8", 10)


@pytest.mark.parametrize("name", recipe_names())
def test_a_recipe_written_out_in_full_is_the_same_recipe(name: str, tmp_path):
    recipe = load_recipe(name)
    path = tmp_path / f"{name}.toml"
    path.write_text(recipe.to_toml())
    again = load_recipe(path)
    assert again == recipe
    assert again.to_toml() == recipe.to_toml()
    assert check_recipe(recipe.model_dump(mode="json"), "a checkpoint") == recipe


def test_a_recipe_written_out_has_its_defaults_in_it():
    written = tomllib.loads(check_recipe(MINIMAL, "here").to_toml())
    assert written["train"]["epochs"] == TrainSection().epochs
    assert written["model"]["format"] == "sym4"
    assert written["augment"]["erase"] == 0.0


def test_there_is_a_recipe_for_the_headline_network():
    assert "mnist-fc-12k" in recipe_names()


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ({"train": {"epoch": 3}}, r"unknown key 'train\.epoch'; did you mean 'epochs'\?"),
        ({"trian": {}}, r"unknown key 'trian'; did you mean 'train'\?"),
        ({"model": {"formt": "sym4"}}, r"unknown key 'model\.formt'; did you mean 'format'\?"),
        ({"model": {"last": {"fromat": "sym4"}}}, r"unknown key 'model\.last\.fromat'; did you mean 'format'\?"),
        ({"model": {"last": {"requant": "shift"}}}, r"unknown key 'model\.last\.requant' \(known: format, clip"),
        (
            {"model": {"layers": [{"linear": 4}, {"linear": 4, "bit": 4}]}},
            r"'model\.layers\.1\.bit'; did you mean 'bits'",
        ),
        ({"input": {"resise": [1, 1]}}, r"unknown key 'input\.resise'; did you mean 'resize'\?"),
        ({"augment": {"rotat": 3}}, r"unknown key 'augment\.rotat'; did you mean 'rotate'\?"),
        ({"train": {"qqq": 3}}, r"unknown key 'train\.qqq' \(known: seed, epochs"),
        ({"model": {"layers": [{"format": "sym4"}]}}, r"missing key 'model\.layers\.0\.linear'"),
    ],
)
def test_an_unknown_or_missing_key_is_named_with_the_nearest_right_one(table, message):
    wrong(table, message)


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ({"train": {"epochs": "5"}}, r"train\.epochs = '5': input should be a valid integer"),
        ({"train": {"epochs": 5.0}}, r"train\.epochs = 5\.0: input should be a valid integer"),
        ({"train": {"epochs": True}}, r"train\.epochs = True: input should be a valid integer"),
        ({"train": {"epochs": 0}}, r"train\.epochs = 0: input should be greater than or equal to 1"),
        ({"train": {"lr": 0.0}}, r"train\.lr = 0\.0: input should be greater than 0"),
        ({"train": {"lr": float("nan")}}, r"train\.lr = nan: input should be a finite number"),
        ({"train": {"lr": float("inf")}}, r"train\.lr = inf: input should be a finite number"),
        ({"train": {"optimizer": "sgd"}}, r"train\.optimizer = 'sgd': input should be 'adamw' or 'muon'"),
        ({"train": {"milestones": [0]}}, r"train\.milestones\.0 = 0"),
        ({"train": {"milestones": ["1"]}}, r"train\.milestones\.0 = '1'"),
        ({"train": 3}, r"train = 3"),
        ({"model": {"format": "sym3"}}, r"model\.format = 'sym3': input should be 'float', 'binary'"),
        ({"model": {"bits": 5}}, r"model\.bits = 5: input should be 8 or 4"),
        ({"model": {"layers": [{"linear": "64"}]}}, r"model\.layers\.0\.linear = '64'"),
        ({"model": {"layers": 64}}, r"model\.layers = 64"),
        ({"input": {"resize": [16]}}, r"input\.resize"),
        ({"input": {"resize": [16, 0]}}, r"input\.resize\.1 = 0"),
        ({"input": {"shift": 16}}, r"input\.shift = 16"),
        ({"augment": {"erase": 2.0}}, r"augment\.erase = 2\.0"),
        ({"data": 5}, r"data = 5: input should be a valid string"),
    ],
)
def test_a_wrong_type_or_value_is_named_with_what_it_should_be(table, message):
    wrong(table, message)


@pytest.mark.parametrize(
    ("overrides", "read", "value"),
    [
        (["train.epochs=5"], lambda r: r.train.epochs, 5),
        (["train.lr=1e-3"], lambda r: r.train.lr, 1e-3),
        (["train.lr=1"], lambda r: r.train.lr, 1.0),
        ([" train.epochs = 7 "], lambda r: r.train.epochs, 7),
        (["model.format=ternary"], lambda r: r.model.format, "ternary"),
        (['model.format="ternary"'], lambda r: r.model.format, "ternary"),
        (["data=my.npz"], lambda r: r.data, "my.npz"),
        (["model.signed=true"], lambda r: r.model.signed, True),
        (["input.resize=[8, 9]"], lambda r: r.input.resize, (8, 9)),
        (["train.milestones=[1, 2]"], lambda r: r.train.milestones, (1, 2)),
        (["model.layers=[{ linear = 3 }]"], lambda r: [layer.linear for layer in r.model.layers], [3]),
        (["model.last.format=int8"], lambda r: r.model.last.format, "int8"),
        (["train.epochs=5", "train.epochs=6"], lambda r: r.train.epochs, 6),
    ],
)
def test_a_setting_can_be_overridden(overrides, read, value):
    assert read(load_recipe("mnist-fc-12k", overrides)) == value


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("train.epochs", "expected key=value"),
        ("=5", "expected key=value"),
        ("train.epochs=", r"train\.epochs = ''"),
        ("train.epochs=five", r"train\.epochs = 'five'"),
        ("train.epoch=5", "did you mean 'epochs'"),
        ("name.x=5", "'name' is a value, not a section|unknown"),
        ("data.x=5", "'data' is a value, not a section"),
        ("model.layers.0.linear=5", "'layers' is a value, not a section"),
    ],
)
def test_a_wrong_override_is_named(override, message):
    with pytest.raises(HalfbyteError, match=message) as caught:
        load_recipe("mnist-fc-12k", [override])
    assert one_line(str(caught.value))


def test_an_unknown_recipe_is_answered_with_the_nearest():
    with pytest.raises(HalfbyteError, match="no recipe 'mnist-fc-12'; did you mean 'mnist-fc-12k'"):
        load_recipe("mnist-fc-12")


def test_a_file_that_is_missing_no_toml_or_a_folder_is_one_line(tmp_path):
    with pytest.raises(HalfbyteError, match=r"none\.toml does not exist"):
        load_recipe(tmp_path / "none.toml")
    (tmp_path / "bad.toml").write_text("a = [")
    with pytest.raises(HalfbyteError, match=r"bad\.toml: not TOML"):
        load_recipe(tmp_path / "bad.toml")
    (tmp_path / "binary.toml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(HalfbyteError, match=r"binary\.toml: not TOML"):
        load_recipe(tmp_path / "binary.toml")
    (tmp_path / "folder.toml").mkdir()
    with pytest.raises(HalfbyteError, match=r"folder\.toml: cannot be read"):
        load_recipe(tmp_path / "folder.toml")


def test_a_recipe_takes_its_name_from_its_file_unless_it_has_one(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text('data = "digits"')
    assert load_recipe(path).name == "mine"
    path.write_text('data = "digits"\nname = "other"')
    assert load_recipe(path).name == "other"


def test_recipes_that_ship_are_all_toml_files_of_the_folder():
    assert recipe_names() == sorted(path.stem for path in RECIPES.iterdir())


def test_options_of_a_layer_go_before_those_of_the_model():
    table = {
        "model": {"format": "int4", "bits": 4, "layers": [{"linear": 7, "format": "nf4"}, {"linear": 5, "bits": 8}]}
    }
    recipe: Recipe = check_recipe({**MINIMAL, **table, "model": {**table["model"], "last": {"format": "int8"}}}, "here")
    model = models.build(recipe, (3, 4), "int8", 2)
    assert [model.get_submodule(f"fc{i}").fmt.name for i in (1, 2, 3)] == ["nf4", "int4", "int8"]
    assert [model.get_submodule(f"fc{i}").in_max for i in (1, 2, 3)] == [127, 15, 127]
    assert (model.fc1.requant.hi, model.fc2.requant.hi, model.fc3.requant) == (15, 127, None)
    assert (model.fc1.fan_in, model.fc2.fan_in, model.fc3.out_channels) == (12, 7, 2)


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_learning_rates_warm_up_stay_positive_and_fall(schedule):
    train = TrainSection(schedule=schedule, epochs=10, milestones=(4, 7), warmup=1.0)
    factors = [learning_rate_factor(train, step / 100) for step in range(1000)]
    assert factors[0] < 0.01
    assert max(factors) <= 1.0
    assert min(factors) >= 0.0
    assert factors[-1] < factors[200]


def test_the_steps_of_the_step_schedules_are_at_the_milestones():
    halve = TrainSection(schedule="halve", epochs=10, warmup=0.0)
    assert [learning_rate_factor(halve, e) for e in (0, 4.99, 5, 9)] == [1, 1, 0.5, 0.5]
    step = TrainSection(schedule="step", epochs=10, milestones=(2, 4), warmup=0.0)
    assert [learning_rate_factor(step, e) for e in (1, 2, 4)] == pytest.approx([1, 0.1, 0.01])
    restarts = TrainSection(schedule="restarts", epochs=10, milestones=(4,), warmup=0.0)
    assert learning_rate_factor(restarts, 3.99) < 0.01
    assert learning_rate_factor(restarts, 4) == 1
