# SPDX-License-Identifier: Apache-2.0
"""nomul: kernels for cores without a multiplier. They add columns of codes for every digit of an activation."""

from __future__ import annotations

from exporter.ops import Linear, Op, Table
from exporter.variants.base import Variant
from exporter.variants.mul import PACKERS
from training.formats import get_format

FORMATS = tuple(PACKERS)  # in the same columns


def _weights(op: Op) -> Table | None:
    if not isinstance(op, Linear) or op.format not in PACKERS:
        return None
    pack = PACKERS[op.format]
    return Table("w", "uint32_t", pack(get_format(op.format).code_of_level(op.w)), op.w.size)


NOMUL = Variant("nomul", _weights)
