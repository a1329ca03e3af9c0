# SPDX-License-Identifier: Apache-2.0
"""mul: kernels for cores with a multiplier of 32 bits. Two products of small codes share a multiplication."""

from __future__ import annotations

from exporter.variants.base import Variant
from exporter.variants.columns import weights_in_columns

MUL = Variant("mul", weights_in_columns, others=frozenset({"hb_maxshift"}), planes=True)
