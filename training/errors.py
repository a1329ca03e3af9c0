# SPDX-License-Identifier: Apache-2.0
"""The one exception a user is meant to read."""


class HalfbyteError(ValueError):
    """Something the user can put right: one line that says what, where, and what to do."""
