# SPDX-License-Identifier: Apache-2.0
"""Recipes: everything a training run depends on, as TOML with a schema; defaults stand here and nowhere else."""

from __future__ import annotations

import difflib
import tomllib
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import pydantic
import tomli_w
from pydantic import BaseModel, ConfigDict, Field

from training.errors import HalfbyteError
from training.formats import FORMATS

if TYPE_CHECKING:
    from collections.abc import Sequence

RECIPES = Path(__file__).parent / "recipes"
Fraction = Annotated[float, Field(ge=0, le=1)]
Rate = Annotated[float, Field(gt=0, le=1e3)]
Size = Annotated[int, Field(ge=1)]
AList = Field(strict=False)  # TOML and JSON have lists, no tuples; what is in them is strict again
FormatName = Literal["float", *FORMATS]  # type: ignore[valid-type]


def _one_or_two(low: int, high: int) -> pydantic.PlainValidator:
    """A whole number for every side of a map, or two: [height, width]."""

    def check(value: object) -> int | tuple[int, ...]:
        many = tuple(value) if isinstance(value, (list, tuple)) else (value,)
        found = tuple(n for n in many if type(n) is int and low <= n <= high)
        if len(found) != len(many) or not 1 <= len(many) <= 2:
            raise ValueError(f"input should be {low} to {high}, or two such numbers, [height, width]")
        return found if isinstance(value, (list, tuple)) else found[0]

    return pydantic.PlainValidator(check)


Kernel = Annotated[int | tuple[int, ...], _one_or_two(1, 7)]
Span = Annotated[int | tuple[int, ...], _one_or_two(1, 255)]  # of a window, or from one to the next
Padding = Annotated[int | tuple[int, ...], _one_or_two(0, 127)]


def _by(value: int | tuple[int, ...]) -> str:
    return "x".join(map(str, value)) if isinstance(value, tuple) else str(value)


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


class InputSection(_Section):
    """The integer input rule (SPEC 2)."""

    resize: Annotated[tuple[Size, Size] | None, AList] = None
    offset: Annotated[int, Field(ge=-32768, le=32767)] = 0
    shift: Annotated[int, Field(ge=0, le=15)] = 0
    signed: bool | None = None
    channels: Literal["first", "last"] | None = None


class LayerOptions(_Section):
    """What every layer takes; in [model] these are the defaults of [[model.layers]]."""

    format: FormatName | None = None
    scale: Literal["tensor", "channel"] | None = None
    clip: Literal["octav", "proportional", "learned"] | None = None
    center: bool | None = None
    requant: Literal["maxshift", "shift", "mulshift"] | None = None
    norm: Literal["none", "rms", "l1", "layer", "batch"] | None = None
    bits: Literal[8, 4] | None = None
    signed: bool | None = None


class LinearLayer(LayerOptions):
    """A hidden BitLinear of `out` neurons."""

    linear: Annotated[int, Field(ge=1, le=65535)]

    @property
    def short(self) -> str:
        return str(self.linear)


class ConvLayer(LayerOptions):
    """A convolution of an image or a series to `conv` channels; depthwise: with a group for each input channel."""

    conv: Annotated[int, Field(ge=1, le=65535)]
    kernel: Kernel = 3
    stride: Span = 1
    padding: Padding = 0
    groups: Size | None = None
    depthwise: bool = False

    @property
    def short(self) -> str:
        kind = "d" if self.depthwise else "c"
        stride = "" if self.stride == 1 else f"/{_by(self.stride)}"
        return f"{self.conv}{kind}{_by(self.kernel)}{stride}"


class MaxPoolLayer(_Section):
    """The largest of every window of `maxpool` pixels; stride: as the window, if not given."""

    maxpool: Span
    stride: Span | None = None
    padding: Padding = 0

    @property
    def short(self) -> str:
        return f"max{_by(self.maxpool)}"


class AvgPoolLayer(_Section):
    """The mean of every window of `avgpool` pixels; stride: as the window, if not given."""

    avgpool: Span
    stride: Span | None = None
    padding: Padding = 0

    @property
    def short(self) -> str:
        return f"avg{_by(self.avgpool)}"


class GlobalAverageLayer(_Section):
    """The mean of every channel."""

    global_average: Literal[True]

    @property
    def short(self) -> str:
        return "avg"


class LayerNormLayer(_Section):
    """`hb.LayerNorm` of what the layer before it makes, which should be signed; signed: so is what comes out."""

    layernorm: Literal[True]
    signed: bool = False

    @property
    def short(self) -> str:
        return "ln"


class RMSNormLayer(_Section):
    """`hb.RMSNorm`, otherwise as a layer norm."""

    rmsnorm: Literal[True]
    signed: bool = False

    @property
    def short(self) -> str:
        return "rms"


LAYERS: dict[str, type[_Section]] = {
    "linear": LinearLayer,
    "conv": ConvLayer,
    "maxpool": MaxPoolLayer,
    "avgpool": AvgPoolLayer,
    "global_average": GlobalAverageLayer,
    "layernorm": LayerNormLayer,
    "rmsnorm": RMSNormLayer,
}


def _layer_kind(entry: object) -> str | None:
    """Which of LAYERS an entry is: the one whose key it has; None where that is none or several."""
    keys = entry if isinstance(entry, dict) else type(entry).model_fields if isinstance(entry, _Section) else ()
    kinds = [kind for kind in LAYERS if kind in keys]
    return kinds[0] if len(kinds) == 1 else None


Layer = Annotated[
    Annotated[LinearLayer, pydantic.Tag("linear")]
    | Annotated[ConvLayer, pydantic.Tag("conv")]
    | Annotated[MaxPoolLayer, pydantic.Tag("maxpool")]
    | Annotated[AvgPoolLayer, pydantic.Tag("avgpool")]
    | Annotated[GlobalAverageLayer, pydantic.Tag("global_average")]
    | Annotated[LayerNormLayer, pydantic.Tag("layernorm")]
    | Annotated[RMSNormLayer, pydantic.Tag("rmsnorm")],
    pydantic.Discriminator(_layer_kind),
]


class LastLayer(_Section):
    """What may differ in the last layer, which has no requantizer and one scale."""

    format: FormatName | None = None
    clip: Literal["octav", "proportional", "learned"] | None = None
    center: bool | None = None


class ModelSection(LayerOptions):
    """Layers in order; the last one, a score for every class, is added to them.

    With a convolution among them the defaults are requant "mulshift" and norm "batch".
    """

    format: FormatName = "sym4"
    scale: Literal["tensor", "channel"] = "tensor"
    clip: Literal["octav", "proportional", "learned"] = "octav"
    center: bool = False
    requant: Literal["maxshift", "shift", "mulshift"] = "maxshift"
    norm: Literal["none", "rms", "l1", "layer", "batch"] = "none"
    bits: Literal[8, 4] = 8
    signed: bool = False
    layers: Annotated[tuple[Layer, ...], AList] = ()
    last: LastLayer = LastLayer()
    bias: bool = False

    @property
    def short(self) -> str:
        """Layers in a few words: 8c3/2 is a convolution of 8 channels, kernel 3, stride 2; 8d3 a depthwise one."""
        return "-".join(layer.short for layer in self.layers)

    @pydantic.model_validator(mode="before")
    @classmethod
    def _defaults_of_convolutions(cls, table: Any) -> Any:  # noqa: ANN401 (whatever stands in the file)
        layers = table.get("layers") if isinstance(table, dict) else None
        if not isinstance(layers, (list, tuple)) or "conv" not in map(_layer_kind, layers):
            return table
        table = {"requant": "mulshift"} | table
        return ({"norm": "batch"} if table["requant"] == "mulshift" else {}) | table


class Switch(_Section):
    """All layers are trained in this format until so many epochs are over; see `train.switch`."""

    until: Size
    format: FormatName


class TrainSection(_Section):
    """Optimizer and schedule.

    lr          of the matrices; biases, gains and temperatures learn with AdamW at `lr_other`
    schedule    cosine; restarts (cosine, anew at each milestone); step (x 0.1 at each); halve (x 0.5 at each)
    milestones  epochs; halfway if none are given
    warmup      epochs over which the learning rate rises
    freeze      fraction of the epochs after which clip scales stay as they are
    only        norms: matrices stay as they are, the requantizers, biases and gains behind them learn (PERP, Zimmer et
                al. 2023, arXiv 2312.15230)
    split       seed of the validation split; if not given, `seed`
    switch      formats to begin with, such as [{ until = 20, format = "float" }, { until = 60, format = "int8" }];
                behind the last one every layer has its own
    average     decay, for a step, of an exponential average of the weights, which is then what is kept; 0: none
    distill     fraction of the loss that follows the outputs of the network that was pruned (`halfbyte prune`)
    threads     that a batch is shared among, one if not given; each has batch statistics of its own share
    """

    seed: Annotated[int, Field(ge=0, lt=2**31)] = 1
    epochs: Annotated[int, Field(ge=1)] = 60
    batch: Annotated[int, Field(ge=1)] = 256
    optimizer: Literal["adamw", "muon"] = "muon"
    lr: Rate = 0.01
    lr_other: Rate = 0.001
    weight_decay: Annotated[float, Field(ge=0)] = 0.0
    schedule: Literal["cosine", "restarts", "step", "halve"] = "cosine"
    milestones: Annotated[tuple[Size, ...], AList] = ()
    warmup: Annotated[float, Field(ge=0)] = 1.0
    label_smoothing: Annotated[float, Field(ge=0, lt=1)] = 0.0
    freeze: Fraction = 0.8
    switch: Annotated[tuple[Switch, ...], AList] = ()
    average: Annotated[float, Field(ge=0, lt=1)] = 0.0
    threads: Annotated[int, Field(ge=1, le=256)] | None = None
    distill: Fraction | None = None
    only: Literal["norms"] | None = None
    split: Annotated[int, Field(ge=0, lt=2**31)] | None = None

    @pydantic.model_validator(mode="after")
    def _switches_in_order(self) -> TrainSection:
        ends = [0, *(switch.until for switch in self.switch), self.epochs]
        if any(a >= b for a, b in pairwise(ends)):
            raise ValueError(
                f"switch: every until has to be above the one before it and below epochs; got {ends[1:-1]} "
                f"of {self.epochs}"
            )
        return self


def _score_of_weights(name: str) -> str:
    from training.prune.scores import SCORES  # noqa: PLC0415 (what learns knows recipes)

    known = [score.name for score in SCORES.values() if not score.learned]
    if name not in known:
        raise ValueError(f"input should be {', '.join(known)}")
    return name


class PruneSection(_Section):
    """Weights that become 0 in training, see `training.prune.gradual`; of layers whose format has a level 0.

    sparsity    fraction of them that is 0 in the end
    begin, end  fractions of the epochs between which it rises
    scope       global: the weights of all layers that are worth least; layer: as many of each
    score       that says what they are worth: magnitude, wanda, fisher
    """

    sparsity: Annotated[float, Field(ge=0, lt=1)]
    begin: Fraction = 0.1
    end: Fraction = 0.6
    scope: Literal["global", "layer"] = "global"
    score: Annotated[str, pydantic.AfterValidator(_score_of_weights)] = "magnitude"


class CompressSection(_Section):
    """Bits of every row of weights, learned with them, see `training.compress`; of int8 layers.

    gamma       price of a bit: loss + gamma * bits that are stored / weights; of price 0, all are kept
    cost        bits; or products, which are multiplications: gamma * 8 * those that are left / those of the start
    lr          of the bits
    begin, end  fractions of the epochs between which they are learned
    """

    gamma: Annotated[float, Field(ge=0, le=1e3)]
    cost: Literal["bits", "products"] = "bits"
    lr: Rate = 0.015
    begin: Fraction = 0.0
    end: Fraction = 0.25


class ExportSection(_Section):
    """How weights are stored: speed: as codes of their format; size, balance: coded, see SPEC 4.6."""

    optimize: Literal["speed", "size", "balance"]


class AugmentSection(_Section):
    """Distortions of the training images, see `training.augment.Augment`."""

    rotate: Annotated[float, Field(ge=0, le=180)] = 0.0
    translate: Fraction = 0.0
    scale: Annotated[float, Field(ge=0, lt=1)] = 0.0
    shear: Annotated[float, Field(ge=0, lt=90)] = 0.0
    elastic: Annotated[float, Field(ge=0)] = 0.0
    erase: Fraction = 0.0
    keep: Fraction = 0.0


class Recipe(_Section):
    """A training run. `data`: a known data set or the path of an .npz file."""

    name: str
    about: str = ""
    data: str
    input: InputSection = InputSection()
    model: ModelSection = ModelSection()
    train: TrainSection = TrainSection()
    augment: AugmentSection = AugmentSection()
    prune: PruneSection | None = None
    compress: CompressSection | None = None
    export: ExportSection | None = None

    @pydantic.model_validator(mode="after")
    def _switches_to_what_is_possible(self) -> Recipe:
        formats = [switch.format for switch in self.train.switch]
        if formats and self.compress:
            raise ValueError(
                "train.switch: rows that learn their bits are int8 all the time; leave it out, or compress"
            )
        for name in formats:
            if self.prune and name != "float" and 0 not in FORMATS[name].levels:
                raise ValueError(f"train.switch: format {name} has no level 0, so what is pruned cannot have it")
        return self

    def settled(self) -> float:
        """The fraction of the epochs after which the network keeps its formats and its size."""
        ends = [section.end for section in (self.prune, self.compress) if section]
        return max([0.0, *ends, *(switch.until / self.train.epochs for switch in self.train.switch)])

    def to_toml(self) -> str:
        """Every setting, defaults written out."""
        return tomli_w.dumps(self.model_dump(exclude_none=True, mode="json"))


def recipe_names() -> list[str]:
    """Names of the recipes that ship."""
    return sorted(path.stem for path in RECIPES.glob("*.toml"))


def load_recipe(source: str | Path, overrides: Sequence[str] = ()) -> Recipe:
    """The recipe of that name, or in that .toml file, with `key=value` overrides such as "train.epochs=5".

    HalfbyteError names an unknown or wrong key and the nearest right one.
    """
    path = Path(source)
    if path.suffix != ".toml":
        path = RECIPES / f"{source}.toml"
        if not path.is_file():
            raise HalfbyteError(f"no recipe '{source}'{_nearest(str(source), recipe_names())}; see: halfbyte recipes")
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise HalfbyteError(f"{path} does not exist; it should be a recipe in TOML") from None
    except OSError as error:
        raise HalfbyteError(f"{path}: cannot be read: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise HalfbyteError(f"{path}: not TOML: {error}") from None
    table.setdefault("name", path.stem)
    _resolve_data(table, path.parent)
    if not overrides:
        return check_recipe(table, str(path))
    for override in overrides:
        set_value(table, override)
    return check_recipe(table, f"{path.name} with {' '.join(f'--set {override}' for override in overrides)}")


def _resolve_data(table: dict[str, Any], folder: Path) -> None:
    """An .npz that lies beside the recipe is found from wherever halfbyte is called."""
    data = table.get("data")
    if isinstance(data, str) and data.endswith(".npz") and (folder / data).is_file():
        table["data"] = str((folder / data).resolve())


def check_recipe(table: dict[str, Any], where: str) -> Recipe:
    """The recipe that a table describes; HalfbyteError names the key that is wrong and where it stands."""
    try:
        return Recipe.model_validate(table)
    except pydantic.ValidationError as error:
        raise HalfbyteError(f"{where}: {_explain(error)}") from None


def set_value(table: dict[str, Any], override: str) -> None:
    """Apply one "a.b=value"; the value is TOML, or a bare word."""
    key, equals, text = override.partition("=")
    if not equals or not key.strip():
        raise HalfbyteError(f"--set {override}: expected key=value, such as train.epochs=5")
    try:
        value = tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        value = text.strip()
    *sections, last = key.strip().split(".")
    for section in sections:
        table = table.setdefault(section, {})
        if not isinstance(table, dict):
            raise HalfbyteError(f"--set {override}: '{section}' is a value, not a section")
    table[last] = value


def _explain(error: pydantic.ValidationError) -> str:
    """The first complaint, in our words; an unknown key before the one that is missing for it."""
    first = min(error.errors(), key=lambda found: found["type"] == "missing")
    path = [str(part) for part in first["loc"]]
    kind = ""
    if path[:2] == ["model", "layers"] and len(path) > 3:  # pydantic puts the kind of the layer behind its number
        kind = path.pop(3)
    key = ".".join(path)
    if first["type"] == "union_tag_not_found":
        return _explain_layer(key, first["input"])
    if first["type"] == "extra_forbidden":
        return f"unknown key '{key}'{_nearest(path[-1], _keys('.'.join(path[:-1]), kind))}"
    if first["type"] == "missing":
        return f"missing key '{key}'"
    message = first["msg"].removeprefix("Value error, ")
    if isinstance(first["input"], dict) and first["type"] == "value_error":  # of a section as a whole
        return f"{key}: {message}".removeprefix(": ")
    return f"{key} = {first['input']!r}: {message[0].lower()}{message[1:]}"


def _explain_layer(key: str, entry: object) -> str:
    """What is wrong with an entry of [[model.layers]] that has no kind, or several."""
    if not isinstance(entry, dict):
        return f"{key} = {entry!r}: input should be a table, such as {{ linear = 64 }}"
    kinds = [kind for kind in LAYERS if kind in entry]
    if kinds:
        return f"{key} has '{kinds[0]}' and '{kinds[1]}'; each of them is a layer of its own"
    options = {name for section in LAYERS.values() for name in section.model_fields}
    for word in entry:
        if word not in options:
            return f"unknown key '{key}.{word}'{_nearest(word, list(LAYERS))}"
    return f"{key} has none of the keys {', '.join(LAYERS)}"


def _keys(section: str, kind: str = "") -> list[str]:
    """The keys a section may have; kind: of the layer, where it is one."""
    classes: dict[str, type[BaseModel]] = {
        "input": InputSection,
        "model": ModelSection,
        "model.last": LastLayer,
        "train": TrainSection,
        "augment": AugmentSection,
        "prune": PruneSection,
        "export": ExportSection,
        "compress": CompressSection,
        "": Recipe,
    }
    return list((LAYERS[kind] if kind else classes[section]).model_fields)


def _nearest(word: str, known: list[str]) -> str:
    close = difflib.get_close_matches(word, known, 1, 0.5)
    return f"; did you mean '{close[0]}'?" if close else f" (known: {', '.join(known)})"
