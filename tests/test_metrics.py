"""The list of metrics, what is rendered, and the page that describes them."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry

from sternpost.metrics import METRICS, Metric, Metrics

PAGE = Path(__file__).parent.parent / "docs" / "reference" / "metrics.md"


def test_every_metric_of_the_list_is_made_and_no_other() -> None:
    """The registry holds exactly the list, with its labels."""
    registry = CollectorRegistry()
    metrics = Metrics(registry)
    made = {
        name.removesuffix("_total"): attribute
        for attribute in vars(metrics).values()
        if (name := getattr(attribute, "_name", None))
    }
    assert set(made) == {metric.name.removesuffix("_total") for metric in METRICS}
    for metric in METRICS:
        assert made[metric.name.removesuffix("_total")]._labelnames == metric.labels


def test_rendering() -> None:
    """Prometheus' text, one registry for each server."""
    metrics, other = Metrics(CollectorRegistry()), Metrics(CollectorRegistry())
    metrics.delivered.labels(destination="pendo").inc(2)
    metrics.workspace_revision.set(7)
    metrics.store_seconds.labels(operation="accept").observe(0.002)
    text = metrics.render().decode()
    assert 'sternpost_events_delivered_total{destination="pendo"} 2.0' in text
    assert "sternpost_workspace_revision 7.0" in text
    assert 'sternpost_store_seconds_bucket{le="0.0025",operation="accept"} 1.0' in text
    assert b'destination="pendo"' not in other.render()


@pytest.mark.parametrize("metric", METRICS, ids=lambda metric: metric.name)
def test_the_page_tells_each_metric(metric: Metric) -> None:
    """Name, kind, labels and meaning stand in the reference as they do in the list."""
    labels = ", ".join(f"`{label}`" for label in metric.labels) or "–"
    assert f"| `{metric.name}` | {metric.kind} | {labels} | {metric.meaning} |" in PAGE.read_text(
        encoding="utf-8"
    )


def test_the_page_tells_no_other_metric() -> None:
    """A metric that is gone is gone from the reference."""
    named = set(re.findall(r"`(sternpost_[a-z_]+)`", PAGE.read_text(encoding="utf-8")))
    assert named == {metric.name for metric in METRICS}
