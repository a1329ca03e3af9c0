# SPDX-License-Identifier: Apache-2.0
"""A run's C on a named chip: description, linked image, checks, and the emulated machine that runs it."""
