"""The dashboard and the alerts ask for what a server tells, in PromQL."""

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import promql_parser
import pytest
import yaml  # type: ignore[import-untyped]

from support.metrics import Scrape
from support.server import Server
from tusou.errors import Problem
from tusou.services import OPERATIONS
from tusou.stages import STAGES
from tusou.web.statuses import status_of

DEPLOY = Path(__file__).parents[2] / "deploy"
DASHBOARD = DEPLOY / "grafana-dashboard.json"
ALERTS = DEPLOY / "prometheus-alerts.yaml"

# Of Grafana, in place of which Prometheus sees something of their kind.
_VARIABLES = {"$__rate_interval": "5m", "$job": ".+", "$instance": ".+", "$service": ".+"}


def _rules() -> list[dict[str, Any]]:
    document = yaml.safe_load(ALERTS.read_text("utf-8"))
    return [rule for group in document["groups"] for rule in group["rules"]]


def _questions() -> Iterator[str]:
    board = json.loads(DASHBOARD.read_text("utf-8"))
    for panel in board["panels"]:
        for target in panel.get("targets", []):
            question = target["expr"]
            for name, value in _VARIABLES.items():
                question = question.replace(name, value)
            yield question
    yield from (rule["expr"] for rule in _rules())


QUESTIONS = list(_questions())


@pytest.fixture(scope="module")
def told(server: Server) -> set[str]:
    """The names of all series that a server has."""
    names = {"up"}  # Prometheus's own
    for family in Scrape(server).families:
        ends = {"counter": ["_total"], "histogram": ["_bucket", "_sum", "_count"]}
        names |= {family.name + end for end in ends.get(family.type, [""])}
    return names | {"tusou_build_info"}


def test_there_are_questions() -> None:
    assert len(QUESTIONS) > 30


@pytest.mark.parametrize("question", QUESTIONS)
def test_every_question_is_promql_about_what_there_is(question: str, told: set[str]) -> None:
    assert "$" not in question
    promql_parser.parse(question)
    asked = set(re.findall(r"\b((?:tusou|process)_\w+|up)\b(?=\{| |\[|\)|$)", question))
    assert asked
    assert asked <= told


def test_labels_that_are_asked_for_have_such_values() -> None:
    for question in QUESTIONS:
        for name, allowed in (("stage", STAGES), ("operation", OPERATIONS)):
            found = re.findall(rf'\b{name}="(\w+)"', question)
            assert set(found) <= set(allowed)


def test_the_alert_of_failures_counts_what_the_server_is_to_blame_for() -> None:
    (rule,) = (rule for rule in _rules() if rule["alert"] == "TusouFailing")
    (codes,) = re.findall(r'code=~"([\d|]+)"', rule["expr"])
    excused = {Problem.OVERLOADED, Problem.MODULE_CLOSED}
    blamed = {row for row in Problem if status_of(row) >= 500} - excused
    assert {int(code) for code in codes.split("|")} == {row.code for row in blamed}


def test_every_alert_is_explained_in_both_languages() -> None:
    for page in ("monitoring.md", "monitoring.zh.md"):
        text = (DEPLOY.parent / "docs" / page).read_text("utf-8")
        assert re.findall(r"^\| `(Tusou\w+)`", text, re.MULTILINE) == [
            rule["alert"] for rule in _rules()
        ]


@pytest.mark.parametrize("page", ["monitoring.md", "monitoring.zh.md"])
def test_every_metric_is_explained(page: str, told: set[str]) -> None:
    text = (DEPLOY.parent / "docs" / page).read_text("utf-8")
    named = set(re.findall(r"`(tusou_\w+)`", text))
    base = {re.sub("_(bucket|sum|count)$", "", name) for name in told if "tusou" in name}
    assert named == base


@pytest.mark.parametrize("page", ["monitoring.md", "monitoring.zh.md"])
def test_every_stage_is_explained(page: str) -> None:
    text = (DEPLOY.parent / "docs" / page).read_text("utf-8")
    rows = re.findall(r"^\| (\w+) \| ", text, re.MULTILINE)
    assert [row for row in rows if row in STAGES] == list(STAGES)


def test_panels_do_not_lie_on_each_other() -> None:
    taken = set[tuple[int, int]]()
    panels = json.loads(DASHBOARD.read_text("utf-8"))["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    for panel in panels:
        place = panel["gridPos"]
        cells = {
            (place["x"] + across, place["y"] + down)
            for across in range(place["w"])
            for down in range(place["h"])
        }
        assert not cells & taken
        assert max(across for across, _ in cells) < 24
        taken |= cells


@pytest.mark.skipif(shutil.which("promtool") is None, reason="needs Debian's prometheus")
def test_prometheus_takes_the_alerts() -> None:
    done = subprocess.run(["promtool", "check", "rules", ALERTS], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
