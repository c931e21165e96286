"""The page that tries calls: forms that say what the interface takes, tokens lent, programs."""

import re

import pytest

from support.console import Place
from support.pictures import picture
from tusou.services import OPERATIONS, SERVICES
from tusou.web.console.samples import LANGUAGES, PLACEHOLDER
from tusou.web.console.texts import texts
from tusou.web.console.trying import inputs_of
from tusou.web.openapi import request_schema


@pytest.mark.parametrize("service", SERVICES)
@pytest.mark.parametrize("operation", OPERATIONS)
def test_a_form_has_every_parameter(service: str, operation: str) -> None:
    schema = request_schema(SERVICES[service], operation)
    for language in ("en", "zh"):
        inputs = inputs_of(SERVICES[service], operation, texts(language))
        assert [row.name for row in inputs] == list(schema["properties"])
        assert all(row.text for row in inputs)
        assert {row.name for row in inputs if row.required} == set(schema.get("required", ()))


def test_limits_of_the_service_are_told(place: Place) -> None:
    page = place.owner.get(f"/try/{place.caller.app_id}/picturebook/search").text
    assert "1 to 100" in page
    assert "otherwise 1<" in page
    assert 'name="tag_logic"' in page


def test_the_page_has_the_api_key_and_no_secret(place: Place) -> None:
    for person in (place.owner, place.viewer):
        page = person.get(f"/try/{place.caller.app_id}/same_hq/add").text
        assert place.caller.api_key in page
        assert place.caller.secret_key not in page
        assert page.count(PLACEHOLDER) == len(LANGUAGES)


def test_a_viewer_reads_and_does_not_call(place: Place) -> None:
    path = f"/try/{place.caller.app_id}/same_hq/add"
    assert 'id="send"' not in place.viewer.get(path).text
    assert 'id="send"' in place.owner.get(path).text
    assert place.viewer.post(f"{path}/samples", data={"brief": "x"}).status_code == 200


def test_a_lent_token_calls_for_an_hour_and_is_in_the_record(place: Place) -> None:
    lent = place.owner.post(f"/try/{place.caller.app_id}/token").json()
    assert lent["seconds"] == 3600
    path = f"{SERVICES['similar'].prefix}/search"
    answer = place.server.http.post(
        path, params={"access_token": lent["token"]}, files={"image": picture(1)}
    ).json()
    assert answer["result_num"] == 0, answer
    with place.server.office() as office:
        app = office.tokens.holder(lent["token"])
        entry = office.audit.list(app.id)[-1]
    assert app.id == place.caller.app_id
    assert (entry.who, entry.act) == (f"console:{place.owner.name}", "app.lend_token")


def test_programs_follow_the_form(place: Place) -> None:
    path = f"/try/{place.caller.app_id}/product/search/samples"
    given = {"image": "my shoe.png", "class_id1": "7", "unknown": "x", "rn": ""}
    programs = place.owner.post(path, json=given).json()["programs"]
    assert list(programs) == [language.name for language in LANGUAGES]
    for text in programs.values():
        assert "my shoe.png" in text
        assert re.search(r"class_id1\W+7", text)
        assert "unknown" not in text
        assert place.server.address in text


def test_the_page_opens_at_an_application_of_ones_own(place: Place) -> None:
    there = place.owner.get("/try").headers["location"]
    assert there == f"/console/try/{place.caller.app_id}/same_hq/search"
    asked = {"app": str(place.caller.app_id), "service": "product", "operation": "add"}
    assert place.owner.get("/try", params=asked).headers["location"].endswith("/product/add")
    wrong = {"app": "1", "service": "x", "operation": "y"}
    assert place.owner.get("/try", params=wrong).headers["location"] == there
    assert "there is none yet" in place.stranger.get("/try").text


def test_a_call_that_is_not_there_has_no_page(place: Place) -> None:
    assert place.owner.get(f"/try/{place.caller.app_id}/same_hq/drop").status_code == 404
    assert place.owner.get(f"/try/{place.caller.app_id}/shoes/add").status_code == 404
