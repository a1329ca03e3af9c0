# SPDX-License-Identifier: Apache-2.0
"""Are learned bit widths better than a uniform format of the same size?"""

from __future__ import annotations

from exporter.studies.base import Step, of_steps, setting_words

GAMMAS = (0.005, 0.015, 0.04)
UNIFORM = {"int8": (24, 40, 64), "sym4": (32, 48, 64), "sym2": (64, 96)}


def steps(epochs: int) -> list[Step]:
    """The recipe at several prices of a bit, and uniform formats at several widths, all of them coded for size."""
    every = (f"train.epochs={epochs}", "export.optimize=size")
    found = []
    for gamma in GAMMAS:
        words = ("run", "mnist-fc-selfcompress", *setting_words((*every, f"compress.gamma={gamma}")))
        found.append(Step(f"gamma-{gamma}", "self-compressed", words))
    for name, widths in UNIFORM.items():
        for width in widths:
            layers = ",".join([f"{{linear={width}}}"] * 3)
            own = (*every, f"model.format={name}", f"model.layers=[{layers}]")
            found.append(
                Step(f"{name}-{width}", f"{name} in every layer", ("run", "mnist-fc-12k", *setting_words(own)))
            )
    return found


STUDY = of_steps(
    "selfcompress",
    "Are learned bit widths better than a uniform format of the same size?",
    steps,
    epochs=10,
    seeds=(1, 2),
)
