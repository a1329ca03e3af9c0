# SPDX-License-Identifier: Apache-2.0
"""mul: kernels for cores with a multiplier of 32 bits. Two products of small codes share a multiplication."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from exporter.ops import Linear, Op, Table
from exporter.variants.base import Variant
from exporter.variants.columns import WORD, pack_4_and_1, pack_columns, pack_trits
from training.formats import get_format

Packer = Callable[[npt.NDArray[np.uint8]], npt.NDArray[np.uint32]]


def _columns(bits: int) -> Packer:
    return lambda codes: pack_columns(codes, bits)


# Format -> its layout.
PACKERS: dict[str, Packer] = {
    "binary": _columns(1),
    "sym2": _columns(2),
    "sym4": _columns(4),
    "int4": _columns(4),
    "shift4": _columns(4),
    "nf4": _columns(4),
    "ternary": pack_trits,
    "sym5": pack_4_and_1,
    "int8": lambda codes: pack_columns(codes, 8, (WORD,)),
}


def _weights(op: Op) -> Table | None:
    if not isinstance(op, Linear) or op.format not in PACKERS:
        return None
    pack = PACKERS[op.format]
    return Table("w", "uint32_t", pack(get_format(op.format).code_of_level(op.w)), op.w.size)


MUL = Variant("mul", _weights, others=frozenset({"hb_maxshift"}), planes=True)
