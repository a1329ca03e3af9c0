# SPDX-License-Identifier: Apache-2.0
"""A board on a serial port: send it images in frames (SPEC 9), compare its scores with the reference, never hang."""

from __future__ import annotations

import errno
import importlib
import time
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from exporter import reference
from exporter.chips import protocol
from exporter.verify import Mismatch
from training.errors import HalfbyteError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    import numpy.typing as npt

    from exporter.graph import Graph

BAUD = 115200
BITS = 10  # on the wire for a byte: start, 8, stop
LONGEST = protocol.HEAD + 65535 + protocol.TAIL
BOOT = b"\nhalfbyte "  # what an app prints first when it starts
KEPT = 4096  # bytes of what is no frame
SLICE = 0.05  # seconds that one read waits
DENIED = "you have no permission; on Linux: sudo usermod -aG dialout $USER, then log in again"
BUSY = "another program uses it"
OPENING = {errno.ENOENT: "there is no such port", errno.EACCES: DENIED, errno.EPERM: DENIED, errno.EBUSY: BUSY}
OPENING |= {errno.EAGAIN: BUSY, errno.EISDIR: "it is a folder", errno.ENOTTY: "it is not a serial port"}


@dataclass(frozen=True)
class Patience:
    """How long to wait, in seconds.

    answer  from the last byte of a frame to the answer's first: longer than an inference. A board that still waits for
            lost bytes of a frame takes those of the next try, and refuses that
    quiet   of silence after which nothing more of an answer comes
    tries   of a frame before it counts as failed
    """

    answer: float = 3.0
    quiet: float = 0.25
    tries: int = 4


@dataclass
class Line:
    """An open port and what came over it.

    at       what is going on, for messages
    met      has the board said what it is?
    rows     that it takes a sample in, 0 where it takes all of it at once
    buffer   bytes not looked at yet
    noise    bytes that were no frame
    damaged  frames with a wrong CRC since the last one that was sent
    retries  frames that had to be sent once more
    """

    port: Any
    name: str
    baud: int
    patience: Patience
    at: str = "asking what it is"
    met: bool = False
    rows: int = 0
    buffer: bytearray = field(default_factory=bytearray)
    noise: bytearray = field(default_factory=bytearray)
    damaged: int = 0
    retries: int = 0


@dataclass(frozen=True)
class Report:
    """What a board answered. Cycles are the board's own count of `hb_<model>_run`.

    mismatches    scores that differ from the reference
    wrong_images  images with such a score
    retries       frames that had to be sent once more
    seconds       from the first image to the last answer
    """

    name: str
    digest: str
    port: str
    baud: int
    images: int
    mismatches: int
    wrong_images: int
    cycles: int
    cycles_min: int
    cycles_max: int
    retries: int
    seconds: float
    first: Mismatch | None

    def to_json(self) -> dict[str, Any]:
        """For `talk --json`."""
        return asdict(self)


@contextmanager
def open_line(port: str, baud: int = BAUD, patience: Patience = Patience()) -> Iterator[Line]:
    """A serial port, ours alone, closed at the end; HalfbyteError says why it cannot be opened."""
    serial = _module("serial")
    settings = {"timeout": min(SLICE, patience.quiet), "write_timeout": patience.answer + LONGEST * BITS / baud}
    try:
        opened = serial.Serial(port, baud, exclusive=True, **settings)
    except (ValueError, OverflowError):
        raise HalfbyteError(f"{port}: cannot be set to --baud {baud}") from None
    except _errors() as error:
        raise HalfbyteError(_why_not_open(port, error)) from None
    with opened:
        with suppress(*_errors(), ValueError, AttributeError, NotImplementedError):
            opened.set_low_latency_mode(True)  # a USB adapter may else keep each answer for 16 ms
        try:
            yield Line(opened, port, baud, patience)
        finally:
            with suppress(*_errors()):
                opened.reset_output_buffer()  # what a stuck port holds would be waited for


def meet(line: Line, graph: Graph, folder: Path) -> None:
    """Ask the board what it is; HalfbyteError where it does not answer or runs something else."""
    _settle(line, line.patience.quiet)  # it may still be printing
    payload = exchange(line, protocol.INFO, b"", protocol.INFO_BYTES)
    try:
        info = protocol.parse_info(payload)
    except ValueError as error:
        raise HalfbyteError(f"{line.name}: {error}") from None
    again = f"flash this one with: halfbyte flash {folder} --chip CHIP"
    if info.digest != graph.digest:
        there, here = f"the board runs the network {info.digest}", f"{folder} holds {graph.name} {graph.digest}"
        raise HalfbyteError(f"{line.name}: {there}, {here}; {again}")
    raw, scores = _sizes(graph)
    if (info.raw_bytes, info.n_scores) != (raw, scores):
        found = f"the board takes samples of {info.raw_bytes:,} bytes and gives {info.n_scores:,} scores"
        raise HalfbyteError(f"{line.name}: {found}, {folder} {raw:,} and {scores:,}; {again}")
    line.met, line.rows = True, info.rows


def compare(
    line: Line, graph: Graph, images: npt.NDArray[np.integer], progress: Callable[[int], None] = lambda _: None
) -> Report:
    """Send raw images (n, *shape) to a board that was met, one after the other; `progress` gets their number."""
    size, n_scores = _sizes(graph)
    if size > protocol.MOST and not line.rows:
        raise HalfbyteError(f"{graph.name} takes samples of {size:,} bytes; a frame holds at most {protocol.MOST:,}")
    last = graph.nodes[-1].name
    expected = reference.run(graph, images)[last].reshape(len(images), n_scores)
    answers = np.zeros((len(images), n_scores + 1), "<i4")
    begun = time.monotonic()
    for index, image in enumerate(images):
        line.at = f"image {index} of {len(images)}"
        for kind, payload in protocol.requests(image, graph.dtype, line.rows):
            answers[index] = np.frombuffer(exchange(line, kind, payload, 4 * (n_scores + 1)), "<i4")
        progress(index + 1)
    seconds = time.monotonic() - begun
    scores, cycles = answers[:, :-1], answers[:, -1].view("<u4")
    differs = scores != expected
    return Report(
        name=graph.name,
        digest=graph.digest,
        port=line.name,
        baud=line.baud,
        images=len(images),
        mismatches=int(differs.sum()),
        wrong_images=int(differs.any(axis=1).sum()),
        cycles=round(float(cycles.mean())),
        cycles_min=int(cycles.min()),
        cycles_max=int(cycles.max()),
        retries=line.retries,
        seconds=round(seconds, 3),
        first=_first(last, differs, expected, scores),
    )


def exchange(line: Line, kind: int, payload: bytes, n_reply: int) -> bytes:
    """Send a frame, give the n_reply bytes of its answer's payload.

    What fails is sent again, `tries` times in all, each time after the line has become quiet. HalfbyteError then, and
    at once where the board has restarted or the connection is gone.
    """
    sent, trouble, late = protocol.frame(kind, payload), "", False
    expected = {kind | protocol.REPLY: n_reply, protocol.ERROR: 1}
    seconds = line.patience.answer + BITS * (len(sent) + protocol.HEAD + n_reply + protocol.TAIL) / line.baud
    for _ in range(line.patience.tries):
        line.damaged = 0
        _write(line, sent)
        answer = _receive(line, expected, seconds)
        if answer is not None and answer[0] != protocol.ERROR:
            if late:  # the answer to an earlier try may still come, and must not be taken for that of the next frame
                _settle(line, line.patience.answer)
            line.noise.clear()
            return answer[1]
        late |= answer is None and not line.damaged
        trouble = _trouble(line, answer) or trouble
        line.retries += 1
        _settle(line, line.patience.quiet)
        line.noise.clear()
    raise HalfbyteError(
        f"{line.name}: {line.at}: {trouble or _silence(line)} (tried {line.patience.tries} times at {line.baud} baud)"
    )


def _trouble(line: Line, answer: tuple[int, bytes] | None) -> str:
    """What came instead of an answer, nothing for silence."""
    if answer is not None:
        return f"the board refuses the frame: {protocol.error_text(answer[1])}"
    if line.damaged:
        return "the answer comes damaged, its CRC is wrong; check wires, ground and --baud"
    if len(line.buffer) >= protocol.HEAD:
        return f"the answer breaks off after {len(line.buffer)} bytes; check wires and the board's power"
    if BOOT in line.noise:
        return "the board prints its greeting, but hears nothing; is its RX wired to this port's TX?"
    if line.noise or line.buffer:
        begin = bytes(line.noise + line.buffer)[:12]
        return f"what comes is no frame ({begin!r}); is --baud right, and the image of this run flashed? press reset"
    return ""


def _silence(line: Line) -> str:
    if line.met:
        return "the board does not answer any more; is it powered? press reset"
    return "the board does not answer; is --baud right, is the image of this run flashed? press reset"


def _receive(line: Line, expected: dict[int, int], seconds: float) -> tuple[int, bytes] | None:
    """The next frame of an expected type with the length that goes with it; None when none came in time."""
    longest = protocol.HEAD + max(expected.values()) + protocol.TAIL
    heard = time.monotonic()
    deadline = heard + seconds
    while (found := _take(line, expected)) is None:
        now = time.monotonic()
        if now >= (min(deadline, heard + line.patience.quiet) if line.damaged else deadline):
            break
        data = _read(line, longest - len(line.buffer))
        line.buffer += data
        heard = time.monotonic() if data else heard
    return found


def _take(line: Line, expected: dict[int, int]) -> tuple[int, bytes] | None:
    """The first whole frame of the buffer; what stands in front of it, and what only looks like one, is noise."""
    while line.buffer:
        at = line.buffer.find(protocol.SYNC)
        _skip(line, len(line.buffer) if at < 0 else at)
        if len(line.buffer) < protocol.HEAD:
            break
        kind, length = protocol.head(line.buffer)
        if expected.get(kind) != length:
            _skip(line, 1)
            continue
        try:
            found = protocol.parse(line.buffer)
        except ValueError:
            line.damaged += 1
            _skip(line, 1)
            continue
        if found is not None:
            del line.buffer[: protocol.HEAD + length + protocol.TAIL]
        return found
    return None


def _skip(line: Line, count: int) -> None:
    """Call the first bytes of the buffer noise. A greeting among them means that a board which was met restarted."""
    line.noise += line.buffer[:count]
    del line.buffer[:count], line.noise[:-KEPT]
    if line.met and BOOT in line.noise:
        raise HalfbyteError(
            f"{line.name}: {line.at}: the board has restarted; was reset pressed, or does its power break down?"
        )


def _settle(line: Line, quiet: float) -> None:
    """Read and forget until nothing has come for `quiet` seconds, or for long enough."""
    begun = heard = time.monotonic()
    while (now := time.monotonic()) - heard < quiet and now - begun < quiet + line.patience.answer:
        data = _read(line, KEPT)
        line.buffer += data
        heard = time.monotonic() if data else heard
        _skip(line, len(line.buffer))


def _read(line: Line, most: int) -> bytes:
    """At most so many bytes; fewer after a while."""
    with _broken(line):
        return bytes(line.port.read(max(1, most)))


def _write(line: Line, data: bytes) -> None:
    with _broken(line):
        line.port.write(data)


@contextmanager
def _broken(line: Line) -> Iterator[None]:
    """What the system says of a port that is gone, in a line."""
    where = f"{line.name}: {line.at}"
    try:
        yield
    except _module("serial").SerialTimeoutException:
        raise HalfbyteError(f"{where}: the port takes no more bytes; is the adapter stuck? plug it in again") from None
    except _errors():
        raise HalfbyteError(
            f"{where}: the connection is lost; is the cable plugged in, and no other program on this port?"
        ) from None


def _first(
    layer: str, differs: npt.NDArray[np.bool_], expected: npt.NDArray[np.integer], actual: npt.NDArray[np.integer]
) -> Mismatch | None:
    if not differs.any():
        return None
    sample, index = (int(i) for i in np.argwhere(differs)[0])
    return Mismatch(layer, "the board", sample, (index,), int(expected[sample, index]), int(actual[sample, index]))


def _sizes(graph: Graph) -> tuple[int, int]:
    """Bytes of a raw sample, and number of scores."""
    raw = int(np.prod(graph.shape)) * np.dtype(graph.dtype).itemsize
    return raw, int(np.prod(graph.shapes[graph.nodes[-1].name]))


def _module(name: str) -> Any:  # noqa: ANN401 (it has no types)
    """A module of pyserial, of an optional extra."""
    try:
        return importlib.import_module(name)
    except ImportError:
        raise HalfbyteError("pyserial is not installed: pip install 'halfbyte[firmware]'") from None


def _errors() -> tuple[type[Exception], ...]:
    """What a port may raise; pyserial lets errors of termios through, where there is termios."""
    try:
        return (OSError, importlib.import_module("termios").error)
    except ImportError:
        return (OSError,)


def _why_not_open(port: str, error: Exception) -> str:
    number = getattr(error, "errno", None)
    if number is None:  # pyserial's own, of a file that is no terminal
        number = errno.ENOTTY
    what = OPENING.get(number, f"it cannot be opened: {error}")
    names = ", ".join(found.device for found in _module("serial.tools.list_ports").comports())
    return f"{port}: {what}" + (f" (there is {names or 'none'})" if number == errno.ENOENT else "")
