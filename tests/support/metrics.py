"""What a server tells Prometheus, by name and labels."""

from collections.abc import Mapping

from prometheus_client.parser import text_string_to_metric_families

from support.server import Server


class Scrape:
    """All values of one moment."""

    def __init__(self, server: Server) -> None:
        answer = server.http.get("/metrics")
        assert answer.status_code == 200
        assert answer.headers["content-type"].startswith("text/plain; version=")
        self.families = list(text_string_to_metric_families(answer.text))
        self._values = {
            (sample.name, frozenset(sample.labels.items())): sample.value
            for family in self.families
            for sample in family.samples
        }

    def total(self, name: str, **labels: object) -> float:
        """The sum of all values of a name that have at least these labels."""
        wanted = {(label, str(value)) for label, value in labels.items()}
        return sum(v for (known, has), v in self._values.items() if known == name and wanted <= has)

    def labels(self, name: str, label: str, **labels: object) -> set[str]:
        """The values that a label has."""
        wanted = {(other, str(value)) for other, value in labels.items()}
        return {dict(has)[label] for known, has in self._values if known == name and wanted <= has}

    def since(self, before: "Scrape", name: str, **labels: object) -> float:
        """By how much `total` has grown."""
        return self.total(name, **labels) - before.total(name, **labels)

    def helps(self) -> Mapping[str, str]:
        """What is said of each metric."""
        return {family.name: family.documentation for family in self.families}
