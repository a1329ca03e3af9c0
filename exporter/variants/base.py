# SPDX-License-Identifier: Apache-2.0
"""What a kernel variant is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from exporter.ops import Op, Table


@dataclass(frozen=True, eq=False)
class Variant:
    """Kernels for one kind of core.

    name     behind the names of its kernels, and of their folder in firmware/variants/
    weights  operation -> its weights packed as this variant reads them; None where it has no kernel for it
    """

    name: str
    weights: Callable[[Op], Table | None]
