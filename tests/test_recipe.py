# SPDX-License-Identifier: Apache-2.0
"""Recipes: every shipped one loads, every wrong key is named with the nearest right one, nothing is guessed."""

from __future__ import annotations

import tomllib

import pytest
import torch
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
    shape = (8, 8) if recipe.data == "digits" else (28, 28)
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
        ({"prune": {"sparsty": 0.5}}, r"unknown key 'prune\.sparsty'; did you mean 'sparsity'\?"),
        ({"train": {"qqq": 3}}, r"unknown key 'train\.qqq' \(known: seed, epochs"),
        ({"model": {"layers": [{"format": "sym4"}]}}, r"model\.layers\.0 has none of the keys linear, conv, maxpool,"),
        ({"model": {"layers": [{"cnv": 4}]}}, r"unknown key 'model\.layers\.0\.cnv'; did you mean 'conv'\?"),
        ({"model": {"layers": [{"conv": 4, "stirde": 2}]}}, r"'model\.layers\.0\.stirde'; did you mean 'stride'\?"),
        ({"model": {"layers": [{"maxpool": 2, "format": "int8"}]}}, r"'model\.layers\.0\.format' \(known: maxpool,"),
        ({"model": {"layers": [{"conv": 4, "maxpool": 2}]}}, r"layers\.0 has 'conv' and 'maxpool'; each of them is"),
        ({"model": {"layers": [3]}}, r"model\.layers\.0 = 3: input should be a table, such as { linear = 64 }"),
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
        (
            {"model": {"layers": [{"conv": 4, "kernel": 8}]}},
            r"layers\.0\.kernel = 8: input should be 1 to 7, or two such",
        ),
        ({"model": {"layers": [{"conv": 4, "kernel": [3, 3, 3]}]}}, r"kernel = \[3, 3, 3\]: input should be 1 to 7"),
        ({"model": {"layers": [{"maxpool": [2, "2"]}]}}, r"layers\.0\.maxpool = \[2, '2'\]: input should be 1 to 255"),
        ({"model": {"layers": [{"conv": 4, "padding": -1}]}}, r"layers\.0\.padding = -1: input should be 0 to 127"),
        (
            {"model": {"layers": [{"global_average": False}]}},
            r"layers\.0\.global_average = False: input should be True",
        ),
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


CNN = [
    {"conv": 4, "padding": 1},
    {"conv": 8, "kernel": [3, 1], "stride": [2, 1], "depthwise": True, "bits": 4, "format": "ternary"},
    {"maxpool": 2},
    {"avgpool": [1, 2], "stride": 1},
    {"conv": 6, "kernel": 1, "groups": 2},
    {"linear": 5, "format": "sym2"},
]


def test_a_convolutional_recipe_builds_named_layers_that_fit_together():
    recipe = check_recipe({**MINIMAL, "model": {"layers": CNN}}, "here")
    model = models.build(recipe, (8, 8), "uint8", 3)
    assert list(dict(model.named_children())) == (
        ["input", "map", "conv1", "conv2", "pool1", "pool2", "conv3", "flatten", "fc1", "fc2"]
    )
    shapes = {}
    for name, module in model.named_children():
        module.register_forward_hook(lambda *call, name=name: shapes.update({name: tuple(call[2].shape[1:])}))
    model.eval()(torch.zeros(2, 8, 8))
    assert shapes["conv1"] == (4, 8, 8)
    assert shapes["conv2"] == (8, 3, 8)
    assert shapes["pool1"] == (8, 1, 4)
    assert shapes["pool2"] == (8, 1, 3)
    assert shapes["conv3"] == (6, 1, 3)
    assert (shapes["flatten"], shapes["fc2"]) == ((18,), (3,))
    assert (model.conv2.groups, model.conv3.groups, model.conv3.in_max) == (4, 2, 15)
    assert {model.get_submodule(n).requant.norm for n in ("conv1", "conv2", "conv3", "fc1")} == {"batch"}
    assert model.fc2.requant is None


def test_layers_have_a_short_form():
    layers = [*CNN, {"conv": 8, "stride": 2}, {"global_average": True}]
    short = check_recipe({**MINIMAL, "model": {"layers": layers}}, "here").model.short
    assert short == "4c3-8d3x1/2x1-max2-avg1x2-6c1-5-8c3/2-avg"
    assert load_recipe("mnist-fc-12k").model.short == "64-64-64"


def test_the_defaults_of_convolutions_give_way_to_what_is_written():
    for model, expected in (
        ({"layers": [{"conv": 2}]}, ("mulshift", "batch")),
        ({"layers": [{"conv": 2}], "norm": "none"}, ("mulshift", "none")),
        ({"layers": [{"conv": 2}], "requant": "shift"}, ("shift", "none")),
        ({"layers": [{"linear": 2}]}, ("maxshift", "none")),
    ):
        found = check_recipe({**MINIMAL, "model": model}, "here").model
        assert (found.requant, found.norm) == expected


@pytest.mark.parametrize(("channels", "shape"), [(None, (9,)), ("first", (2, 9)), ("last", (9, 2))])
def test_a_series_is_convolved_in_one_dimension(channels, shape):
    table = {"input": {"channels": channels}, "model": {"layers": [{"conv": 4}, {"maxpool": 2}, {"avgpool": 3}]}}
    model = models.build(check_recipe({**MINIMAL, **table}, "here"), shape, "int8", 2)
    assert model.conv1.kernel_size == (3,)
    assert model.eval()(torch.zeros(5, *shape)).shape == (5, 2)


@pytest.mark.parametrize(
    ("layers", "message"),
    [
        (
            [{"linear": 4}, {"conv": 4}],
            r"small: model\.layers\.1: takes a map, and gets 4 activations; put it in front",
        ),
        (
            [{"conv": 6}, {"conv": 9, "groups": 4}],
            r"model\.layers\.1: BitConv2d: groups must divide the channels, got 4",
        ),
        ([{"conv": 6}, {"conv": 9, "depthwise": True}], r"groups must divide the channels, got 6 for 6 -> 9 channels"),
        ([{"conv": 6, "depthwise": True, "groups": 2}], r"model\.layers\.0: depthwise has a group for every input"),
        ([{"maxpool": 5}, {"conv": 4}], r"layers\.1: kernel 3 is larger than the map \(1, 1\) with padding 0"),
        ([{"maxpool": 9}], r"layers\.0: kernel 9 is larger than the map \(8, 8\) with padding 0"),
        ([{"avgpool": 2, "padding": 2}], r"layers\.0: padding 2 is more than half of the window 2"),
    ],
)
def test_layers_that_do_not_fit_together_are_named(layers, message):
    recipe = check_recipe({**MINIMAL, "model": {"layers": layers}}, "here")
    with pytest.raises(HalfbyteError, match=message) as caught:
        models.build(recipe, (8, 8), "uint8", 3)
    assert one_line(str(caught.value))


def test_images_with_channels_need_to_say_where_they_are():
    recipe = check_recipe({**MINIMAL, "model": {"layers": [{"conv": 4}]}}, "here")
    with pytest.raises(
        HalfbyteError, match=r'small: samples of shape \(8, 8, 3\) .* input\.channels = "first" or "last"'
    ):
        models.build(recipe, (8, 8, 3), "uint8", 3)


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
