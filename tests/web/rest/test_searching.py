"""Searches of the native interface: filters, pages, regions; comparing and drawing."""

from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from support.models import make_pack
from support.native import PROBLEM, Ask, added, asking
from support.pictures import encoded, goods, picture, scene
from support.server import Server, b64

SEEDS = range(400, 430)
QUERY = b64(picture(399, 160, 120))


@pytest.fixture(scope="module")
def filled(server: Server) -> Ask:
    """Thirty pictures; every tenth has class 3."""
    ask = asking(server.caller("similar", "same_hq", "product"))
    for start in (0, 15):
        rows = [
            {
                "image": b64(picture(seed, 160, 120)),
                "brief": f"p {seed}",
                "tags": [3 if seed % 10 == 0 else 4],
            }
            for seed in SEEDS[start : start + 15]
        ]
        results = ask("POST", "/similar/pictures/batch", json={"pictures": rows}).json()["results"]
        assert {result["status"] for result in results} == {201}
    return ask


def search(ask: Ask, **sent: Any) -> dict[str, Any]:
    response = ask("POST", "/similar/search", json={"image": QUERY, **sent})
    assert response.status_code == 200, response.text
    return dict(response.json())


def seeds(found: dict[str, Any]) -> list[int]:
    return [int(row["brief"][2:]) for row in found["results"]]


def test_a_search_is_read_on_page_by_page(filled: Ask) -> None:
    whole = seeds(search(filled, limit=100))
    assert sorted(whole) == list(SEEDS)
    found = search(filled, limit=7)
    pages = [seeds(found)]
    while found["next"]:
        found = search(filled, limit=7, cursor=found["next"])
        pages.append(seeds(found))
    assert [len(page) for page in pages] == [7, 7, 7, 7, 2]
    assert [seed for page in pages for seed in page] == whole
    assert found["has_more"] is False


def test_a_page_goes_on_where_the_last_ended_whatever_is_added_and_deleted(filled: Ask) -> None:
    whole = seeds(search(filled, limit=100))
    first = search(filled, limit=5)
    number = added(filled, "similar", picture(399, 160, 120), "p 399", tags=[4])
    try:
        assert seeds(search(filled, limit=1)) == [399]  # the query itself is best
        second = search(filled, limit=5, cursor=first["next"])
        assert seeds(second) == whole[5:10]
    finally:
        filled("DELETE", f"/similar/pictures/{number}")
    gone = search(filled, limit=1, cursor="3.999999999")
    assert seeds(gone) == whole[3:4]


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("tags = 3", [400, 410, 420]),
        ('brief = "p 417"', [417]),
        ('brief contains "P 40" and not tags = 3 and id > 0', list(range(401, 410))),
        ('brief contains "none"', []),
        ("width = 160 and tags in (3, 9)", [400, 410, 420]),
    ],
)
def test_a_filter_finds_all_that_pass_however_few(
    filled: Ask, expression: str, expected: list[int]
) -> None:
    whole = seeds(search(filled, limit=100))
    found = search(filled, limit=20, filter=expression)
    assert seeds(found) == [seed for seed in whole if seed in expected]
    if expected:
        assert seeds(search(filled, limit=1, filter=expression)) == seeds(found)[:1]


def test_only_the_region_is_searched_by(filled: Ask) -> None:
    wanted = scene(405, 160, 120)
    sheet = np.full((400, 500, 3), 255, np.uint8)
    sheet[30:330, 20:320] = scene(777, 300, 300)
    sheet[230:350, 330:490] = wanted
    image = b64(encoded(sheet))
    whole = search(filled, image=image, filter='brief = "p 405"')["results"][0]["score"]
    part = search(filled, image=image, region=[330, 230, 160, 120], limit=1)
    assert seeds(part) == [405]
    assert part["results"][0]["score"] > whole + 0.2
    for wrong in ([330, 230, 171, 120], [0, 0, 19, 50], [0, 0, 0, 0], "1,2,3", "a", [1, 2, 3, -4]):
        refused = filled("POST", "/similar/search", json={"image": image, "region": wrong})
        assert (refused.status_code, refused.json().keys()) == (400, PROBLEM)


def test_subjects_of_a_region_are_told_in_the_whole_pictures_pixels(filled: Ask) -> None:
    sheet = np.full((640, 960, 3), 120, np.uint8)
    sheet[320:, 480:] = goods((240, 160))
    sent = {"image": b64(encoded(sheet)), "region": [480, 320, 480, 320]}
    (box,) = filled("POST", "/product/search", json=sent).json()["subjects"]
    assert box["left"] + box["width"] / 2 == pytest.approx(480 + 240, abs=15)
    assert box["top"] + box["height"] / 2 == pytest.approx(320 + 160, abs=15)


@pytest.mark.parametrize(
    "sent", [{"cursor": "x"}, {"cursor": "1"}, {"filter": "cat"}, {"text": "a red shoe"}]
)
def test_a_search_that_cannot_be_is_refused(filled: Ask, sent: dict[str, Any]) -> None:
    response = filled("POST", "/similar/search", json={"image": QUERY, **sent})
    assert (response.status_code, response.json().keys()) == (400, PROBLEM)
    assert next(iter(sent)) in response.json()["detail"]


COPY = encoded(scene(301, 320, 300), "JPEG", quality=30)


def test_two_pictures_compare_as_a_search_would_have_it(filled: Ask) -> None:
    for service in ("similar", "same_hq"):
        number = added(filled, service, picture(301, 320, 300), "b")
        found = filled("POST", f"/{service}/search", json={"image": b64(COPY), "limit": 1}).json()
        sent = {"first": {"image": b64(COPY)}, "second": {"picture": number}}
        compared = filled("POST", f"/{service}/compare", json=sent).json()
        assert compared["score"] == pytest.approx(found["results"][0]["score"], abs=0.02)
        assert (compared["match"] is not None) == (service == "same_hq")
        filled("DELETE", f"/{service}/pictures/{number}")
    files = {"first": ("a", COPY), "second": ("b", picture(302, 320, 300))}
    other = filled("POST", "/same_hq/compare", files=files).json()
    assert other == {"score": 0, "match": None}
    files["second"] = ("b", COPY)
    assert filled("POST", "/similar/compare", files=files).json()["score"] == 1


@pytest.mark.parametrize(
    "sent",
    [
        {},
        {"first": {"image": QUERY}},
        {"first": {"image": QUERY}, "second": {}},
        {"first": {"image": QUERY}, "second": 5},
        {"first": {"image": QUERY}, "second": "{"},
        {"first": {"image": "!"}, "second": {"image": QUERY}},
    ],
)
def test_what_cannot_be_compared_is_refused(filled: Ask, sent: dict[str, Any]) -> None:
    response = filled("POST", "/similar/compare", json=sent)
    assert (response.status_code, response.json().keys()) == (400, PROBLEM)


def test_a_match_is_drawn(filled: Ask) -> None:
    number = added(filled, "same_hq", picture(301, 320, 300), "b")
    headers = {"accept": "image/png"}
    path = f"/same_hq/pictures/{number}/explain"
    drawn = filled("POST", path, json={"image": b64(COPY)}, headers=headers)
    assert drawn.headers["content-type"] == "image/png"
    assert float(drawn.headers["x-tusou-score"]) > 0.9
    plain = filled("POST", path, json={"image": b64(picture(302, 320, 300))}, headers=headers)
    assert float(plain.headers["x-tusou-score"]) == 0
    with Image.open(BytesIO(drawn.content)) as one, Image.open(BytesIO(plain.content)) as other:
        assert one.size == other.size == (512 + 16 + 512, 480)
        right = np.asarray(one)[:, 528:].astype(int) - np.asarray(other)[:, 528:]
    changed = (np.abs(right) > 40).any(axis=2)
    # The outline goes round the stored picture: a copy covers all of it.
    assert changed[:, :6].mean() > 0.3
    assert changed[:6].mean() > 0.3


def test_pictures_are_found_by_text_where_the_pack_reads(server: Server, tmp_path: Path) -> None:
    caller = server.caller("similar", libraries=False)
    ask = asking(caller)
    with server.office() as office:
        office.add_pack(str(make_pack(tmp_path / "pack", "reading", reads=True)))
        office.create_library(caller.app_id, "similar", "reading")
    noise = np.random.default_rng(1).integers(0, 20, (60, 60, 3)).astype(np.uint8)
    for place, name in enumerate(("red", "green", "blue")):
        rgb = noise.copy()
        rgb[..., place] += 230
        added(ask, "similar", encoded(rgb), name, tags=[place + 1])

    def found(**sent: Any) -> list[str]:
        rows = ask("POST", "/similar/search", json=sent).json()["results"]
        assert all(0 <= row["score"] <= 1 for row in rows)
        return [row["brief"] for row in rows]

    for name in ("red", "green", "blue"):
        assert found(text=name)[0] == name
    assert found(text="red", limit=1) == ["red"]
    assert found(text="red", filter="tags != 1", threshold=0.0)[:1] != ["red"]
    assert len(found(text="red", tags=[2])) == 1
    first = ask("POST", "/similar/search", json={"text": "red", "limit": 2}).json()
    rest = found(text="red", limit=2, cursor=first["next"])
    assert len(rest) == 1
    long = ask("POST", "/similar/search", json={"text": "x" * 1025})
    assert (long.status_code, long.json().keys()) == (400, PROBLEM)
