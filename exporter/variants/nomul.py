# SPDX-License-Identifier: Apache-2.0
"""nomul: kernels for cores without a multiplier. They add columns of codes for every digit of an activation."""

from __future__ import annotations

from exporter.ops import Linear, Op, Table
from exporter.variants.base import Variant
from exporter.variants.columns import pack_columns
from training.formats import get_format

BLOCKS = {"sym4": (32,), "int4": (32,)}  # bits of an input's codes in a block of outputs


def _weights(op: Op) -> Table | None:
    if not isinstance(op, Linear) or op.format not in BLOCKS:
        return None
    fmt = get_format(op.format)
    words = pack_columns(fmt.code_of_level(op.w), int(fmt.bits), BLOCKS[op.format])
    return Table("w", "uint32_t", words, op.w.size)


NOMUL = Variant("nomul", _weights)
