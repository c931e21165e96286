"""What the contract promises of the twenty calls, through HTTP, service by service."""

import base64
import re
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import BytesIO
from pathlib import Path
from typing import Any
from urllib.parse import quote, quote_plus, urlencode

import numpy as np
import pytest
from PIL import Image
from sqlalchemy import insert, select, update

from support import engines
from support.pictures import encoded, picture, scene
from support.server import Answer, Caller, Server, b64
from tusou.errors import Problem
from tusou.services import OPERATIONS, SERVICES, Service
from tusou.storage.tables import items, keypoints, libraries, vectors
from tusou.types import ContSign, Rgb

EVERY = pytest.mark.parametrize("service", SERVICES)
TAGGED = [service.name for service in SERVICES.values() if service.class_fields == ("tags",)]
SEARCH = f"{SERVICES['similar'].prefix}/search"
ADD = f"{SERVICES['similar'].prefix}/add"


def variant(number: int, seed: int = 7) -> Rgb:
    """A scene with one pixel changed: another picture, yet hardly so."""
    rgb = scene(seed)
    rgb[number, number] ^= 255
    return rgb


def code(answer: Answer) -> int:
    """Of an error; 0 for a success."""
    return int(answer.get("error_code", 0))


def briefs(answer: Answer) -> list[str]:
    assert code(answer) == 0, answer
    assert set(answer) == {"log_id", "result_num", "result", "has_more"}
    assert answer["result_num"] == len(answer["result"])
    return [hit["brief"] for hit in answer["result"]]


def rows(caller: Caller, service: str, image: bytes, **fields: Any) -> dict[str, Answer]:
    """The results of a search by their signs."""
    answer = caller.call(service, "search", image=image, rn=50, **fields)
    briefs(answer)
    return {hit["cont_sign"]: hit for hit in answer["result"]}


def added(caller: Caller, service: str, image: bytes, brief: str = "x", **fields: Any) -> str:
    answer = caller.call(service, "add", image=image, brief=brief, **fields)
    assert set(answer) == {"log_id", "cont_sign"}, answer
    assert re.fullmatch(r"\d+,\d+", answer["cont_sign"])
    return str(answer["cont_sign"])


# Paging, scores and filters, on libraries that nobody changes


GALLERY = {
    "a": {"tags": "1,2", "class_id1": 1, "class_id2": 2},
    "b": {"tags": "2", "class_id1": 2, "class_id2": 1},
    "c": {"tags": "1", "class_id1": 1},
    "d": {},
}


@pytest.fixture(scope="module")
def gallery(server: Server) -> Caller:
    """Four pictures hardly different in every library, `a` to `d`, and their classes."""
    caller = server.caller()
    for service in SERVICES.values():
        for number, (brief, classes) in enumerate(GALLERY.items()):
            own = {name: value for name, value in classes.items() if name in service.class_fields}
            added(caller, service.name, encoded(variant(number)), brief, **own)
    return caller


@EVERY
def test_the_same_picture_leads_with_score_1_and_scores_fall(gallery: Caller, service: str) -> None:
    answer = gallery.call(service, "search", image=encoded(variant(2)), rn=50)
    assert sorted(briefs(answer)) == ["a", "b", "c", "d"]
    assert answer["result"][0]["brief"] == "c"
    scores = [hit["score"] for hit in answer["result"]]
    assert scores[0] == 1
    assert scores == sorted(scores, reverse=True)
    assert all(0 <= score <= 1 for score in scores)
    assert all(set(hit) == {"cont_sign", "score", "brief"} for hit in answer["result"])


@EVERY
def test_scores_of_other_pictures_are_within_0_and_1(gallery: Caller, service: str) -> None:
    answer = gallery.call(service, "search", image=picture(50, 500, 330), rn=50)
    briefs(answer)
    assert all(0 <= hit["score"] < 1 for hit in answer["result"])
    assert answer["has_more"] is False


@EVERY
def test_pages_join_and_the_last_one_says_so(gallery: Caller, service: str) -> None:
    image = encoded(variant(0))
    whole = briefs(gallery.call(service, "search", image=image, rn=50))
    for first, count, more in (
        (0, 3, True),
        (0, 4, False),
        (0, 5, False),
        (1, 2, True),
        (1, 3, False),
        (3, 1, False),
        (4, 1, False),
    ):
        answer = gallery.call(service, "search", image=image, pn=first, rn=count)
        assert briefs(answer) == whole[first : first + count]
        assert answer["has_more"] is more, (first, count)


@pytest.mark.parametrize("service", TAGGED)
def test_tags_filter_by_and_or_by_or(gallery: Caller, service: str) -> None:
    filters: tuple[tuple[dict[str, Any], str], ...] = (
        ({"tags": "1"}, "ac"),
        ({"tags": "2"}, "ab"),
        ({"tags": "1,2"}, "a"),
        ({"tags": " 2 , 1 "}, "a"),
        ({"tags": "1,2", "tag_logic": "0"}, "a"),
        ({"tags": "1,2", "tag_logic": 1}, "abc"),
        ({"tags": "1,3", "tag_logic": 1}, "ac"),
        ({"tags": "3"}, ""),
        ({"tags": ""}, "abcd"),
        ({"tag_logic": 1}, "abcd"),
    )
    for fields, expected in filters:
        answer = gallery.call(service, "search", image=encoded(variant(3)), rn=50, **fields)
        assert sorted(briefs(answer)) == list(expected), fields
        assert answer["has_more"] is False


def test_each_class_of_a_product_filters_its_own_dimension(gallery: Caller) -> None:
    filters: tuple[tuple[dict[str, Any], str], ...] = (
        ({"class_id1": 1}, "ac"),
        ({"class_id2": 1}, "b"),
        ({"class_id1": 1, "class_id2": 2}, "a"),
        ({"class_id1": 2, "class_id2": 2}, ""),
        ({"class_id1": 2, "class_id2": 2, "tag_logic": 1}, "ab"),
        ({"class_id1": 1, "class_id2": 1, "tag_logic": "1"}, "abc"),
        ({"tags": "1"}, "ac"),
        ({"tags": "1,2"}, "a"),
        ({"tags": "2,1"}, "b"),
        ({"tags": "1", "class_id1": 2}, "b"),
    )
    for fields, expected in filters:
        answer = gallery.call("product", "search", image=encoded(variant(0)), rn=50, **fields)
        assert sorted(briefs(answer)) == list(expected), fields


# Defaults and limits, on libraries larger than them


def copied(server: Server, caller: Caller, service: str, target: int, count: int) -> list[str]:
    """Put copies of an application's one picture, under other signs, in another's library.

    The library must not have been opened: a server that runs takes no notice of such changes.
    """
    with server.office() as office, office.database.write() as connection:
        source, copy = (
            connection.execute(
                select(libraries).where(libraries.c.app_id == app, libraries.c.service == service)
            ).one()
            for app in (caller.app_id, target)
        )
        item = connection.execute(select(items).where(items.c.library_id == source.id)).one()
        old = [
            (table, connection.execute(select(table).where(table.c.item_id == item.id)).all())
            for table in (vectors, keypoints)
        ]
        signs = [item.sign + number for number in range(count)]
        for sign in signs:
            (key,) = connection.execute(
                insert(items)
                .values(item._asdict() | {"id": None, "library_id": copy.id, "sign": sign})
                .returning(items.c.id)
            ).one()
            for table, features in old:
                changed = {"item_id": key, "library_id": copy.id}
                for row in features:
                    values = row._asdict()
                    own = {name: value for name, value in changed.items() if name in values}
                    connection.execute(insert(table).values(values | own))
        connection.execute(
            update(libraries).where(libraries.c.id == copy.id).values(size=len(signs))
        )
    return [str(ContSign.from_int(sign)) for sign in signs]


def _little() -> Rgb:
    """A small drawing on a plain ground: few keypoints, so that hundreds are soon verified."""
    rgb = np.full((300, 300, 3), (90, 120, 150), np.uint8)
    rgb[20:50, 20:50] = scene(9, 30, 30)
    return rgb


STOCK_PICTURE = encoded(_little())
STOCK = {"same_hq": 302, "similar": 1005, "product": 1005, "picturebook": 104, "materiel": 305}


@pytest.fixture(scope="module")
def stock(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Caller]:
    """A server whose libraries hold more pictures alike than one search may return."""
    server = Server(
        tmp_path_factory.mktemp("stock") / "data",
        {
            "TUSOU_VERIFY_MILLISECONDS": "60000",
        },
    )
    try:
        first, caller = server.caller(), server.caller()
        for service, count in STOCK.items():
            added(first, service, STOCK_PICTURE, "stock")
            copied(server, first, service, caller.app_id, count)
        yield caller
    finally:
        server.stop()


@EVERY
def test_results_are_as_many_as_the_default_says(stock: Caller, service: str) -> None:
    answer = stock.call(service, "search", image=STOCK_PICTURE)
    assert answer["result_num"] == SERVICES[service].default_results
    assert answer["has_more"] is True


@EVERY
def test_pages_are_cut_at_the_limit_not_refused(stock: Caller, service: str) -> None:
    most = SERVICES[service].most_results
    reach = min(most, STOCK[service])
    for first, count in ((0, most), (most // 4, most), (most - 1, 1), (most - 1, most)):
        answer = stock.call(service, "search", image=STOCK_PICTURE, pn=first, rn=count)
        assert len(briefs(answer)) == max(0, min(count, reach - first)), (first, count)
        assert answer["has_more"] is False, (first, count)
    nearly = stock.call(service, "search", image=STOCK_PICTURE, pn=0, rn=reach - 1)
    assert nearly["result_num"] == reach - 1
    assert nearly["has_more"] is True


@EVERY
def test_pn_and_rn_past_the_limit_are_refused(gallery: Caller, service: str) -> None:
    most = SERVICES[service].most_results
    for fields, word in (({"pn": most}, "param pn"), ({"rn": most + 1}, "param rn")):
        answer = gallery.call(service, "search", image=encoded(variant(0)), **fields)
        assert code(answer) == Problem.INVALID_PARAM.code
        assert word in answer["error_msg"]


# Changes


@dataclass(frozen=True)
class Studio:
    """An application with one picture in each library, which tests change."""

    caller: Caller
    image: bytes
    sign: str

    def update(self, service: str, **fields: Any) -> Answer:
        return self.caller.call(service, "update", cont_sign=self.sign, **fields)

    def brief(self, service: str) -> Any:
        return self.rows(service)[self.sign]["brief"]

    def rows(self, service: str, **fields: Any) -> dict[str, Answer]:
        return rows(self.caller, service, self.image, **fields)


@pytest.fixture(scope="module")
def studio(server: Server) -> Studio:
    caller, image = server.caller(), picture(21)
    signs = {added(caller, service, image) for service in SERVICES}
    assert len(signs) == 1  # a picture's sign is the same everywhere
    return Studio(caller, image, signs.pop())


@pytest.mark.parametrize(
    "brief",
    [
        "猫和狗，《图库》",
        "🐈‍⬛ a\u0301 \U0001f469\u200d\U0001f4bb",
        '{"name": "x", "list": [1, 2], "quote": "\\"\\\\"}',
        "  spaces  and\ttabs\r\nand lines\n",
        "a+b=c&d;e%20f?g#h",
        "<script>alert('x')</script>",
        "null",
        "0",
        "\u2028\ufeff\x7f\x01",
        "x" * 256,
        "字" * 85 + "x",
        "🐈" * 64,
    ],
)
def test_the_brief_comes_back_verbatim(studio: Studio, brief: str) -> None:
    assert code(studio.update("similar", brief=brief)) == 0
    assert studio.brief("similar") == brief
    added_with_it = studio.caller.call("materiel", "update", image=studio.image, brief=brief)
    assert code(added_with_it) == 0
    assert studio.brief("materiel") == brief


@EVERY
def test_a_brief_has_256_bytes_at_most(studio: Studio, service: str) -> None:
    assert code(studio.update(service, brief="字" * 85 + "1")) == 0
    for brief in ("字" * 85 + "12", "x" * 257):
        answer = studio.update(service, brief=brief)
        assert code(answer) == Problem.INVALID_PARAM.code
        assert "brief too long" in answer["error_msg"]
    assert studio.brief(service) == "字" * 85 + "1"


@EVERY
def test_classes_run_from_1_to_65535(studio: Studio, service: str) -> None:
    for field in SERVICES[service].class_fields:
        for value in (1, 65535):
            assert code(studio.update(service, **{field: value})) == 0
            assert studio.sign in studio.rows(service, **{field: value})
        for value in (0, 65536, -1):
            for operation in ("update", "search", "add"):
                given: dict[str, Any] = {"image": studio.image, "brief": "x", field: value}
                answer = studio.caller.call(service, operation, **given)
                assert code(answer) == Problem.INVALID_PARAM.code
                assert f"param {field}" in answer["error_msg"]
        assert studio.sign in studio.rows(service, **{field: 65535})


@EVERY
def test_an_update_changes_what_is_given_and_leaves_the_rest(studio: Studio, service: str) -> None:
    field = SERVICES[service].class_fields[0]
    by_sign: dict[str, Any] = {"cont_sign": studio.sign}
    by_image: dict[str, Any] = {"image": studio.image}
    update = studio.caller.call
    assert set(update(service, "update", **by_sign, brief="one", **{field: 11})) == {"log_id"}
    assert studio.rows(service, **{field: 11})[studio.sign]["brief"] == "one"
    for number, picked in enumerate((by_sign, by_image)):
        old, new = 11 + number, 12 + number
        assert code(update(service, "update", **picked, brief=f"now {new}")) == 0
        assert studio.rows(service, **{field: old})[studio.sign]["brief"] == f"now {new}"
        assert code(update(service, "update", **picked, **{field: new})) == 0
        assert studio.sign not in studio.rows(service, **{field: old})
        assert studio.rows(service, **{field: new})[studio.sign]["brief"] == f"now {new}"


def test_each_class_of_a_product_is_changed_alone(studio: Studio) -> None:
    assert code(studio.update("product", class_id1=7, class_id2=8)) == 0
    assert code(studio.update("product", class_id2=9)) == 0
    assert studio.sign in studio.rows("product", class_id1=7, class_id2=9)
    assert code(studio.update("product", tags="5,6")) == 0
    assert studio.sign in studio.rows("product", class_id1=5, class_id2=6)


def test_a_new_tag_list_replaces_the_old_one(studio: Studio) -> None:
    assert code(studio.update("similar", tags="31,32")) == 0
    assert code(studio.update("similar", tags="33")) == 0
    assert studio.sign in studio.rows("similar", tags="33")
    assert studio.sign not in studio.rows("similar", tags="32")


@EVERY
def test_a_deleted_picture_is_gone_at_once_and_may_come_back(studio: Studio, service: str) -> None:
    image = picture(22)
    sign = added(studio.caller, service, image, "first")
    for picked in ({"image": image}, {"cont_sign": sign}):
        assert sign in rows(studio.caller, service, image)
        assert set(studio.caller.call(service, "delete", **picked)) == {"log_id"}
        assert sign not in rows(studio.caller, service, image)
        again = studio.caller.call(service, "delete", **picked)
        assert code(again) == Problem.ITEM_MISSING.code
        assert code(studio.caller.call(service, "update", **picked, brief="x")) == (
            Problem.ITEM_MISSING.code
        )
        assert added(studio.caller, service, image, "again") == sign
    assert studio.caller.call(service, "delete", cont_sign=sign).keys() == {"log_id"}


@pytest.mark.skipif(engines.CLUSTER, reason="it fills a library behind the server's back")
def test_a_list_of_a_hundred_signs_is_deleted_and_of_more_refused(
    server: Server, studio: Studio
) -> None:
    single = server.caller("similar")
    added(single, "similar", STOCK_PICTURE)
    caller = server.caller("similar")
    signs = copied(server, single, "similar", caller.app_id, 150)

    def held() -> set[str]:
        answer = caller.call("similar", "search", image=STOCK_PICTURE, rn=1000)
        assert code(answer) == 0
        return {hit["cont_sign"] for hit in answer["result"]}

    def delete(*listed: str) -> int:
        return code(caller.call("similar", "delete", cont_sign=";".join(listed)))

    assert delete(*signs[:101]) == Problem.INVALID_PARAM.code
    assert held() == set(signs)
    assert delete(*signs[:100]) == 0
    assert held() == set(signs[100:])
    # Those that are there go, whatever else the list names, and however often.
    assert delete("1,1", signs[100], signs[100], signs[0], f" {signs[101]} ", "2,2", "") == 0
    assert held() == set(signs[102:])
    assert delete(signs[100], "1,1") == Problem.ITEM_MISSING.code
    assert delete(signs[102], "nonsense") == Problem.INVALID_PARAM.code
    assert held() == set(signs[102:])
    # One picture stands for itself even where a list comes with it.
    listed = {"image": picture(23), "cont_sign": ";".join(signs[102:])}
    assert code(caller.call("similar", "delete", **listed)) == Problem.ITEM_MISSING.code
    assert held() == set(signs[102:])


# Which picture is meant


class _Pictures(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        body = picture(int(self.path[1:]))
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Keep quiet."""


@pytest.fixture
def elsewhere() -> Iterator[str]:
    """Another server, with the pictures of all seeds."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Pictures)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


@pytest.fixture
def fetching(tmp_path: Path) -> Iterator[Server]:
    """A server that may fetch from this machine."""
    server = Server(tmp_path / "data", {"TUSOU_FETCH_ALLOW": "127.0.0.0/8"})
    yield server
    server.stop()


def test_an_image_comes_before_a_url_and_a_url_before_a_sign(
    fetching: Server, elsewhere: str
) -> None:
    caller = fetching.caller("similar")

    def call(operation: str, **fields: Any) -> Answer:
        answer = caller.call("similar", operation, **fields)
        assert code(answer) == 0, answer
        return answer

    def first(seed: int) -> str:
        return str(call("search", image=picture(seed), rn=1)["result"][0]["brief"])

    url = f"{elsewhere}/32"
    one = call("add", image=picture(31), url=url, brief="31")["cont_sign"]
    two = call("add", image="", url=url, brief="32")["cont_sign"]
    assert one != two
    assert first(31) == "31"
    assert call("search", url=url, rn=1)["result"][0]["score"] == 1
    assert call("search", url=url, image=picture(31), rn=1)["result"][0]["cont_sign"] == one
    assert call("search", url=url, cont_sign=one, rn=1)["result"][0]["cont_sign"] == two
    call("update", image=picture(31), url=url, cont_sign=two, brief="by image")
    call("update", url=url, cont_sign=one, brief="by url")
    assert (first(31), first(32)) == ("by image", "by url")
    call("update", image="", url="", cont_sign=one, brief="by sign")
    assert first(31) == "by sign"
    call("delete", url=url, cont_sign=one)
    assert call("search", url=url, rn=9)["result_num"] == 1
    call("delete", image=picture(31), url=url, cont_sign="1,1")
    assert call("search", url=url, rn=9)["result"] == []


# What is the same picture


def test_the_same_pixels_are_one_picture_and_one_pixel_makes_another(studio: Studio) -> None:
    rgb = scene(41)
    sign = added(studio.caller, "similar", encoded(rgb))
    for again in (
        encoded(rgb, "BMP"),
        encoded(rgb, compress_level=1),
        encoded(np.dstack([rgb, np.full(rgb.shape[:2], 255, np.uint8)])),
    ):
        answer = studio.caller.call("similar", "add", image=again, brief="x")
        assert code(answer) == Problem.ITEM_EXISTS.code
        assert answer["cont_sign"] == sign
    rgb[100, 100, 2] ^= 1
    other = added(studio.caller, "similar", encoded(rgb, "BMP"))
    assert other != sign


def test_a_turned_picture_is_the_one_that_people_see(studio: Studio) -> None:
    rgb = scene(42)
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned clockwise
    lying = encoded(np.ascontiguousarray(np.rot90(rgb)), exif=exif)
    sign = added(studio.caller, "similar", lying)
    upright = studio.caller.call("similar", "add", image=encoded(rgb), brief="x")
    assert upright["cont_sign"] == sign


def _as(mode: str, form: str = "PNG", **options: Any) -> bytes:
    buffer = BytesIO()
    Image.fromarray(scene(43)).convert(mode).save(buffer, form, **options)
    return buffer.getvalue()


def _deep() -> bytes:
    grey = np.asarray(Image.fromarray(scene(43)).convert("L")).astype(np.uint16) * 257
    buffer = BytesIO()
    Image.fromarray(grey).save(buffer, "PNG")
    return buffer.getvalue()


def _seen_through() -> bytes:
    alpha = np.full((320, 400, 1), 255, np.uint8)
    alpha[:40] = 0
    return encoded(np.concatenate([scene(43), alpha], axis=2))


def _turned() -> bytes:
    exif = Image.Exif()
    exif[0x0112] = 6
    return encoded(np.ascontiguousarray(np.rot90(scene(43))), "JPEG", exif=exif)


@pytest.mark.parametrize(
    "image",
    [
        pytest.param(_turned(), id="turned by EXIF"),
        pytest.param(_as("CMYK", "JPEG"), id="CMYK"),
        pytest.param(_as("P"), id="palette"),
        pytest.param(_as("P", "BMP"), id="palette BMP"),
        pytest.param(_deep(), id="16 bits"),
        pytest.param(_as("L", "JPEG"), id="grey"),
        pytest.param(_as("LA"), id="grey with alpha"),
        pytest.param(_seen_through(), id="with alpha"),
        pytest.param(_as("RGB", "JPEG", progressive=True), id="progressive"),
    ],
)
def test_pictures_of_every_kind_are_taken_and_found(studio: Studio, image: bytes) -> None:
    sign = added(studio.caller, "same_hq", image)
    own = studio.caller.call("same_hq", "search", image=image)["result"][0]
    assert (own["cont_sign"], own["score"]) == (sign, 1)
    plain = rows(studio.caller, "same_hq", encoded(scene(43), "JPEG", quality=85))
    assert 0.5 < plain[sign]["score"] <= 1
    assert code(studio.caller.call("same_hq", "delete", cont_sign=sign)) == 0


# Libraries apart


def test_libraries_of_one_application_see_nothing_of_each_other(
    studio: Studio, gallery: Caller
) -> None:
    image = picture(44)
    sign = added(studio.caller, "similar", image)
    for service in SERVICES:
        if service != "similar":
            assert sign not in rows(studio.caller, service, image)
            for operation in ("delete", "update"):
                answer = studio.caller.call(service, operation, cont_sign=sign, brief="x")
                assert code(answer) == Problem.ITEM_MISSING.code
    assert sign in rows(studio.caller, "similar", image)


@EVERY
def test_applications_see_nothing_of_each_other(
    studio: Studio, gallery: Caller, service: str
) -> None:
    assert studio.sign not in rows(gallery, service, studio.image)
    for operation in ("delete", "update"):
        answer = gallery.call(service, operation, cont_sign=studio.sign, brief="x")
        assert code(answer) == Problem.ITEM_MISSING.code
    assert studio.sign in studio.rows(service)


# How it is sent


def _awkward() -> bytes:
    """A picture whose base64 has every awkward thing: `+`, `/`, and padding."""
    for seed in range(100):
        data = picture(seed + 60)
        text = b64(data)
        if "+" in text and "/" in text and text.endswith("="):
            return data
    raise AssertionError("none in a hundred")


AWKWARD = _awkward()
TEXT = b64(AWKWARD)
FORM = {"content-type": "application/x-www-form-urlencoded"}


@pytest.fixture(scope="module")
def awkward(studio: Studio) -> Caller:
    """An application that has the awkward picture."""
    added(studio.caller, "similar", AWKWARD, "awkward")
    return studio.caller


@pytest.mark.parametrize(
    "body",
    [
        pytest.param("image=" + quote(TEXT, safe=""), id="as it should be"),
        pytest.param("image=" + quote(TEXT.rstrip("="), safe=""), id="no padding"),
        pytest.param("image=" + quote("data:image/jpeg;base64," + TEXT), id="data header"),
        pytest.param("image=" + quote("DATA:;base64," + TEXT), id="another data header"),
        pytest.param("image=" + TEXT, id="nothing escaped, + turns into a space"),
        pytest.param("image=" + TEXT.rstrip("="), id="nothing escaped, no padding"),
        pytest.param(
            "image=" + quote(base64.encodebytes(AWKWARD).decode().replace("\n", "\r\n")),
            id="lines",
        ),
        pytest.param("image=" + quote(f"\n{TEXT}\n"), id="blank lines around"),
        pytest.param("image=" + quote(f" {TEXT} "), id="blanks around"),
        pytest.param("image=" + base64.urlsafe_b64encode(AWKWARD).decode(), id="URL alphabet"),
        pytest.param("rn=9&image=" + quote_plus(TEXT) + "&image=again&x=", id="named twice"),
    ],
)
def test_base64_is_read_as_clients_write_it(awkward: Caller, body: str) -> None:
    answer = awkward.post(SEARCH, content=body, headers=FORM)
    briefs(answer)
    assert (answer["result"][0]["brief"], answer["result"][0]["score"]) == ("awkward", 1)


@pytest.mark.parametrize(
    "options",
    [
        pytest.param({"json": {"image": TEXT, "rn": 1}}, id="JSON, number"),
        pytest.param({"json": {"image": TEXT, "rn": "1", "url": None}}, id="JSON, text and null"),
        pytest.param(
            {"content": b'{"image": "%s", "rn": 1}' % TEXT.encode(), "headers": FORM},
            id="JSON under the form type",
        ),
        pytest.param(
            {"content": b'{"image": "%s", "rn": 1}' % TEXT.encode()}, id="JSON under no type"
        ),
        pytest.param(
            {"content": urlencode({"image": TEXT, "rn": 1}).encode()}, id="form under no type"
        ),
        pytest.param(
            {"files": {"image": ("a.jpg", AWKWARD)}, "data": {"rn": 1}}, id="multipart, file"
        ),
        pytest.param({"files": {"image": (None, TEXT), "rn": (None, "1")}}, id="multipart, base64"),
    ],
)
def test_bodies_of_three_kinds_are_read(awkward: Caller, options: dict[str, Any]) -> None:
    answer = awkward.post(SEARCH, **options)
    assert briefs(answer) == ["awkward"]
    assert answer["result"][0]["score"] == 1


@pytest.mark.parametrize(
    "options",
    [
        pytest.param({"content": "brief=a+b%2Bc%20%E7%8C%AB", "headers": FORM}, id="form"),
        pytest.param({"json": {"brief": "a b+c 猫"}}, id="JSON"),
        pytest.param({"files": {"brief": (None, "a b+c 猫")}}, id="multipart"),
    ],
)
def test_text_survives_every_kind_of_body(studio: Studio, options: dict[str, Any]) -> None:
    assert code(studio.update("similar", brief="before")) == 0
    sign = studio.sign
    if "content" in options:
        options = options | {"content": f"{options['content']}&cont_sign={quote(sign)}"}
    else:
        ((kind, fields),) = options.items()
        options = {kind: fields | {"cont_sign": (None, sign) if kind == "files" else sign}}
    answer = studio.caller.post(f"{SERVICES['similar'].prefix}/update", **options)
    assert code(answer) == 0, answer
    assert studio.brief("similar") == "a b+c 猫"


def test_numbers_and_lists_in_json_are_as_the_form_would_have_them(studio: Studio) -> None:
    body = {"cont_sign": studio.sign, "tags": [51, 52], "brief": 5}
    answer = studio.caller.post(f"{SERVICES['similar'].prefix}/update", json=body)
    assert code(answer) == 0
    assert studio.rows("similar", tags="52,51")[studio.sign]["brief"] == "5"


def test_a_token_with_the_node_clients_second_query_is_taken(awkward: Caller) -> None:
    response = awkward.http.post(
        f"{SEARCH}?aipSdk=node&access_token={awkward.token}?aipSdk=node", data={"image": TEXT}
    )
    assert code(response.json()) == 0


def test_the_log_id_is_in_a_header_too(awkward: Caller) -> None:
    http, token = awkward.http, {"access_token": awkward.token}
    for response in (
        http.post(SEARCH, params=token, data={"image": TEXT}),
        http.post(SEARCH, params=token),
        http.post(SEARCH),
        http.post(ADD, params=token, content=b"{", headers={"content-type": "application/json"}),
        http.get("/oauth/2.0/token"),
        http.get("/rest/2.0/nothing"),
        http.get("/nothing"),
        http.get("/healthz"),
        http.get("/readyz"),
    ):
        assert response.headers["x-log-id"] == str(response.json()["log_id"])


# The description


@pytest.fixture(scope="module")
def description(server: Server) -> dict[str, Any]:
    response = server.http.get("/openapi.json")
    assert response.status_code == 200
    return dict(response.json())


def _expected_fields(service: Service, operation: str) -> set[str]:
    classes = set(service.class_fields)
    return {"image", "url"} | {
        "add": {"brief"} | classes,
        "search": {"tag_logic", "pn", "rn"} | classes,
        "delete": {"cont_sign"},
        "update": {"cont_sign", "brief"} | classes,
    }[operation]


@pytest.mark.parametrize("operation", OPERATIONS)
@EVERY
def test_every_call_is_described(description: dict[str, Any], service: str, operation: str) -> None:
    path = description["paths"][f"{SERVICES[service].prefix}/{operation}"]
    assert set(path) == {"post"}
    content = path["post"]["requestBody"]["content"]
    assert set(content) == {
        "application/x-www-form-urlencoded",
        "application/json",
        "multipart/form-data",
    }
    for kind in content.values():
        assert set(kind["schema"]["properties"]) == _expected_fields(SERVICES[service], operation)
    assert [row["name"] for row in path["post"]["parameters"]] == ["access_token"]
    assert set(path["post"]["responses"]) == {"200"}


def test_nothing_of_the_contract_is_described_but_calls_token_and_feedback(
    description: dict[str, Any],
) -> None:
    calls = {
        f"{service.prefix}/{operation}" for service in SERVICES.values() for operation in OPERATIONS
    }
    others = {"/oauth/2.0/token", "/rpc/2.0/feedback/v1/report"}
    ours = {name: p for name, p in description["paths"].items() if not name.startswith("/v1/")}
    assert set(ours) == calls | others
    names = [call["operationId"] for path in ours.values() for call in path.values()]
    assert len(names) == len(set(names)) == 23


def test_the_documentation_page_needs_no_other_host(server: Server) -> None:
    page = server.http.get("/docs")
    assert page.status_code == 200
    assert not re.search(r"https?://|['\"(]//", page.text)
    files = re.findall(r"(?:src|href)=\"([^\"]+)\"", page.text)
    files += re.findall(r"url: '([^']+)'", page.text)
    assert len(files) >= 4
    for file in files:
        assert file.startswith("/")
        response = server.http.get(file)
        assert response.status_code == 200
        assert response.content
        if file.endswith(".css"):
            assert not re.search(r"(@import|url\()\s*['\"]?(https?:)?//", response.text)
    # ReDoc's page loads a picture from another host.
    assert server.http.get("/redoc").status_code == 404
