"""Which requests, allowed by /openapi.json or not, are answered with 5xx or not as described."""

import argparse
import sys
import tempfile
from pathlib import Path

from support.fuzzing import CHECKS, fuzz
from support.native import added, asking
from support.pictures import picture
from support.server import Server


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=int, default=120, help="for each of both interfaces")
    seconds: int = parser.parse_args().seconds
    with tempfile.TemporaryDirectory() as folder:
        server = Server(Path(folder) / "data", {"TUSOU_GRANT_CAPACITY": "true"})
        caller = server.caller()
        for service in ("similar", "same_hq"):
            added(asking(caller), service, picture(1), "b")
        # Bodies of the contract are described loosely: its answers are always 200.
        bounds = "--phases", "examples,coverage,fuzzing", "--max-time", str(seconds)
        native = fuzz(caller, *bounds, paths="^/v1")
        compatible = fuzz(caller, *bounds, paths="^/(rest|rpc|oauth)", checks=CHECKS[:1])
        server.stop()
    for run in (native, compatible):
        print(run.stdout)
    return native.returncode or compatible.returncode


if __name__ == "__main__":
    sys.exit(main())
