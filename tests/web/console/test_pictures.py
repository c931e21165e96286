"""The library manager's requests: listing, showing, adding, changing, searching."""

import re
import time
from collections.abc import Iterator
from typing import Any

import pytest

from support.console import Place, Visitor
from support.pictures import encoded, picture, scene
from support.server import b64
from tusou.services import SERVICES


@pytest.fixture(scope="module")
def full(place: Place) -> Iterator[tuple[Visitor, str]]:
    """An owner, and the path of a library with ten pictures."""
    caller = place.server.caller("similar", "product")
    for seed in range(10):
        brief = f"poster {seed} {'红色' if seed % 2 else '100%_blue'}"
        tags = f"{1 + seed % 3},{90 + seed % 2}"
        caller.call("similar", "add", image=picture(seed), brief=brief, tags=tags)
    owner = Visitor(place.server, "owner", [caller.app_id])
    yield owner, f"/libraries/{caller.app_id}/similar"
    owner.http.close()


def briefs(answer: Any) -> list[str]:
    return [item["brief"].split()[1] for item in answer.json()["items"]]


def test_pages_follow_each_other_and_miss_nothing(full: tuple[Visitor, str]) -> None:
    owner, path = full
    for order, expected in (("newest", "9876543210"), ("oldest", "0123456789")):
        seen, after = "", None
        while True:
            query = {"count": 4, "order": order} | ({"after": after} if after else {})
            answer = owner.get(f"{path}/pictures", params=query)
            seen += "".join(briefs(answer))
            after = answer.json()["next"]
            if after is None:
                break
        assert seen == expected


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ({"q": "红色"}, "97531"),
        ({"q": "RED POSTER"}, ""),
        ({"q": "POSTER 3"}, "3"),
        ({"q": "100%_b"}, "86420"),
        ({"q": "100%b"}, ""),
        ({"q": "_"}, "86420"),
        ({"tags": "1"}, "9630"),
        ({"tags": "1,91"}, "93"),
        ({"tags": "1,91", "tag_logic": "1"}, "9765310"),
        ({"tags": "1", "q": "红色"}, "93"),
        ({"q": "'; DROP TABLE items; --"}, ""),
        ({"q": "0,0"}, ""),
    ],
)
def test_pictures_are_found_by_words_and_tags(
    full: tuple[Visitor, str], query: dict[str, str], expected: str
) -> None:
    owner, path = full
    assert "".join(briefs(owner.get(f"{path}/pictures", params=query))) == expected
    assert owner.get(f"{path}/count", params=query).json() == {"count": len(expected)}


def test_a_picture_is_found_by_its_sign(full: tuple[Visitor, str]) -> None:
    owner, path = full
    first = owner.get(f"{path}/pictures").json()["items"][0]
    found = owner.get(f"{path}/pictures", params={"q": f" {first['sign']} "}).json()["items"]
    assert found == [first]


@pytest.mark.parametrize(
    "query", ["count=0", "count=9999", "after=-1", "after=x", "tags=a", "tags=1,2,3", "tag_logic=7"]
)
def test_what_cannot_be_asked_is_told(full: tuple[Visitor, str], query: str) -> None:
    owner, path = full
    answer = owner.get(f"{path}/pictures?{query}", headers={"accept": "application/json"})
    assert answer.status_code == 400
    assert answer.json()["problem"] == "INVALID_PARAM"


def test_thumbnails_and_originals_may_be_kept_by_the_browser_alone(place: Place) -> None:
    base = f"{place.library}/pictures/{place.key}"
    thumbnail, original = (
        place.viewer.get(f"{base}/thumbnail"),
        place.viewer.get(f"{base}/original"),
    )
    assert original.content == picture(1)
    assert 0 < len(thumbnail.content) < len(original.content)
    for answer in (thumbnail, original):
        assert answer.headers["content-type"] == "image/jpeg"
        assert answer.headers["cache-control"] == "private, max-age=31536000, immutable"
        same = {"if-none-match": answer.headers["etag"]}
        again = place.viewer.get(f"{base}/thumbnail", headers=same)
        assert (again.status_code, again.content) == (304, b"")


def test_an_upload_is_added_and_searched_at_once(place: Place) -> None:
    data = picture(50)
    files = {"image": ("摩天楼.jpg", data, "image/jpeg")}
    fields = {"brief": "摩天楼", "tags": "5,6"}
    answer = place.owner.post(f"{place.library}/pictures", data=fields, files=files)
    assert answer.status_code == 201
    item = answer.json()["item"]
    assert (item["brief"], item["classes"], item["kept"]) == ("摩天楼", [5, 6], True)
    found = place.caller.call("same_hq", "search", image=data)["result"][0]
    assert found["cont_sign"] == item["sign"] == answer.json()["cont_sign"]
    again = place.owner.post(f"{place.library}/pictures", data=fields, files=files)
    assert again.status_code == 409
    assert again.json()["cont_sign"] == item["sign"]


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        (b"", "IMAGE_EMPTY"),
        (b"no picture", "IMAGE_FORMAT"),
        (encoded(scene(1, 40, 30)), "IMAGE_SIZE"),
        (b"\xff\xd8" + bytes(5 << 20), "IMAGE_SIZE"),
    ],
    ids=["empty", "text", "tiny", "large"],
)
def test_a_bad_upload_is_told_in_both_languages(place: Place, data: bytes, problem: str) -> None:
    texts = set()
    for language in ("zh", "en"):
        place.owner.http.headers["accept-language"] = language
        files = {"image": ("a.jpg", data, "image/jpeg")}
        answer = place.owner.post(f"{place.library}/pictures", data={"brief": "a"}, files=files)
        assert answer.status_code == 400
        assert answer.json()["problem"] == problem
        texts.add(answer.json()["text"])
        if language == "zh":
            assert not re.search(r"[a-z]{3,}", answer.json()["detail"])
    assert len(texts) == 2


def test_editing_changes_what_is_given_and_an_empty_tag_takes_it_away(place: Place) -> None:
    path = f"{place.library}/pictures/{place.key}"
    edit = place.owner.post(path, json={"brief": "another"}).json()["item"]
    assert (edit["brief"], edit["classes"]) == ("another", [7, 0])
    edit = place.owner.post(path, json={"tags": "8,9"}).json()["item"]
    assert (edit["brief"], edit["classes"]) == ("another", [8, 9])
    edit = place.owner.post(path, json={"tags": ""}).json()["item"]
    assert edit["classes"] == [0, 0]
    assert place.caller.call("same_hq", "search", image=picture(1), tags="8")["result_num"] == 0
    edit = place.owner.post(path, json={"brief": "a brief", "tags": "7"}).json()["item"]
    assert edit == place.owner.get(path).json()
    assert place.owner.post(path, json={"brief": "x" * 257}).status_code == 400


def test_each_class_of_a_product_is_changed_by_itself(place: Place) -> None:
    path = f"/libraries/{place.caller.app_id}/product/pictures"
    files = {"image": ("a.jpg", picture(60), "image/jpeg")}
    fields = {"brief": "a", "class_id1": "3", "class_id2": "4"}
    item = place.owner.post(path, data=fields, files=files).json()["item"]
    edit = place.owner.post(f"{path}/{item['key']}", json={"class_id1": ""}).json()["item"]
    assert edit["classes"] == [0, 4]


def wait(owner: Visitor, path: str, number: int) -> dict[str, Any]:
    end = time.monotonic() + 60
    while time.monotonic() < end:
        batch: dict[str, Any] = owner.get(f"{path}/changes/{number}").json()
        if batch["state"] in ("done", "failed", "undone"):
            return batch
        time.sleep(0.1)
    raise AssertionError(batch)


def test_a_change_of_many_waits_and_can_be_undone(full: tuple[Visitor, str]) -> None:
    owner, path = full
    keys = [item["key"] for item in owner.get(f"{path}/pictures").json()["items"]]
    batch = owner.post(f"{path}/changes", json={"act": "delete", "keys": keys[:3]}).json()
    assert (batch["state"], batch["total"], batch["done"]) == ("waiting", 3, 0)
    assert f'"id": {batch["id"]}' in owner.get(path).text  # a page opened now shows it, too
    undone = owner.post(f"{path}/changes/{batch['id']}/undo").json()
    assert undone["state"] == "undone"
    assert owner.get(f"{path}/count").json() == {"count": 10}


@pytest.mark.parametrize(
    "facts",
    [
        {"act": "delete"},
        {"act": "delete", "keys": "1;2"},
        {"act": "delete", "keys": ",".join(map(str, range(10_001)))},
        {"act": "reclass", "keys": "1"},
        {"act": "release", "all": 1},
        {"act": "reclass", "all": 1, "new_tags": "70000"},
    ],
    ids=lambda facts: str(facts)[:50],
)
def test_a_change_of_many_that_will_not_do_is_refused(
    full: tuple[Visitor, str], facts: dict[str, Any]
) -> None:
    owner, path = full
    assert owner.post(f"{path}/changes", json=facts).status_code in (400, 404)


def test_a_change_of_pictures_that_are_not_there_is_refused(full: tuple[Visitor, str]) -> None:
    owner, path = full
    answer = owner.post(f"{path}/changes", json={"act": "delete", "keys": "9999999"})
    assert answer.json()["problem"] == "ITEM_MISSING"


def test_a_search_answers_by_falling_score_with_everything_to_show(
    full: tuple[Visitor, str],
) -> None:
    owner, path = full
    answer = owner.post(f"{path}/search", files={"image": ("q.jpg", picture(4))}).json()
    scores = [item["score"] for item in answer["items"]]
    assert scores == sorted(scores, reverse=True)
    assert answer["items"][0]["brief"].startswith("poster 4")
    assert answer["next"] is None
    only = owner.post(
        f"{path}/search", data={"tags": "1"}, files={"image": ("q.jpg", picture(4))}
    ).json()
    assert {item["classes"][0] for item in only["items"]} == {1}


def test_a_match_shows_the_common_part_and_its_points(place: Place) -> None:
    crop = encoded(scene(1)[40:280, 60:340])
    facts = {"image": b64(crop), "cont_sign": place.sign}
    match = place.viewer.post(f"{place.library}/match", data=facts).json()["match"]
    assert match["queryOverlap"] > 0.95
    assert match["storedOverlap"] == pytest.approx(240 * 280 / (320 * 400), abs=0.05)
    assert 10 <= len(match["query"]) == len(match["stored"]) <= 120
    for (x, y), (u, v) in zip(match["query"], match["stored"], strict=True):
        assert (x + 60, y + 40) == pytest.approx((u, v), abs=6)
    facts["image"] = b64(picture(77))
    assert place.viewer.post(f"{place.library}/match", data=facts).json() == {"match": None}
    wrong = facts | {"cont_sign": "x"}
    assert place.viewer.post(f"{place.library}/match", data=wrong).status_code == 400


def test_a_service_that_sees_pictures_as_a_whole_shows_no_match(
    full: tuple[Visitor, str],
) -> None:
    owner, path = full
    sign = owner.get(f"{path}/pictures").json()["items"][0]["sign"]
    facts = {"image": b64(picture(9)), "cont_sign": sign}
    assert owner.post(f"{path}/match", data=facts).status_code == 400
    assert not SERVICES["similar"].explains


def test_the_consoles_own_use_is_not_counted(place: Place) -> None:
    from tusou.accounts.statistics import calls_since

    caller = place.server.caller("similar")
    owner = Visitor(place.server, "owner", [caller.app_id])
    path = f"/libraries/{caller.app_id}/similar"
    files = {"image": ("a.jpg", picture(3), "image/jpeg")}
    owner.post(f"{path}/pictures", data={"brief": "a"}, files=files)
    owner.post(f"{path}/search", files=files)
    owner.http.close()
    time.sleep(1.5)  # counts are written once a second
    with place.server.office() as office:
        assert (caller.app_id, "similar") not in calls_since(office.database, 0)
