# SPDX-License-Identifier: Apache-2.0
"""Codecs: weights that stay coded in flash, and are unpacked a few at a time (SPEC 4.6 and on).

A codec is one file here with pack and unpack side by side, its kernel in `firmware/codecs/`, a prototype in
`firmware/include/hb_codecs.h`, and an entry below. It serves every format, chip and compiler.
"""

from __future__ import annotations

from exporter.codecs.base import Codec, CodecError
from exporter.codecs.bitmask import BITMASK
from exporter.codecs.huffman import HUFFMAN
from exporter.codecs.radix import RADIX
from exporter.codecs.rice import RICE
from exporter.codecs.runs import RUNS
from exporter.codecs.widths import WIDTHS

CODECS: dict[str, Codec] = {codec.name: codec for codec in (HUFFMAN, BITMASK, RUNS, RICE, WIDTHS, RADIX)}

__all__ = ["CODECS", "Codec", "CodecError"]
