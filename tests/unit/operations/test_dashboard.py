"""The dashboard and the alerts ask for what there is, and lead where something is written."""

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import promql_parser
import pytest
import yaml
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver

from shub import metrics
from shub.containers.models import Blob
from shub.operations import access
from shub.uploads.models import Upload
from tests import metrics_page

ROOT = Path(__file__).parents[3]
RULES = ROOT / "deploy/prometheus/shub.rules.yml"
DASHBOARD = ROOT / "deploy/grafana/shub.json"

# What Prometheus adds to each series, and a histogram to each bucket.
ADDED = {"instance", "job", "le"}


def alerts() -> list[dict[str, Any]]:
    (group,) = yaml.safe_load(RULES.read_text())["groups"]
    return list(group["rules"])


def panels() -> list[dict[str, Any]]:
    return [panel for panel in json.loads(DASHBOARD.read_text())["panels"] if "targets" in panel]


def expressions() -> dict[str, str]:
    """What is asked, by the alert or the panel that asks."""
    found = {alert["alert"]: alert["expr"] for alert in alerts()}
    for panel in panels():
        for target in panel["targets"]:
            asked = target["expr"].replace("$__rate_interval", "5m")
            found[f"{panel['title']} {target['refId']}"] = asked
    return found


@pytest.mark.parametrize("asked", expressions().values(), ids=expressions())
def test_every_expression_can_be_read(asked: str) -> None:
    assert promql_parser.parse(asked)


@pytest.mark.django_db
def test_every_metric_that_is_asked_for_is_in_a_scrape(settings: Any) -> None:
    settings.METRICS_TOKEN = "a-token"
    Client().get("/version")
    answer = Client(headers={"Authorization": "Bearer a-token"}).get("/metrics")
    there = set()
    for name, kind in re.findall(r"^# TYPE (\w+) (\w+)$", answer.content.decode(), re.MULTILINE):
        endings = ("_bucket", "_sum", "_count") if kind == "histogram" else ("",)
        there |= {f"{name}{ending}" for ending in endings}
    asked = set(re.findall(r"\bshub_\w+", " ".join(expressions().values())))
    assert len(asked) > 15
    assert asked <= there


@pytest.mark.django_db
def test_labels_states_and_routes_that_are_asked_for_exist() -> None:
    known = {label for _, labels, _ in metrics_page.described().values() for label in labels}
    routes = set(route_names(get_resolver()))
    values = {
        "state": {*Upload.State.values, *Blob.State.values},
        "route": routes,
        "process": {"web", "sweep"},
        "outcome": {"done", "refused", "handed back", "in", "failed"},
    }
    for asked in expressions().values():
        for label, kind, value in re.findall(r'(\w+)(=~|!~|!=|=)"([^"]*)"', asked):
            assert label in known | ADDED, asked
            if label not in values:
                continue
            found = [each for each in values[label] if re.fullmatch(value, each)]
            wanted = value.count("|") + 1 if "~" in kind else 1
            assert len(found) == wanted, (asked, value, found)


def route_names(resolver: URLResolver) -> Iterator[str]:
    """What each route is called in metrics and logs."""
    for each in resolver.url_patterns:
        if isinstance(each, URLResolver):
            yield from route_names(each)
        elif isinstance(each, URLPattern):
            yield each.name or access._of_view(each.callback)


def test_doors_and_pages_have_names_of_their_own() -> None:
    doors = {name for name in route_names(get_resolver()) if name.startswith("library-")}
    assert {"library-entity", "library-image", "library-multipart"} <= doors
    pages = {name for name in route_names(get_resolver()) if not name.startswith("library-")}
    assert {"entity", "image", "healthz"} <= pages


def test_every_alert_leads_to_what_to_do() -> None:
    page = (ROOT / "docs/how-to/monitoring.md").read_text()
    headings = {each.lower() for each in re.findall(r"^### (\w+)$", page, re.MULTILINE)}
    assert len({alert["alert"] for alert in alerts()}) == len(alerts())
    for alert in alerts():
        url = alert["annotations"]["runbook_url"]
        assert url == f"docs/how-to/monitoring.md#{alert['alert'].lower()}"
        assert alert["alert"].lower() in headings
        assert alert["labels"]["severity"] in {"critical", "warning"}
    assert headings == {alert["alert"].lower() for alert in alerts()}


def test_prometheus_itself_takes_the_rules() -> None:
    promtool = shutil.which("promtool")
    if promtool is None:
        pytest.skip("promtool is not installed: Prometheus brings it.")
    done = subprocess.run([promtool, "check", "rules", RULES], capture_output=True, check=False)
    assert done.returncode == 0, done.stdout


def test_the_dashboard_can_be_imported_anywhere() -> None:
    board = json.loads(DASHBOARD.read_text())
    assert board["uid"]
    assert "id" not in board
    assert len({panel["id"] for panel in board["panels"]}) == len(board["panels"])
    for panel in panels():
        assert panel["datasource"] == {"type": "prometheus", "uid": "${datasource}"}
        assert panel["title"]
    places = set()
    for panel in board["panels"]:
        at = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(at["x"], at["x"] + at["w"])
            for y in range(at["y"], at["y"] + at["h"])
        }
        assert at["x"] + at["w"] <= 24
        assert not cells & places, panel["title"]
        places |= cells


@pytest.mark.django_db
def test_the_reference_says_what_the_code_counts() -> None:
    assert metrics_page.on_page() == metrics_page.written()


def test_no_metric_of_a_process_has_a_label_with_many_values() -> None:
    labels = {
        label
        for collector in metrics.REGISTRY._names_to_collectors.values()
        for label in collector._labelnames
    }
    assert labels == {"route", "method", "status", "verb", "kind", "outcome", "limit"}
