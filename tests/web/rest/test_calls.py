"""The native interface, call by call, of a real server."""

from typing import Any

import pytest

from support.native import PICTURE, PROBLEM, Ask, added, asking
from support.pictures import encoded, goods, picture, scene
from support.server import Caller, Server, b64
from tusou.client import signing
from tusou.services import SERVICES

A, B, C = (picture(seed, 320, 300) for seed in (301, 302, 303))
COPY = encoded(scene(301, 320, 300), "JPEG", quality=40)


def test_a_picture_is_added_seen_changed_and_deleted(ask: Ask) -> None:
    files = {"image": ("a.jpg", A)}
    response = ask("POST", "/similar/pictures", files=files, data={"brief": "甲", "tags": "1,2"})
    assert response.status_code == 201
    made = response.json()
    assert made.keys() == PICTURE
    assert (made["brief"], made["classes"], made["bytes"]) == ("甲", [1, 2], len(A))
    path = f"/similar/pictures/{made['id']}"
    assert response.headers["location"] == f"/v1/libraries{path}"
    assert ask("GET", path).json() == made
    assert ask("GET", f"{path}/original").content == A
    small = ask("GET", f"{path}/thumbnail")
    assert (small.headers["content-type"], small.content[:2]) == ("image/jpeg", b"\xff\xd8")

    again = ask("POST", "/similar/pictures", json={"image": b64(A), "brief": "again"})
    assert (again.status_code, again.json()["id"]) == (409, made["id"])
    assert again.json().keys() == PROBLEM | {"cont_sign", "id"}

    changed = ask("PATCH", path, json={"brief": "乙"}).json()
    assert (changed["brief"], changed["classes"]) == ("乙", [1, 2])
    assert ask("PATCH", path, json={"tags": []}).json()["classes"] == [0, 0]
    gone = ask("DELETE", path)
    assert (gone.status_code, gone.content) == (204, b"")
    assert ask("GET", path).status_code == 404
    assert ask("DELETE", path).status_code == 404


def test_a_list_is_filtered_and_read_page_by_page(ask: Ask) -> None:
    for number in range(5):
        classes = {"class_id1": 7} if number % 2 else {"class_id1": 8, "class_id2": 9}
        added(ask, "product", picture(310 + number, 320, 300), f"shoe {number}", **classes)

    def briefs(**query: Any) -> list[str]:
        page = ask("GET", "/product/pictures", params=query).json()
        found = [row["brief"][-1] for row in page["pictures"]]
        if page["next"] is None:
            return found
        return [*found, "|", *briefs(**query | {"cursor": page["next"]})]

    assert briefs(limit=2) == ["4", "3", "|", "2", "1", "|", "0"]
    assert briefs(limit=5, order="oldest") == ["0", "1", "2", "3", "4"]
    assert briefs(class_id1=7) == ["3", "1"]
    assert briefs(class_id1=8, class_id2=9, brief="SHOE 2") == ["2"]
    sign = ask("GET", "/product/pictures", params={"limit": 1}).json()["pictures"][0]["cont_sign"]
    assert briefs(cont_sign=sign) == ["4"]
    library = ask("GET", "/product").json()
    assert (library["size"], library["class_fields"]) == (5, ["class_id1", "class_id2"])


def test_a_search_keeps_to_threshold_and_limit(ask: Ask) -> None:
    ids = [added(ask, "similar", image, "b", tags=[n + 1]) for n, image in enumerate((A, B, C))]
    found = ask("POST", "/similar/search", json={"image": b64(COPY)}).json()
    assert found.keys() == {"results", "has_more", "next", "log_id"}
    scores = [row["score"] for row in found["results"]]
    assert scores == sorted(scores, reverse=True)
    assert found["results"][0]["id"] == ids[0]
    assert found["results"][0].keys() == PICTURE | {"score"}
    between = (scores[0] + scores[1]) / 2
    over = ask("POST", "/similar/search", json={"image": b64(COPY), "threshold": between}).json()
    assert [row["id"] for row in over["results"]] == ids[:1]
    assert over["has_more"] is False
    first = ask("POST", "/similar/search", json={"image": b64(COPY), "limit": 1}).json()
    assert (len(first["results"]), first["has_more"]) == (1, True)
    stored = ask("POST", "/similar/search", json={"picture": ids[1], "tags": [2]}).json()
    assert [(row["id"], row["score"]) for row in stored["results"]] == [(ids[1], 1)]


def test_a_search_for_a_product_tells_where_its_subjects_are(ask: Ask) -> None:
    two = {"image": b64(encoded(goods((110, 160), (370, 160))))}
    added(ask, "product", encoded(goods((240, 160), seed=2)), "b")
    found = ask("POST", "/product/search", json=two).json()["subjects"]
    places = sorted(
        (box["left"] + box["width"] / 2, box["top"] + box["height"] / 2) for box in found
    )
    assert places == [pytest.approx((110, 160), abs=15), pytest.approx((370, 160), abs=15)]
    shares = [box["share"] for box in found]
    assert shares == sorted(shares, reverse=True)


def test_a_match_is_explained(ask: Ask) -> None:
    first, second = (added(ask, "same_hq", image, "b") for image in (A, B))
    path = f"/same_hq/pictures/{first}/explain"
    match = ask("POST", path, json={"image": b64(COPY)}).json()["match"]
    assert match["score"] > 0.9
    assert match["query_overlap"] == pytest.approx(1, abs=0.1)
    assert len(match["query_points"]) == len(match["stored_points"]) > 10
    assert ask("POST", path, json={"picture": second}).json() == {"match": None}


@pytest.mark.parametrize(
    ("method", "path", "sent", "status"),
    [
        ("GET", "/nothing", {}, 404),
        ("GET", "/similar/pictures/0", {}, 404),
        ("GET", "/similar/pictures/x", {}, 404),
        ("GET", "/similar/pictures/9999999999999999999", {}, 404),
        ("GET", "/similar/nothing/at/all", {}, 404),
        ("PUT", "/similar/pictures", {}, 405),
        ("GET", "/similar/pictures", {"params": {"cursor": "x"}}, 400),
        ("GET", "/similar/pictures", {"params": {"order": "size"}}, 400),
        ("GET", "/similar/pictures", {"params": {"cont_sign": "1"}}, 400),
        ("GET", "/similar/pictures", {"params": {"brief": "\0"}}, 400),
        ("POST", "/similar/pictures", {"json": {"brief": "b"}}, 400),
        ("POST", "/similar/pictures", {"json": {"image": "!", "brief": "b"}}, 400),
        ("POST", "/similar/pictures", {"content": b"{"}, 400),
        ("POST", "/similar/search", {"json": {"picture": 1, "threshold": 2}}, 400),
        ("POST", "/similar/search", {"json": {"picture": 1, "threshold": "nan"}}, 400),
        ("POST", "/similar/search", {"json": {"picture": 1, "limit": 0}}, 400),
        ("POST", "/similar/search", {"json": {"picture": -1}}, 404),
        ("PATCH", "/similar/pictures/0", {"json": {"brief": "b"}}, 404),
    ],
)
def test_a_problem_has_its_status_and_its_form(
    ask: Ask, method: str, path: str, sent: dict[str, Any], status: int
) -> None:
    response = ask(method, path, **sent)
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    problem = response.json()
    assert problem.keys() == PROBLEM
    assert problem["status"] == status


def test_nobody_sees_what_is_not_theirs(server: Server, caller: Caller, ask: Ask) -> None:
    number = added(ask, "similar", A, "mine")
    other = asking(server.caller("similar"))
    assert other("GET", f"/similar/pictures/{number}").status_code == 404
    assert other("GET", f"/similar/pictures/{number}/original").status_code == 404
    assert other("DELETE", f"/similar/pictures/{number}").status_code == 404
    assert other("POST", "/similar/search", json={"picture": number}).status_code == 404
    assert other("GET", "/product").status_code == 403
    names = [row["service"] for row in other("GET", "").json()["libraries"]]
    assert names == ["similar"]
    for headers in ({}, {"authorization": "Bearer 24.x"}, {"authorization": "Bearer"}):
        refused = caller.http.get("/v1/libraries", headers=headers)
        assert refused.status_code == 401
        assert refused.json().keys() == PROBLEM


def test_a_signature_is_taken_as_well(server: Server, caller: Caller) -> None:
    url = f"{server.address}/v1/libraries/similar/search"
    headers = signing.headers(url, {}, caller.api_key, caller.secret_key)
    response = caller.http.post(url, headers=headers, json={"image": b64(A)})
    assert (response.status_code, response.json()["results"]) == (200, [])


def test_calls_are_charged_as_those_of_the_contract(
    server: Server, caller: Caller, ask: Ask
) -> None:
    number = added(ask, "similar", A, "b")
    with server.office() as office:
        office.apps.set_limits(caller.app_id, "similar", "search", {"daily": 2})
    assert caller.call("similar", "search", image=A)["result_num"] == 1
    assert ask("POST", "/similar/search", json={"picture": number}).status_code == 200
    refused = ask("POST", "/similar/search", json={"picture": number})
    assert (refused.status_code, refused.json()["error_code"]) == (429, 17)
    for _ in range(3):  # looking is free
        assert ask("GET", f"/similar/pictures/{number}").status_code == 200


def test_the_description_says_what_is_answered(server: Server, ask: Ask) -> None:
    paths = server.http.get("/openapi.json").json()["paths"]
    ours = {path: calls for path, calls in paths.items() if path.startswith("/v1/")}
    for path, calls in ours.items():
        for call in calls.values():
            declared = {row["name"] for row in call["parameters"] if row["in"] == "path"}
            assert declared == {name for name in ("service", "id", "task") if f"{{{name}}}" in path}
            assert call["responses"].keys() >= {"default"}

    def example(path: str, method: str) -> Any:
        answers = ours[f"/v1/libraries{path}"][method]["responses"]
        (status,) = answers.keys() - {"default"}
        return answers[status]["content"]["application/json"]["example"]

    number = added(ask, "similar", A, "b")
    one = "/{service}/pictures/{id}"
    assert ask("GET", f"/similar/pictures/{number}").json().keys() == example(one, "get").keys()
    assert ask("GET", "/similar").json().keys() == example("/{service}", "get").keys()
    shown = example("/{service}/search", "post")
    number = added(ask, "product", encoded(goods((240, 160))), "b")
    found = ask("POST", "/product/search", json={"picture": number}).json()
    assert found.keys() == shown.keys()
    for rows in ("results", "subjects"):
        assert found[rows][0].keys() == shown[rows][0].keys()
    assert set(SERVICES) == set(
        next(r for r in ours["/v1/libraries/{service}"]["get"]["parameters"] if r["in"] == "path")[
            "schema"
        ]["enum"]
    )
