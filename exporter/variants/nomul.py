# SPDX-License-Identifier: Apache-2.0
"""nomul: kernels for cores without a multiplier. They add columns of codes for every digit of an activation."""

from __future__ import annotations

from exporter.variants.base import Variant
from exporter.variants.columns import weights_in_columns

NOMUL = Variant("nomul", weights_in_columns)
