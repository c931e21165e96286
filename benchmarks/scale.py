"""What a cluster for so many pictures needs, reckoned from measured constants (docs/scaling.md)."""

import argparse
from dataclasses import dataclass

GB = 1e9
HOURS = 3600


@dataclass(frozen=True)
class Costs:
    """Of one picture, and of one search."""

    sql: int
    """Bytes in the database (docs/sizing.md, of SQLite)."""
    index: int
    """Bytes of memory in Milvus, by its formats."""
    add: float
    """Seconds of one core, whole request (docs/sizing.md, two cores' adds a second)."""
    search: float
    """Seconds of one core, whole request but Milvus's part (docs/sizing.md)."""


THUMBNAIL = 9_600  # docs/sizing.md
ENTRY = 8 + 8 + 4 + 4  # id, library, two classes
VECTOR = 384 + ENTRY  # one byte a dimension (IVF_SQ8)
WORDS = 400 * (4 + 4) + ENTRY  # of a picture: the word's number and its weight
FILL_ROWS = 5_800  # rows a second into Milvus 2.3.5 (benchmarks/cluster_search.py)

SERVICES = {
    "similar": Costs(sql=1_250, index=VECTOR, add=2 / 22, search=2 / 27),
    "same_hq": Costs(sql=21_600, index=VECTOR + WORDS, add=2 / 7.3, search=2 / 5.5),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--file", type=float, default=100, help="KB of a picture's file")
    parser.add_argument("--rate", type=float, default=50, help="searches a second")
    parser.add_argument("--busy", type=float, default=0.6, help="how busy cores may be")
    options = parser.parse_args()
    print("| service | pictures | database GB | bucket TB | Milvus memory GB | API cores |", end="")
    print(" core-hours to add | hours to index anew |")
    print("|---|---:|" + "---:|" * 6)
    for service, costs in SERVICES.items():
        for power in (6, 7, 8, 9):
            count = 10.0**power
            print(
                f"| `{service}` | {count / 1e6:,.0f} M | {count * costs.sql / GB:,.0f} "
                f"| {count * (options.file * 1000 + THUMBNAIL) / 1e12:,.1f} "
                f"| {count * costs.index / GB:,.1f} "
                f"| {options.rate * costs.search / options.busy:,.0f} "
                f"| {count * costs.add / HOURS:,.0f} "
                f"| {count / FILL_ROWS / HOURS:,.1f} |"
            )


if __name__ == "__main__":
    main()
