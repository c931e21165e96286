"""Where the `tusou` command starts: a plain word where only the client library is installed."""

import sys
from importlib.util import find_spec


def main() -> None:
    """Run the command line."""
    if find_spec("click") is None:
        sys.exit("Only tusou's client library is installed. The rest: pip install 'tusou[server]'")
    from tusou.cli import main as run

    run()
