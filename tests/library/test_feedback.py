"""Feedback is kept with the picture and the score it speaks of."""

import json

import pytest

from support.pictures import picture
from tusou.accounts.apps import App
from tusou.errors import Problem, TusouError
from tusou.library.feedback import Report
from tusou.runtime import Runtime
from tusou.types import ContSign, Hit


def _rows(runtime: Runtime) -> list[dict[str, object]]:
    with runtime.database.read() as connection:
        rows = connection.exec_driver_sql("SELECT * FROM feedback ORDER BY id").mappings()
        return [dict(row) for row in rows]


def test_a_report_takes_service_sign_and_score_from_the_search_it_names(
    runtime: Runtime, app: App
) -> None:
    hits = [Hit(ContSign(1, 2), 0.9, "a"), Hit(ContSign(3, 4), 0.4, "b")]
    runtime.feedback.remember(app.id, 77, "product", hits)
    runtime.feedback.record(
        app.id,
        [
            Report(log_id=77, sign=ContSign(3, 4), correct=False, payload={"why": "颜色不同"}),
            Report(log_id=77, correct=True),
            Report(log_id=78, sign=ContSign(3, 4), score=0.25),
        ],
    )
    second, first, unknown = _rows(runtime)
    assert (second["service"], second["score"], second["correct"]) == ("product", 0.4, 0)
    assert json.loads(str(second["payload"])) == {"why": "颜色不同"}
    assert (first["sign"], first["score"]) == (int(ContSign(1, 2)), 0.9)
    assert (unknown["service"], unknown["score"]) == (None, 0.25)


def test_another_applications_search_is_not_told(runtime: Runtime, app: App) -> None:
    runtime.feedback.remember(app.id + 1, 77, "product", [Hit(ContSign(1, 2), 0.9, "a")])
    runtime.feedback.record(app.id, [Report(log_id=77, sign=ContSign(1, 2))])
    assert _rows(runtime)[0]["score"] is None


def test_the_query_picture_is_kept(runtime: Runtime, app: App) -> None:
    runtime.feedback.record(app.id, [Report(image=picture(1))])
    assert runtime.blobs.get(str(_rows(runtime)[0]["blob"])) == picture(1)


def test_nothing_to_say_is_refused(runtime: Runtime, app: App) -> None:
    with pytest.raises(TusouError) as caught:
        runtime.feedback.record(app.id, [])
    assert caught.value.problem is Problem.MISSING_PARAM


def test_reports_that_cannot_be_stored_leave_no_picture(runtime: Runtime, app: App) -> None:
    # An application that is not there breaks the foreign key.
    with pytest.raises(Exception, match="FOREIGN KEY"):
        runtime.feedback.record(app.id + 1, [Report(image=picture(1))])
    assert list(runtime.blobs.names()) == []
