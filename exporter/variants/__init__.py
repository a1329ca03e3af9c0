# SPDX-License-Identifier: Apache-2.0
"""Kernel variants: the same integers with fewer instructions, for what a core can do (SPEC 4.3).

A variant is one file here, its kernels in `firmware/variants/<name>/` and their prototypes in
`firmware/include/hb_<name>.h`. A kernel hb_<operation>_<variant> takes what the portable one of its operation takes,
and weights in an order of its own.
"""

from __future__ import annotations

from exporter.variants.avr import AVR
from exporter.variants.base import Variant
from exporter.variants.mul import MUL
from exporter.variants.nomul import NOMUL
from training.errors import HalfbyteError

VARIANTS: dict[str, Variant] = {variant.name: variant for variant in (AVR, MUL, NOMUL)}
PORTABLE = "portable"  # any C99; what is in firmware/src, and no entry above


def check_variant(name: str, *others: str) -> str:
    """The name, if there is such a variant; HalfbyteError otherwise."""
    known = (*others, PORTABLE, *VARIANTS)
    if name not in known:
        raise HalfbyteError(f"--variant {name}: expected one of {', '.join(known)}")
    return name


__all__ = ["PORTABLE", "VARIANTS", "Variant", "check_variant"]
