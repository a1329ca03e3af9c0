# SPDX-License-Identifier: Apache-2.0
"""Studies: questions answered by trained networks. A new one is one file here, and its line in STUDIES."""

from exporter.studies import capacity, norms
from exporter.studies.base import Study

STUDIES: dict[str, Study] = {study.name: study for study in (capacity.STUDY, norms.STUDY)}

__all__ = ["STUDIES", "Study"]
