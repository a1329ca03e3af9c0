# SPDX-License-Identifier: Apache-2.0
"""A run's firmware image on an emulated chip: every score and every layer against the reference, exact counts."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from exporter import reference
from exporter.chips import protocol
from exporter.chips.image import Image, Options, build
from exporter.chips.machine import EmulationError, Marks, mean, start
from exporter.codegen import _input_height as input_height
from exporter.codegen import layer_functions
from exporter.hostlib import NUMPY_TYPES
from exporter.plan import in_graph_order
from exporter.variants import PORTABLE
from exporter.verify import Mismatch
from training.errors import HalfbyteError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import numpy.typing as npt

    from exporter.chips.chip import Chip
    from exporter.chips.machine import Machine

PLAIN = Options()
REASONS = ("does not fit", "not installed", "there is no gcc", "cannot move code to RAM")  # to have no numbers
FAILED = "selftest FAILED"
POISONS = 0xA5, 0x5A  # RAM at reset, of the image that is counted and of the one that is traced


@dataclass(frozen=True)
class LayerCount:
    """One operation; `instructions` is the mean of an inference, with what leads to the next kernel, or None.

    variant  of its kernel
    """

    name: str
    op: str
    format: str
    instructions: int | None
    mismatches: int
    variant: str


@dataclass(frozen=True)
class Report:
    """What ran, and how it came out. Bytes, and mean instructions of an inference.

    images              that were sent over the UART
    mismatches          integers that differ from the reference: scores of the image, tensors of its traced twin
    stack, stack_bound  most that was in use; what the call graph allows
    instructions        of hb_<model>_run, or of all that is pushed without the input rule
    input_instructions  of hb_<model>_input, or of its kernel; both None where nothing counts them
    cycles              of hb_<model>_run by the model of the core (`exporter.chips.cycles`), None where there is none
    functions           instructions by function
    text                what the app printed at its start
    """

    name: str
    digest: str
    chip: str
    toolchain: str
    compile: str
    kernels_in: str
    input: str
    images: int
    mismatches: int
    flash: int
    ram: int
    stack: int
    stack_bound: int
    instructions: int | None
    input_instructions: int | None
    cycles: int | None
    layers: tuple[LayerCount, ...]
    functions: dict[str, int]
    text: tuple[str, ...]
    first: Mismatch | None

    def to_json(self) -> dict[str, Any]:
        """For `emulate --json`."""
        return asdict(self)


def emulate(
    folder: Path,
    chip: Chip,
    images: npt.NDArray[np.integer],
    options: Options = PLAIN,
    progress: Callable[[str], None] = lambda _: None,
    stored: npt.NDArray[np.integer] | None = None,
) -> Report:
    """Build a run's image, send raw images to it over the emulated UART, and compare all there is to compare.

    stored: raw images of which the first are stored in it, where they are not those that are sent. HalfbyteError where
    the image does not fit, faults, does not answer, or uses more stack than its bound.
    """
    progress(f"building for {chip.name}")
    image = build(folder, chip, images if stored is None else stored, options)
    again = replace(image.options, samples=0, trace=True)
    twin = build(folder, roomy(chip, options), images[:0], again)
    graph, expected = image.graph, reference.run(image.graph, images)
    counts = dict.fromkeys((node.name for node in graph.nodes), 0)

    progress(f"running {len(images)} images on {chip.name}")
    machine, text, scores = run_images(image, images)
    first = _compare({graph.nodes[-1].name: scores}, expected, counts, f"{chip.name}'s image")
    progress(f"comparing every layer of {len(images)} images")
    traced = _trace(start(twin.chip, twin.elf, poison=POISONS[1]), twin, images)
    first = _compare(traced, expected, counts, chip.name) or first
    if first is None and FAILED in text:
        raise EmulationError(f"{chip.name}: its stored samples come out wrong, though what was sent did not: {FAILED}")
    if machine.stack > image.sizes.stack:
        raise EmulationError(
            f"{chip.name}: the stack took {machine.stack} bytes, more than its bound of {image.sizes.stack}; "
            "this is a bug of halfbyte, please report it"
        )
    return _report(image, machine, len(images), counts, text, first)


def measure(image: Image, images: npt.NDArray[np.integer]) -> Report:
    """As `emulate`, of an image that is linked; of its layers only the scores are compared."""
    counts = dict.fromkeys((node.name for node in image.graph.nodes), 0)
    expected = reference.run(image.graph, images)
    machine, text, scores = run_images(image, images)
    first = _compare({image.graph.nodes[-1].name: scores}, expected, counts, f"{image.chip.name}'s image")
    return _report(image, machine, len(images), counts, text, first)


def run_images(image: Image, images: npt.NDArray[np.integer]) -> tuple[Machine, tuple[str, ...], npt.NDArray[np.int32]]:
    """The machine that ran these raw images with what it counted, what the app printed before, and the scores."""
    machine = start(image.chip, image.elf, _marks(image), POISONS[0])
    text = _greeting(machine, image)
    machine.forget()
    return machine, text, _scores(machine, image, images)


def row(
    folder: Path,
    chip: Chip,
    images: npt.NDArray[np.integer],
    options: Options,
    stored: npt.NDArray[np.integer] | None = None,
) -> dict[str, Any]:
    """A line of a table: what `emulate` finds, or in `note` why it found nothing."""
    found: Report | None = None
    note = ""
    try:
        found = emulate(folder, chip, images, options, stored=stored)
    except HalfbyteError as error:
        note = next((reason for reason in REASONS if reason in str(error)), str(error))
    keys = (
        "images",
        "mismatches",
        "flash",
        "ram",
        "stack",
        "stack_bound",
        "instructions",
        "input_instructions",
        "cycles",
    )
    values = {key: getattr(found, key, None) for key in keys}
    values["layers"] = [asdict(layer) for layer in found.layers] if found else None
    return {"chip": chip.name, "toolchain": options.toolchain, "compile": options.compile, **values, "note": note}


def _report(
    image: Image, machine: Machine, images: int, counts: dict[str, int], text: tuple[str, ...], first: Mismatch | None
) -> Report:
    graph, sizes = image.graph, image.sizes
    run, rule = machine.counted(0), machine.counted(1)
    calls = max(images, 1)
    instructions: dict[str, int] = {}
    for counted, raw in ((run, False), (rule, True)):
        names = [node.name for node in graph.nodes if node.op.raw == raw]
        if not raw and image.plan.staged:
            names = [stages[0].main.name for group in image.plan.groups for stages in group.functions]
        instructions |= dict(zip(names, counted.layers, strict=True)) if counted.layers is not None else {}
    layers = tuple(
        LayerCount(
            node.name,
            node.op.kind,
            node.op.format_name(),
            mean(instructions.get(node.name), calls),
            counts[node.name],
            image.graph.kernels.get(node.name, PORTABLE),
        )
        for node in graph.nodes
    )
    return Report(
        name=graph.name,
        digest=graph.digest,
        chip=image.chip.name,
        toolchain=image.options.toolchain,
        compile=image.options.compile,
        kernels_in=image.options.kernels,
        input=image.options.input,
        images=images,
        mismatches=sum(counts.values()),
        flash=sizes.flash,
        ram=sizes.ram,
        stack=machine.stack,
        stack_bound=sizes.stack,
        instructions=mean(run.instructions, calls),
        input_instructions=mean(rule.instructions, calls),
        cycles=machine.cycles(0, calls),
        layers=layers,
        functions=machine.by_function(0, calls),
        text=text,
        first=first,
    )


def roomy(chip: Chip, options: Options) -> Chip:
    """The chip with more memory for code: the traced twin of an image is never flashed, so it may be larger."""
    kinds = {"rom", options.kernels}  # RAM too, where code runs from it
    memory = tuple(m.model_copy(update={"size": 2 * m.size}) if m.kind in kinds else m for m in chip.memory)
    return chip.model_copy(update={"memory": memory})


def _marks(image: Image) -> Marks:
    graph, name = image.graph, image.graph.name
    raw = [node.op.raw for node in graph.nodes]
    stages = layer_functions(graph, image.plan)
    kernels = [node.kernel() for node in graph.nodes if node.op.raw or not stages]  # a stage calls several
    layers = dict.fromkeys(kernels, 0) | {name: number for number, name in enumerate(stages, 1)}
    n_run = len(stages) or raw.count(False)
    if image.options.input == "rows":
        run = tuple(f"hb_{name}_push_{part}" for part in ("begin", "row", "end"))
        return Marks(run, graph.nodes[0].kernel(), layers, n_run, raw.count(True))
    return Marks((f"hb_{name}_run",), f"hb_{name}_input", layers, n_run, raw.count(True))


def _greeting(machine: Machine, image: Image) -> tuple[str, ...]:
    """What the app prints at its start, checked: it names the network, and says how its self-test ended."""
    lines = tuple(line for line in machine.run().decode("ascii", "replace").splitlines() if line)
    want = [f"halfbyte {image.graph.name} {image.graph.digest}"]
    tested = image.sizes.samples > 0 and image.chip.defines.get("HB_SELFTEST", 1)
    if lines[:1] != tuple(want) or (tested and lines[-1] not in {"selftest ok", FAILED}):
        raise EmulationError(f"{machine.chip.name}: the app begins with {' / '.join(lines) or 'silence'}")
    info = protocol.parse_info(_ask(machine, protocol.INFO, b""))
    if info.digest != image.graph.digest:
        raise EmulationError(f"{machine.chip.name}: the app runs network {info.digest}, not {image.graph.digest}")
    return lines


def _ask(machine: Machine, kind: int, payload: bytes) -> bytes:
    """Send a frame, return the payload of the answer."""
    answer = machine.run(protocol.frame(kind, payload))
    try:
        parsed = protocol.parse(answer)
    except ValueError as error:
        raise EmulationError(f"{machine.chip.name}: {error}") from None
    if parsed is None:
        raise EmulationError(f"{machine.chip.name}: no whole frame came back, only {len(answer)} bytes")
    found, body = parsed
    if found != kind | protocol.REPLY:
        reason = protocol.error_text(body) if found == protocol.ERROR else f"frame type 0x{found:02x}"
        raise EmulationError(f"{machine.chip.name} answered: {reason}")
    return body


def _infer(machine: Machine, image: Image, x: npt.NDArray[np.integer]) -> bytes:
    """Send a raw sample, whole or row by row; the answer with its scores."""
    rows = input_height(image.graph) if image.options.input == "rows" else 0
    for kind, payload in protocol.requests(x, image.graph.dtype, rows):
        answer = _ask(machine, kind, payload)
    return answer


def _scores(machine: Machine, image: Image, images: npt.NDArray[np.integer]) -> npt.NDArray[np.int32]:
    graph = image.graph
    n = int(np.prod(graph.shapes[graph.nodes[-1].name]))
    rows = [np.frombuffer(_infer(machine, image, x)[: 4 * n], "<i4") for x in images]
    return np.array(rows, np.int32).reshape(len(images), n)


def _trace(machine: Machine, twin: Image, images: npt.NDArray[np.integer]) -> dict[str, npt.NDArray[np.integer]]:
    """Every tensor of every image, as the traced twin computes them."""
    graph, plan = twin.graph, twin.plan
    sizes = [
        np.dtype(NUMPY_TYPES[n.op.out_type]).itemsize * int(np.prod(graph.shapes[n.name])) for n in graph.nodes
    ]  # fmt: skip
    seen: list[bytearray] = []

    def record(arguments: list[int]) -> None:
        layer, offset, pointer, count = arguments
        seen[layer][offset : offset + count] = machine.read(pointer, count)

    machine.on_call("hb_trace", record)
    machine.run()
    rows: list[list[bytearray]] = []
    for x in images:
        seen = [bytearray(size) for size in sizes]
        _infer(machine, twin, x)
        rows.append(seen)
    return {
        node.name: in_graph_order(
            graph, plan, node, np.array([np.frombuffer(row[i], NUMPY_TYPES[node.op.out_type]) for row in rows])
        )
        for i, node in enumerate(graph.nodes)
    }


def _compare(
    actual: dict[str, npt.NDArray[np.integer]],
    expected: dict[str, npt.NDArray[np.int64]],
    counts: dict[str, int],
    source: str,
) -> Mismatch | None:
    """Add the differing integers to counts; the first of them, earliest layer first."""
    first = None
    for name, found in actual.items():
        want = expected[name]
        got = found.reshape(want.shape)
        differs = got != want
        counts[name] += int(np.count_nonzero(differs))
        if first is None and differs.any():
            at = tuple(int(i) for i in np.argwhere(differs)[0])
            first = Mismatch(name, source, at[0], at[1:], int(want[at]), int(got[at]))
    return first
