# SPDX-License-Identifier: Apache-2.0
"""Where the command begins: Ctrl-C ends it in one line from the first import on."""

import sys

CTRL_C = 130  # 128 + SIGINT, as shells have it


def main() -> None:
    """Load the command line, and run it."""
    try:
        from halfbyte import cli  # noqa: PLC0415 (it takes a quarter of a second)
    except KeyboardInterrupt:
        print("halfbyte: stopped by Ctrl-C", file=sys.stderr)
        sys.exit(CTRL_C)
    cli.main()


if __name__ == "__main__":
    main()
