# SPDX-License-Identifier: Apache-2.0
"""From a trained module to packed C that is proved equal: lower, bound, plan, pack, generate, compile, verify."""
