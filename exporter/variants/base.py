# SPDX-License-Identifier: Apache-2.0
"""What a kernel variant is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from exporter.ops import Conv

if TYPE_CHECKING:
    from collections.abc import Callable

    from exporter.ops import Op, Table


@dataclass(frozen=True, eq=False)
class Variant:
    """Kernels for one kind of core.

    name    behind the names of its kernels, and of their folder in firmware/variants/
    packed  operation -> its weights packed as this variant reads them; None where it has no kernel for it
    planes  has it kernels for planes, one channel of a map each?
    others  portable kernels of which it has its own besides, with tables as they are
    """

    name: str
    packed: Callable[[Op], Table | None]
    planes: bool = False
    others: frozenset[str] = frozenset()

    @property
    def header(self) -> str:
        """Name of the file of its prototypes."""
        return f"hb_{self.name}.h"

    def kernel(self, op: Op) -> str:
        """Name of its kernel for an operation, and of the kernel's file."""
        return f"{op.kernel()}_{self.name}"

    def weights(self, op: Op) -> Table | None:
        """As `packed`; a convolution of several channels runs as a linear layer for every pixel (SPEC 5.7).

        One that fits planes has its own weights, whether its group runs as planes or not.
        """
        if not isinstance(op, Conv):
            return self.packed(op)
        if op.fits_planes:
            return op.tables()[0] if self.planes else None
        return self.packed(op.as_linear()) if op.groups == 1 else None

    def serves(self, op: Op) -> bool:
        """Has it a kernel for an operation?"""
        return self.weights(op) is not None or op.kernel() in self.others
