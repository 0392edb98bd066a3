"""Exports metrics to Prometheus. Hot objects keep plain numbers; providers read them when somebody scrapes, and not before.

Must not be called per message. What may be exported stands in `catalogue.py`; anything else is refused.
"""

from __future__ import annotations

import logging
import platform
from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple, TypeAlias

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
)
from prometheus_client.core import Metric as Family
from prometheus_client.registry import Collector

from gwcore import __version__
from gwcore.histogram import LatencyHistogram
from gwcore.runtime.observability.catalogue import CATALOGUE, Metric

#: What `Metrics.scrape` returns, for the HTTP header.
CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

_logger = logging.getLogger(__name__)


class Sample(NamedTuple):
    """One value: the metric's declared name, its labels in declared order, and a number (or a histogram)."""

    name: str
    labels: tuple[tuple[str, str], ...]
    value: float | LatencyHistogram


#: Reads numbers out of hot objects; called once a scrape, on the loop's thread.
Provider: TypeAlias = Callable[[], Iterable[Sample]]


class Metrics:
    """All providers of one process, as Prometheus sees them."""

    def __init__(self) -> None:
        self._collector = _Collector()
        self._registry = CollectorRegistry(auto_describe=False)
        self._registry.register(self._collector)

    def add(self, provider: Provider) -> None:
        """Ask this provider too at each scrape."""
        self._collector.providers.append(provider)

    def remove(self, provider: Provider) -> None:
        """Ask it no more. No error where it was not added."""
        if provider in self._collector.providers:
            self._collector.providers.remove(provider)

    def samples(self) -> list[Sample]:
        """All samples, checked: for status pages and tests. Raises ValueError for one that was not declared."""
        found = [sample for provider in self._collector.providers for sample in provider()]
        for sample in found:
            check_sample(sample)
        return found

    def scrape(self) -> bytes:
        """Everything in Prometheus' text format. A provider that fails is left out and counted."""
        return generate_latest(self._registry)


def check_sample(sample: Sample) -> Metric:
    """The declaration of a sample. Raises ValueError where name, labels or value are not as declared."""
    metric = CATALOGUE.get(sample.name)
    if metric is None:
        raise ValueError(f"metric {sample.name} is not declared in gwcore/runtime/observability/catalogue.py")
    names = tuple(name for name, _ in sample.labels)
    if names != metric.labels:
        raise ValueError(f"metric {sample.name} has the labels {metric.labels}, not {names}")
    if isinstance(sample.value, LatencyHistogram) != (metric.kind == "histogram"):
        raise ValueError(f"metric {sample.name} is a {metric.kind}, and {type(sample.value).__name__} is not its value")
    return metric


def build_info(*, venue: str, environment: str, source: str) -> Provider:
    """A provider of `gw_build_info`."""
    labels = (
        ("version", __version__),
        ("python", platform.python_version()),
        ("venue", venue),
        ("environment", environment),
        ("source", source),
    )
    return lambda: [Sample("gw_build_info", labels, 1)]


class _Collector(Collector):
    def __init__(self) -> None:
        self.providers: list[Provider] = []
        self._errors = 0

    def collect(self) -> Iterator[Family]:
        """Called by prometheus_client for a scrape."""
        families: dict[str, Family] = {}
        for provider in self.providers:
            try:
                checked = [(check_sample(sample), sample) for sample in provider()]
            except Exception:
                self._errors += 1
                _logger.exception("a provider of metrics failed; its metrics are left out of this scrape")
                continue
            for metric, sample in checked:
                family = families.get(metric.name)
                if family is None:
                    family = families[metric.name] = _family(metric)
                _add(family, sample)
        errors = CATALOGUE["gw_metrics_errors_total"]
        families[errors.name] = _family(errors)
        _add(families[errors.name], Sample(errors.name, (), self._errors))
        yield from families.values()


def _family(metric: Metric) -> Family:
    if metric.kind == "counter":
        return CounterMetricFamily(metric.name.removesuffix("_total"), metric.help, labels=metric.labels)
    if metric.kind == "histogram":
        return HistogramMetricFamily(metric.name, metric.help, labels=metric.labels)
    return GaugeMetricFamily(metric.name, metric.help, labels=metric.labels)


def _add(family: Family, sample: Sample) -> None:
    labels = [value for _, value in sample.labels]
    if isinstance(sample.value, LatencyHistogram):
        rows = [(repr(bound), float(count)) for bound, count in sample.value.cumulative()]
        rows.append(("+Inf", float(sample.value.count)))
        assert isinstance(family, HistogramMetricFamily)
        family.add_metric(labels, rows, sample.value.sum_ns / 1e9)
    else:
        assert isinstance(family, CounterMetricFamily | GaugeMetricFamily)
        family.add_metric(labels, float(sample.value))
