"""Metrics: only what is declared, read when somebody scrapes, in a form that Prometheus' own parser takes."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

import gwcore.runtime
from gwcore.histogram import LatencyHistogram
from gwcore.runtime.observability.catalogue import CATALOGUE, Metric
from gwcore.runtime.observability.metrics import Metrics, Sample, build_info, check_sample


def value_of(metric: Metric, number: float = 3) -> Sample:
    if metric.kind != "histogram":
        return Sample(metric.name, tuple((label, f"a {label}") for label in metric.labels), number)
    histogram = LatencyHistogram()
    for latency in (500, 2_000, 5_000_000, 200_000_000_000):
        histogram.observe(latency)
    return Sample(metric.name, tuple((label, f"a {label}") for label in metric.labels), histogram)


def scrape(*providers: Iterable[Sample]) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    metrics = Metrics()
    for samples in providers:
        metrics.add(lambda samples=samples: samples)  # type: ignore[misc]
    return parsed(metrics.scrape())


def parsed(text: bytes) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text.decode())
        for sample in family.samples
    }


@pytest.mark.parametrize("metric", CATALOGUE.values(), ids=lambda metric: metric.name)
def test_every_declared_metric_can_be_scraped(metric: Metric) -> None:
    sample = value_of(metric)
    found = scrape([sample])
    labels = tuple(sorted(sample.labels))
    if metric.kind == "histogram":
        assert found[(f"{metric.name}_count", labels)] == 4
        assert found[(f"{metric.name}_sum", labels)] == pytest.approx(200.0050025)
        buckets = [(name, dict(key)["le"], value) for (name, key), value in found.items() if name.endswith("_bucket")]
        assert [value for _, _, value in buckets] == sorted(value for _, _, value in buckets)
        assert buckets[-1] == (f"{metric.name}_bucket", "+Inf", 4)
        assert buckets[-2][2] == 3  # 200 s are above the largest bound
    elif metric.name != "gw_metrics_errors_total":
        assert found[(metric.name, labels)] == 3


def test_every_declared_metric_is_exported_somewhere() -> None:
    folder = Path(gwcore.runtime.__file__).parent
    text = "".join(file.read_text() for file in folder.rglob("*.py") if file.name != "catalogue.py")
    assert [name for name in CATALOGUE if f'"{name}"' not in text] == []


@pytest.mark.parametrize("metric", CATALOGUE.values(), ids=lambda metric: metric.name)
def test_names_are_regular(metric: Metric) -> None:
    assert re.fullmatch(r"gw_[a-z]+(_[a-z]+)*", metric.name)
    assert metric.name.endswith("_total") == (metric.kind == "counter")
    if metric.kind == "histogram":
        assert metric.name.endswith("_seconds")
    assert metric.help.endswith(".")
    assert not {"order_id", "client", "client_id"} & set(metric.labels)


@pytest.mark.parametrize(
    ("sample", "reason"),
    [
        (Sample("gw_nonsense", (), 1), "gw_nonsense is not declared"),
        (Sample("gw_connection_up", (), 1), "has the labels ('connection',), not ()"),
        (Sample("gw_ready", (("x", "y"),), 1), "has the labels (), not ('x',)"),
        (Sample("gw_journal_sync_seconds", (), 1), "is a histogram, and int is not its value"),
        (Sample("gw_ready", (), LatencyHistogram()), "is a gauge, and LatencyHistogram is not its value"),
    ],
)
def test_what_is_not_declared_is_refused(sample: Sample, reason: str) -> None:
    with pytest.raises(ValueError, match=re.escape(reason)):
        check_sample(sample)
    metrics = Metrics()
    metrics.add(lambda: [sample])
    with pytest.raises(ValueError, match=re.escape(reason)):
        metrics.samples()


def test_a_provider_that_fails_is_left_out_and_counted(caplog: pytest.LogCaptureFixture) -> None:
    def broken() -> Iterable[Sample]:
        yield Sample("gw_ready", (), 1)
        raise RuntimeError("half way")

    metrics = Metrics()
    metrics.add(broken)
    metrics.add(lambda: [Sample("gw_nonsense", (), 1)])
    metrics.add(lambda: [Sample("gw_events_total", (("kind", "gap"),), 5)])
    found = parsed(metrics.scrape())
    assert found[("gw_events_total", (("kind", "gap"),))] == 5
    assert found[("gw_metrics_errors_total", ())] == 2
    assert ("gw_ready", ()) not in found
    assert "half way" in caplog.text
    metrics.remove(broken)
    metrics.remove(broken)
    assert parsed(metrics.scrape())[("gw_metrics_errors_total", ())] == 3


def test_several_providers_add_to_one_family() -> None:
    found = scrape(
        [Sample("gw_frames_total", (("connection", "md.0"),), 1)],
        [Sample("gw_frames_total", (("connection", "md.1"),), 2)],
    )
    assert found[("gw_frames_total", (("connection", "md.1"),))] == 2
    assert found[("gw_frames_total", (("connection", "md.0"),))] == 1


def test_values_are_read_at_the_scrape() -> None:
    count = 0
    metrics = Metrics()
    metrics.add(lambda: [Sample("gw_event_bytes_total", (), count)])
    count = 7
    assert parsed(metrics.scrape())[("gw_event_bytes_total", ())] == 7


def test_label_values_are_escaped() -> None:
    text = 'a "quoted"\\ \n value'
    assert (
        scrape([Sample("gw_trade_gaps_total", (("state", text),), 1)])[("gw_trade_gaps_total", (("state", text),))] == 1
    )


def test_what_runs_is_said() -> None:
    found = scrape(build_info(venue="toy", environment="sim", source="one")())
    ((name, labels),) = [key for key in found if key[0] == "gw_build_info"]
    assert name == "gw_build_info"
    assert dict(labels)["venue"] == "toy"
