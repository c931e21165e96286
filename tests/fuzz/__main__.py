"""Fuzzes one target, as scripts/fuzz does with all: python -m fuzz TARGET [OPTION...] [CORPUS]."""

import sys
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["tusou"]):
    from fuzz.targets import TARGETS

from fuzz.seeds import seeds


def main() -> None:
    """Lay out the seeds in the first folder given, and begin."""
    target, *options = sys.argv[1:]
    for option in options:
        if not option.startswith("-"):
            folder = Path(option)
            folder.mkdir(parents=True, exist_ok=True)
            for name, data in seeds()[target].items():
                (folder / f"seed-{name}").write_bytes(data)
            break
    atheris.Setup([sys.argv[0], *options], TARGETS[target])
    atheris.Fuzz()


main()
