# SPDX-License-Identifier: Apache-2.0
"""Data, recipes, quantized layers and the training loop. Never imports `exporter`."""
