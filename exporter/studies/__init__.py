# SPDX-License-Identifier: Apache-2.0
"""Studies: questions answered by trained networks. A new one is one file here, and its line in STUDIES."""

from exporter.studies import capacity, lottery, norms, pruning, selfcompress
from exporter.studies.base import Study

STUDIES: dict[str, Study] = {
    module.STUDY.name: module.STUDY for module in (capacity, lottery, norms, pruning, selfcompress)
}

__all__ = ["STUDIES", "Study"]
