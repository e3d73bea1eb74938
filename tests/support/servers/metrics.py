"""Reads the metrics of a server as Prometheus does."""

from collections.abc import Mapping

from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample

from actors.metrics.metrics import Metrics


class Scrape:
    """The samples of one answer."""

    def __init__(self, text: str) -> None:
        families = text_string_to_metric_families(text)
        self.samples = [sample for family in families for sample in family.samples]

    def value(self, name: str, **labels: str) -> float:
        """The sum of the samples of this name that have these labels; 0 if there is none."""
        return sum(sample.value for sample in self.samples if sample.name == name and _has(sample, labels))

    def labels(self, label: str) -> set[str]:
        """All values of a label in families of ours."""
        own = (sample for sample in self.samples if sample.name.startswith("wcsd_"))
        return {sample.labels[label] for sample in own if label in sample.labels}


async def scrape(metrics: Metrics) -> Scrape:
    """What the metrics are now; over HTTP they may be a second old."""
    return Scrape((await metrics.render()).decode())


def _has(sample: Sample, labels: Mapping[str, str]) -> bool:
    return labels.items() <= sample.labels.items()
