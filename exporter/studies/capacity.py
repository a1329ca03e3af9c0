# SPDX-License-Identifier: Apache-2.0
"""Is the total number of bits what limits accuracy, whatever the format?"""

from __future__ import annotations

from exporter.studies.base import Step, of_steps, setting_words
from training.formats import FORMATS

FORMATS_TRIED = ("binary", "ternary", "sym2", "sym4", "sym5", "int8")  # 1, 1.6, 2, 4, 5 and 8 bits
KILOBITS = (25, 100)
PLAIN = tuple(f"augment.{name}=0.0" for name in ("rotate", "translate", "scale", "elastic", "keep"))
N_IN, N_CLASSES = 256, 10


def width(bits: float, kilobits: int) -> int:
    """Neurons of three equal hidden layers whose network comes closest to that many bits of weights."""
    wanted = 1000 * kilobits / bits
    return min(range(4, 512), key=lambda n: abs(n * (N_IN + 2 * n + N_CLASSES) - wanted))


def steps(epochs: int) -> list[Step]:
    """Every format at every size, with the distortions of mnist-fc-12k and without."""
    found = []
    for end, settings in (("", ()), ("-plain", PLAIN)):
        for name in FORMATS_TRIED:
            for kilobits in KILOBITS:
                layers = ",".join([f"{{linear={width(FORMATS[name].bits, kilobits)}}}"] * 3)
                own = (f"model.format={name}", f"model.layers=[{layers}]", f"train.epochs={epochs}", *settings)
                words = ("run", "mnist-fc-12k", *setting_words(own))
                found.append(Step(f"{name}-{kilobits}k{end}", f"{name}{end}", words))
    return found


STUDY = of_steps(
    "capacity",
    "Is the total number of bits still what limits accuracy when the images are distorted? (-plain: they are not)",
    steps,
    epochs=10,
    seeds=(1, 2),
)
