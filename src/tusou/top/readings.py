"""What a server tells at one moment, and how much of it happened since another."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

from prometheus_client.parser import text_string_to_metric_families

Labels = frozenset[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Reading:
    """All values of one moment."""

    values: Mapping[str, Mapping[Labels, float]]
    """By name and labels."""

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read what `/metrics` says.

        Raises:
            ValueError: it is something else.
        """
        values = dict[str, dict[Labels, float]]()
        for family in text_string_to_metric_families(text):
            for sample in family.samples:
                of_name = values.setdefault(sample.name, {})
                of_name[frozenset(sample.labels.items())] = sample.value
        if "tusou_build_info" not in values:
            raise ValueError("this is not what a tusou server says")
        return cls(values)

    def total(self, name: str, **labels: str) -> float:
        """The sum of a name's values that have at least these labels."""
        wanted = frozenset(labels.items())
        return sum(value for has, value in self.values.get(name, {}).items() if wanted <= has)

    def groups(self, name: str, *labels: str, **having: str) -> dict[tuple[str, ...], float]:
        """Sums of a name's values by some labels, of those that have others."""
        wanted = frozenset(having.items())
        sums = dict[tuple[str, ...], float]()
        for has, value in self.values.get(name, {}).items():
            if wanted <= has:
                known = dict(has)
                key = tuple(known.get(label, "") for label in labels)
                sums[key] = sums.get(key, 0.0) + value
        return sums

    def since(self, before: "Reading | None") -> "Reading":
        """What came since another reading; all there is, where the server began anew in between."""
        start = "process_start_time_seconds"
        if before is None or before.total(start) != self.total(start):
            return self
        return Reading(
            {
                name: {
                    labels: value - before.values.get(name, {}).get(labels, 0.0)
                    for labels, value in of_name.items()
                }
                for name, of_name in self.values.items()
            }
        )

    def quantile(self, share: float, name: str, **labels: str) -> float | None:
        """A quantile of a histogram, straight between its bounds; None: it is empty.

        What lies beyond the last bound counts as that, as Prometheus has it.
        """
        buckets = sorted(
            (float(bound), count)
            for (bound,), count in self.groups(f"{name}_bucket", "le", **labels).items()
        )
        if not buckets or not buckets[-1][1]:
            return None
        wanted, low, below = share * buckets[-1][1], 0.0, 0.0
        for bound, count in buckets:
            if count >= wanted and count > below:
                if bound == float("inf"):
                    break
                return low + (bound - low) * (wanted - below) / (count - below)
            low, below = bound if bound != float("inf") else low, count
        return low
