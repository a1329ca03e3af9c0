# SPDX-License-Identifier: Apache-2.0
"""Firmware images: a run's C, the app and the port, linked for a chip, measured, and refused where they do not fit."""

from __future__ import annotations

import re
import tempfile
import zlib
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from exporter import planview, reference
from exporter.bounds import find_bounds
from exporter.chips import flashfiles, protocol, stack
from exporter.chips.chip import FIRMWARE, PORTS, Chip
from exporter.chips.choice import AUTO, first_choice
from exporter.chips.elf import Elf, read_elf
from exporter.chips.isa import ISAS, check
from exporter.chips.native import read_program
from exporter.chips.storing import give_way, store
from exporter.chips.toolchain import COMPILE, find_toolchain, link
from exporter.chips.wasm import read_wasm
from exporter.codecs import CODECS
from exporter.codegen import Provenance, _table, generate, templates
from exporter.codegen import _input_height as input_height
from exporter.coding import PLAIN, SPEED, check_optimize, with_codec
from exporter.graph import Graph, has_recipe, load_graph
from exporter.ops import Table
from exporter.plan import Plan, make_plan, read_plan
from exporter.variants import check_variant
from exporter.verify import random_samples
from training.errors import HalfbyteError
from training.files import replacing, write_text

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy.typing as npt

APP = FIRMWARE / "app"
MODEL = Path("hb_model.c")  # includes the model: its object has a name that no file of the firmware has
MULTIPLY = "*(.text.__mulsi3)"  # what kernels call where the core has no multiplier
KERNELS = ("flash", "ram")
INPUTS = ("auto", "frame", "rows")
FUNCTION = re.compile(r"^(?:STAGE|(?:static )?\w+) (\w+)\([^;]*?\)\n\{", re.MULTILINE)  # a definition in generated C
# Families whose images are no ELF files for a bare chip: how they are read, and how a file's name ends.
READERS = {"wasm": read_wasm, "native": read_program}
SUFFIXES = {"wasm": "wasm", "native": "elf"}
TEMPLATES = templates(Path(__file__).parent / "templates")
LARGEST = 5  # buffers that a message names
ALIGNED = 3  # bytes that may lie unused behind stored samples
ROOM = 1 << 26  # bytes the linker may think a memory has: what does not fit is refused with its size, by us


@dataclass(frozen=True)
class Options:
    """How an image is built.

    toolchain  zig or gcc
    compile    s: all for size; 2: all for speed; mix: the kernels for speed
    samples    test images stored in it
    trace      call hb_trace after every operation
    input      frame: the app keeps a raw sample; rows: only a row of it, which comes in a frame of its own;
               auto: rows where the data does not fit otherwise
    kernels    flash, or ram: the forward pass and its kernels run from RAM, where flash has wait states
    variant    of the kernels: auto, portable, or the name of one, for the operations that it has a kernel for
    optimize   speed, size or balance: how weights are stored; None: as they were exported, for speed if they are plain
    codec      of all weights instead, or plain
    variants   variants and codecs by operation, as all these decided; None where they have to. Empty: portable, plain
    """

    toolchain: str = "zig"
    compile: str = "s"
    samples: int = 1
    trace: bool = False
    kernels: str = "flash"
    input: str = "auto"
    variant: str = "auto"
    optimize: str | None = None
    codec: str | None = None
    variants: Mapping[str, str] | None = None


@dataclass(frozen=True)
class Sizes:
    """Bytes of a linked image.

    flash    what is loaded: code, tables, initial values
    ram      static data; where code runs from RAM, that too
    stack    bound of the static call graph; wasm32: what is set aside for it; host: 0, it is the system's
    weights  constants of the model, part of flash
    samples  stored samples, part of flash
    kernels  code of the model and its kernels, with the multiplication they call; part of flash
    app      the rest of flash: start, port, protocol, texts; on wasm32 and host with the kernels in it
    """

    flash: int
    ram: int
    stack: int
    weights: int
    samples: int
    kernels: int
    app: int

    @property
    def code(self) -> int:
        """What is neither weights nor samples."""
        return self.kernels + self.app


@dataclass(frozen=True, eq=False)
class Image:
    """A linked image and where it came from."""

    chip: Chip
    graph: Graph
    plan: Plan
    options: Options
    elf: Elf
    sizes: Sizes
    sources: dict[str, str]  # the C of the network and its kernels, by file name


def test_images(folder: Path, count: int) -> npt.NDArray[np.integer]:
    """The first raw test images of a run's data set."""
    from training import data  # noqa: PLC0415 (torch takes a second)
    from training.recipe import load_recipe  # noqa: PLC0415

    recipe = load_recipe(folder / "recipe.toml")
    x = data.load_test(recipe.data).x
    if not 0 <= count <= len(x):
        raise HalfbyteError(f"{count} images: the test set of {recipe.data} has {len(x)}")
    return x[:count]


def load_samples(folder: Path, count: int) -> npt.NDArray[np.integer]:
    """Raw samples for a folder: of a run its first test images, random ones where there is no recipe."""
    return test_images(folder, count) if has_recipe(folder) else random_samples(load_graph(folder), count)


def build(folder: Path, chip: Chip, images: npt.NDArray[np.integer], options: Options = Options()) -> Image:
    """Link a run for a chip, with the first of these raw images stored in it. Nothing is written to the run.

    HalfbyteError where it does not fit, uses instructions that the core does not have, or cannot be built.
    """
    image = link_image(folder, chip, images, options)
    check_fits(image)
    return image


def link_image(folder: Path, chip: Chip, images: npt.NDArray[np.integer], options: Options) -> Image:
    """As `build`, whether it fits or not. The image's options say which kernels it has, and how its input comes."""
    _check_options(chip, options)
    graph = load_graph(folder)
    if options.variants is not None:
        return _with_input(folder, chip, images, options)
    variants: dict[str, str] | None = _stored(graph, chip, options)
    while variants is not None:
        image = _with_input(folder, chip, images, replace(options, variants=variants))
        over = overflow(image) if options.variant == AUTO and options.codec not in CODECS else {}
        codecs = CODECS if options.codec is None else ()
        variants = give_way(image.graph, chip, max(over.values()), codecs) if over else None
    return image


def _stored(graph: Graph, chip: Chip, options: Options) -> dict[str, str]:
    """Operation -> variant or codec, whether it fits or not."""
    if options.codec is not None:
        return first_choice(with_codec(graph, options.codec), chip, options.variant)
    if options.optimize is None and (graph.codecs or options.variant != AUTO):
        return first_choice(graph, chip, options.variant)
    return store(with_codec(graph, PLAIN), chip, options.optimize or SPEED, options.variant)


def _with_input(folder: Path, chip: Chip, images: npt.NDArray[np.integer], options: Options) -> Image:
    """An image whose input comes as a frame where it can."""
    if options.input != "auto":
        return _link_image(folder, chip, images, options)
    image = _link_image(folder, chip, images, replace(options, input="frame"))
    if chip.memory_of("data").name in overflow(image) and image.plan.input_rows:
        return _link_image(folder, chip, images, replace(options, input="rows"))
    return image


def _link_image(folder: Path, chip: Chip, images: npt.NDArray[np.integer], options: Options) -> Image:
    exported = load_graph(folder)
    graph = exported if options.variants is None else exported.with_kernels(options.variants)
    plan = read_plan(folder / "plan.json", graph)
    if options.input == "rows" and not plan.input_rows:
        advice = "export it with plan rows" if make_plan(graph, "rows").input_rows else "leave it out"
        raise HalfbyteError(f"--input rows: the memory plan of {graph.name} needs the whole sample at once; {advice}")
    with tempfile.TemporaryDirectory(prefix="halfbyte-") as scratch:
        c = folder / "c"
        if graph.kernels != exported.kernels:
            c = Path(scratch) / "c"
            for name, text in generate(graph, find_bounds(graph), plan, Provenance()).items():
                write_text(c / name, text)
        elf = _link(graph, c, chip, images[: options.samples], options, Path(scratch))
        sources = {path.name: path.read_text(encoding="utf-8") for path in sorted(c.iterdir())}
    refused = next((r for address, code in elf.code() for r in check(ISAS[chip.isa], address, code)), None)
    if refused:
        what = refused.code.to_bytes(refused.length, "little").hex()
        raise HalfbyteError(f"{chip.name} cannot run {what} at {elf.where(refused.address)}: {refused.why}")
    stored = min(options.samples, len(images)) * _sample_bytes(graph, options)
    return Image(chip, graph, plan, options, elf, _measure(elf, chip, graph, stored), sources)


def _sample_bytes(graph: Graph, options: Options) -> int:
    """Of a stored sample, in front of the input rule or behind it, and of the CRC of its scores."""
    last_raw = [node.name for node in graph.nodes if node.op.raw][-1]
    raw = int(np.prod(graph.shape)) * np.dtype(graph.dtype).itemsize
    return (raw if options.input == "rows" else int(np.prod(graph.shapes[last_raw]))) + 4


def _check_options(chip: Chip, options: Options) -> None:
    check_variant(options.variant, AUTO)
    if options.optimize is not None:
        check_optimize(options.optimize)
    if options.compile not in COMPILE:
        raise HalfbyteError(f"--compile {options.compile}: expected one of {', '.join(COMPILE)}")
    if options.kernels not in KERNELS:
        raise HalfbyteError(f"--kernels {options.kernels}: expected one of {', '.join(KERNELS)}")
    if options.input not in INPUTS:
        raise HalfbyteError(f"--input {options.input}: expected one of {', '.join(INPUTS)}")
    if options.kernels == "ram" and not ISAS[chip.isa].code_in_ram:
        raise HalfbyteError(f"--kernels ram: {chip.name} cannot move code to RAM; leave it out")


def write(image: Image, folder: Path) -> list[Path]:
    """Write firmware.elf, .hex, .bin, and what else the chip's flashing tool takes; their paths.

    Beside them, in c/, the C of the network as it is in the image.
    """
    elf, chip = image.elf, image.chip
    for stale in set((folder / "c").glob("*")) - {folder / "c" / name for name in image.sources}:
        stale.unlink()
    for name, text in image.sources.items():
        write_text(folder / "c" / name, text)
    family = ISAS[chip.isa].family
    if family in READERS:
        return [_write_whole(image, folder / f"firmware.{SUFFIXES[family]}")]
    files: dict[str, bytes] = {
        "bin": flashfiles.to_bin(elf.segments) if len({chip.place.code, chip.place.tables}) == 1 else b"",
        "hex": flashfiles.to_hex(elf.segments, elf.entry).encode(),
        "uf2": b"" if chip.uf2_family is None else flashfiles.to_uf2(elf.segments, chip.uf2_family),
        "esp": b"" if chip.esp_image is None else flashfiles.to_esp(elf.segments, elf.entry, chip.esp_image),
        "elf": elf.raw,
    }
    paths = []
    for end, data in files.items():
        if data:
            with replacing(folder / f"firmware.{end}") as path:
                path.write_bytes(data)
            paths.append(folder / f"firmware.{end}")
    return paths


def _write_whole(image: Image, out: Path) -> Path:
    with replacing(out) as path:
        path.write_bytes(image.elf.raw)
        path.chmod(0o755)
    return out


def _link(
    graph: Graph, c: Path, chip: Chip, images: npt.NDArray[np.integer], options: Options, scratch: Path
) -> Elf:  # fmt: skip
    kernels = sorted(c.glob("hb_*.c"))
    hot = _hot(graph, c, kernels) if options.kernels == "ram" and not chip.runs_from_ram else []
    trace = '#include "hb_trace.h"\n\n' if options.trace else ""
    generated = {
        **_generated(graph, images, rows=input_height(graph) if options.input == "rows" else 0),
        "hb_model.c": f'{trace}#include "{graph.name}.c"\n',
        "link.ld": link_script(chip, [f"*/{path.stem}.o(.text .text.*)" for path in (MODEL, *kernels)], hot),
    }
    for name, text in generated.items():
        (scratch / name).write_text(text, encoding="utf-8")
    sources = [*sorted(APP.glob("*.c")), scratch / "hb_app_model.c", *(PORTS / source for source in chip.port)]
    defines = {**({"HB_CLOCK_HZ": chip.clock_hz} if chip.clock_hz else {}), **chip.defines}
    include = [c.resolve(), Path(), APP, PORTS, *sorted({(PORTS / s).parent for s in chip.port})]
    out = scratch / "firmware.elf"
    link(
        find_toolchain(options.toolchain, chip.with_model(graph.name)),
        [_name(source, scratch) for source in sources],
        kernels=[MODEL, *(path.resolve() for path in kernels)],
        include=include,
        script=scratch / "link.ld" if ISAS[chip.isa].script else None,
        out=out,
        way=options.compile,
        flags=[f"-D{name}=UINT32_C({value})" for name, value in defines.items()],
    )
    return READERS.get(ISAS[chip.isa].family, read_elf)(out)


def _hot(graph: Graph, c: Path, kernels: Sequence[Path]) -> list[str]:
    """Sections of the forward pass, its stages and its kernels, as a linker script names them."""
    run = {node.kernel() for node in graph.nodes if not node.op.raw}
    cold = {node.kernel() for node in graph.nodes} - run | {"hb_argmax"}
    hot = [path.stem for path in kernels if path.stem not in cold]
    source = (c / f"{graph.name}.c").read_text(encoding="utf-8")
    model = [name for name in FUNCTION.findall(source) if name != f"hb_{graph.name}_input"]
    sections = [f"*/{MODEL.stem}.o(.text.{name} .text.{name}.*)" for name in model]  # gcc gives its clones a suffix
    return [*sections, *(f"*/{name}.o(.text .text.*)" for name in hot), MULTIPLY]


def link_script(chip: Chip, kernels: Sequence[str] = (), hot: Sequence[str] = ()) -> str:
    """The linker script: `kernels` stand together in the code, and of them the `hot` sections run from RAM."""
    return TEMPLATES.get_template(ISAS[chip.isa].script or "link.ld.j2").render(
        chip=chip.name,
        memories=chip.memory,
        place=chip.place,
        length=ROOM,
        stack_top=chip.memory_of("data").end,
        kernels=[*kernels, MULTIPLY],
        hot=hot,
    )


def _name(source: Path, scratch: Path) -> Path:
    """A source as the compiler is told: no name of a temporary folder gets into an image."""
    return Path(source.name) if source.parent == scratch else source.resolve()


def _generated(graph: Graph, images: npt.NDArray[np.integer], *, rows: int) -> dict[str, str]:
    """Sources of the app that the network decides; `rows` that a raw sample comes in, 0 where it comes whole."""
    tensors = reference.run(graph, images) if len(images) else {}
    last_raw = [node.name for node in graph.nodes if node.op.raw][-1]
    raw_bytes = np.dtype(graph.dtype).itemsize * int(np.prod(graph.shape))
    n_scores = int(np.prod(graph.shapes[graph.nodes[-1].name]))
    samples: npt.NDArray[np.integer] = np.zeros(0, np.int64)
    golden: list[str] = []
    if tensors:
        samples = (images if rows else tensors[last_raw]).reshape(-1)
        scores = tensors[graph.nodes[-1].name].astype("<i4")
        golden = [f"0x{zlib.crc32(row.tobytes()):08x}" for row in scores]
    raw_type = {"uint8": "uint8_t", "int8": "int8_t", "int16": "int16_t"}[graph.dtype]
    sample_type = raw_type if rows else "int8_t"
    context = {
        "rows": rows,
        "sample_type": sample_type,
        "name": graph.name,
        "macro": f"HB_{graph.name.upper()}",
        "sizes": "".join(f"\\x{byte:02x}" for byte in protocol.info_sizes(raw_bytes, rows, n_scores)),
        "raw_type": raw_type,
        "golden": golden,
        "samples": _table("samples", Table("samples", "int16_t", samples, 0))["lines"],
    }
    return {
        "hb_app_model.h": TEMPLATES.get_template("app_model.h.j2").render(context),
        "hb_app_model.c": TEMPLATES.get_template("app_model.c.j2").render(context),
    }


def _measure(elf: Elf, chip: Chip, graph: Graph, stored: int) -> Sizes:
    flash = sum(_extents(elf, chip).values())
    data = chip.memory_of("data")
    ram = elf.symbols["hb_bss_end"] - data.origin
    if chip.runs_from_ram and chip.place.code != chip.place.data:
        ram += _extents(elf, chip)[chip.place.code]
    kernels = sum(end - begin for begin, end in kernel_code(elf))
    app = flash - graph.weight_bytes - stored - kernels
    return Sizes(flash, ram, stack.bound(elf, ISAS[chip.isa]), graph.weight_bytes, stored, kernels, app)


def kernel_code(elf: Elf) -> list[tuple[int, int]]:
    """[begin, end) of the code of the model and its kernels: what stays in flash, and what runs from RAM."""
    at = elf.symbols
    ranges = [(at["hb_kernels_begin"], at["hb_kernels_end"])]
    if "hb_hot_end" in at:
        ranges += [(at["hb_data_begin"], at["hb_hot_end"])]
    return ranges


def _extents(elf: Elf, chip: Chip) -> dict[str, int]:
    """Bytes from the beginning of every memory to the end of what is loaded there."""
    found: dict[str, int] = {}
    for segment in elf.segments:
        memory = max((m for m in chip.memory if m.origin <= segment.load), key=lambda m: m.origin)
        end = segment.load + len(segment.data) - memory.origin
        found[memory.name] = max(found.get(memory.name, 0), end)
    return found


def overflow(image: Image) -> dict[str, int]:
    """Bytes too many of every memory that the image does not fit, stack included; empty where it fits."""
    used = used_bytes(image)
    over = {memory.name: used.get(memory.name, 0) - memory.size for memory in image.chip.memory}
    return {name: count for name, count in over.items() if count > 0}


def used_bytes(image: Image) -> dict[str, int]:
    """Bytes of every memory that something lies in."""
    used, data = _extents(image.elf, image.chip), image.chip.memory_of("data")
    return {**used, data.name: image.elf.symbols["hb_bss_end"] - data.origin + image.sizes.stack}


def ram_needed(image: Image) -> dict[str, int]:
    """What takes the memory of the data while the plan is at its peak, in bytes, largest first; their sum is all of it.

    Names are those of tensors; "input", "arena, not in use then", "kernels", "app", "stack".
    """
    graph, begin = image.graph, image.elf.symbols
    data = image.chip.memory_of("data")
    total = begin["hb_bss_end"] - data.origin + image.sizes.stack
    _, alive = planview.peak(image.plan)
    found = {buffer.name: buffer.size for buffer in alive}
    rule = [node.name for node in graph.nodes if node.op.raw][-1]
    whole = int(np.prod(graph.shapes[rule]))
    kept = whole // input_height(graph) * image.plan.input_rows if image.options.input == "rows" else whole
    found[rule] = found.get(rule, 0) + kept
    found["stack"] = image.sizes.stack
    hot = begin.get("hb_hot_end", 0) - begin.get("hb_data_begin", 0)
    found |= {"kernels": hot} if hot > 0 else {}
    found["app"] = total - sum(found.values())
    return dict(sorted(found.items(), key=lambda item: -item[1]))


def check_fits(image: Image) -> None:
    """HalfbyteError where an image does not fit its chip: which memory, how much is missing, what helps."""
    data = image.chip.memory_of("data")
    for name, over in overflow(image).items():
        used = used_bytes(image)[name]
        if name == data.name and image.chip.place.tables != data.name:
            what = f"{used - image.sizes.stack:,} bytes of data and {image.sizes.stack:,} of stack"
            raise HalfbyteError(
                f"{image.graph.name} does not fit {image.chip.name}: {name} needs {used:,} of {used - over:,} bytes, "
                f"{over:,} too many ({what}); {_ram_advice(image)}"
            )
        raise HalfbyteError(_too_large(image, name, used, used - over))


def _ram_advice(image: Image) -> str:
    if image.options.kernels == "flash":
        largest = list(ram_needed(image).items())[:LARGEST]
        return f"make one of these smaller: {', '.join(f'{name} {count:,}' for name, count in largest)}"
    begin, end = kernel_code(image.elf)[-1]
    return f"{end - begin:,} of them are kernels: leave out --kernels ram"


def _too_large(image: Image, memory: str, used: int, size: int) -> str:
    held = {node.name: sum(table.nbytes for table in node.tables()) for node in image.graph.nodes}
    layers = ", ".join(f"{name} {count:,}" for name, count in held.items() if count)
    widest, samples = max(held, key=lambda name: held[name]), samples_that_fit(image, used - size)
    less = (
        f"it fits with --samples {samples}" if samples else f"give {widest} a format of fewer bits, or make it narrower"
    )
    return (
        f"{image.graph.name} does not fit {image.chip.name}: {memory} needs {used:,} of {size:,} bytes, "
        f"{used - size:,} too many; {layers}, samples {image.sizes.samples:,}, kernels "
        f"{image.sizes.kernels:,}, app {image.sizes.app:,}; {less}"
    )


def samples_that_fit(image: Image, over: int) -> int:
    """How many samples may be stored in an image that is this many bytes too large; 0 where none are too many."""
    if image.sizes.samples == 0:
        return 0
    each = image.sizes.samples // image.options.samples
    return max(0, image.options.samples - -(-(over + ALIGNED) // each))


def to_json(image: Image) -> dict[str, Any]:
    """For `build --json`."""
    return {
        "chip": image.chip.name,
        "network": image.graph.name,
        "digest": image.graph.digest,
        "toolchain": image.options.toolchain,
        "compile": image.options.compile,
        "kernels_in": image.options.kernels,
        "input": image.options.input,
        **image.sizes.__dict__,
        "flash_size": image.chip.memory_of("code").size,
        "ram_size": image.chip.memory_of("data").size,
    }
