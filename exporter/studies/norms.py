# SPDX-License-Identifier: Apache-2.0
"""What a norm between the layers is worth, and what it costs."""

from __future__ import annotations

from exporter.studies.base import Step, of_steps, setting_words

MATRIX = "{{linear={width}}}"
# norm -> settings, and what a hidden layer consists of
KINDS = {
    "none": (("model.norm=none",), MATRIX),
    "RMS, in the gradient alone": (("model.norm=rms",), MATRIX),
    "L1, in the gradient alone": (("model.norm=l1",), MATRIX),
    "RMS norm": (("model.norm=none",), "{{linear={width},signed=true}},{{rmsnorm=true}}"),
    "layer norm": (("model.norm=none",), "{{linear={width},signed=true}},{{layernorm=true}}"),
    "batch norm": (("model.norm=batch", "model.requant=mulshift", "model.scale=channel"), MATRIX),
}
WIDTHS = (16, 64)


def steps(epochs: int) -> list[Step]:
    """Every norm at every width."""
    found = []
    for norm, (options, hidden) in KINDS.items():
        for width in WIDTHS:
            layers = ",".join([hidden.format(width=width)] * 3)
            own = (*options, f"model.layers=[{layers}]", f"train.epochs={epochs}")
            name = f"{norm.partition(',')[0].lower().replace(' ', '-')}-{width}"
            found.append(Step(name, norm, ("run", "mnist-fc-12k", *setting_words(own))))
    return found


STUDY = of_steps("norms", "RMS norm, L1 norm, layer norm, batch norm or none?", steps, epochs=10)
