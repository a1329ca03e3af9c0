# SPDX-License-Identifier: Apache-2.0
"""mul: kernels for cores with a multiplier of 32 bits. Two products of small codes share a multiplication."""

from __future__ import annotations

from exporter.ops import Linear, Op, Table
from exporter.variants.base import Variant
from exporter.variants.columns import pack_columns
from training.formats import get_format

FORMATS = ("binary", "sym2", "sym4", "int4")


def _weights(op: Op) -> Table | None:
    if not isinstance(op, Linear) or op.format not in FORMATS:
        return None
    fmt = get_format(op.format)
    return Table("w", "uint32_t", pack_columns(fmt.code_of_level(op.w), int(fmt.bits)), op.w.size)


MUL = Variant("mul", _weights)
