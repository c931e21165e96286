"""RTSAsService: every call with its fields, which of them count first, and its answers."""

import struct
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from support.pictures import picture
from support.server import Answer, Server, b64
from tusou.errors import ERR_MSGS, Problem
from tusou.services import SERVICES
from web.private.conftest import Program, brief

OK = {"err_no": 0, "err_msg": "OK"}


def _sign(answer: Answer, index: int = 0) -> dict[str, int]:
    return dict(answer["data_items"][index]["contsign"])


def _briefs(answer: Answer) -> list[str]:
    return [item["features"][0]["fea_data"] for item in answer["data_items"]]


def _classes(*numbers: int) -> dict[str, Any]:
    return {"fea_id": 999, "fea_data": b64(struct.pack("<II", *numbers))}


def test_a_picture_goes_from_its_adding_to_its_end(program: Program) -> None:
    assert program("add", image=picture(1), features=[brief("一"), _classes(0, 4)]) == OK
    found = program("search", image=picture(1))
    assert found == {
        **OK,
        "data_items": [
            {
                "contsign": _sign(found),
                "score": 1.0,
                "features": [{"fea_id": 1000, "fea_data": b64("一".encode())}],
            }
        ],
        "has_more": 0,
    }
    snapshot = {"tag": 0, "index_size": 1, "index_capacity": 500_000, "queue_size": 0}
    assert program("snapshot") == {**OK, "snapshot": snapshot}
    assert program("update", image=picture(1), features=[brief("two")]) == OK
    assert _briefs(program("search", image=picture(1))) == [b64(b"two")]
    assert program("remove", contsign=_sign(found)) == OK
    assert program("search", image=picture(1)) == {**OK, "data_items": [], "has_more": 0}
    assert program("remove", contsign=_sign(found))["err_no"] == 102
    assert program("update", contsign=_sign(found), features=[brief("x")])["err_no"] == 102


def test_a_repeated_add_names_the_picture_that_is_there(program: Program) -> None:
    program("add", image=picture(1), features=[brief("first")])
    there = _sign(program("search", image=picture(1)))
    assert program("add", image=picture(1), features=[brief("second")]) == {
        "err_no": 101,
        "err_msg": "duplicated add",
        "data_items": [{"contsign": there, "features": [brief("first")]}],
    }


def test_of_two_adds_of_one_picture_at_once_one_is_refused(program: Program) -> None:
    with ThreadPoolExecutor(6) as threads:
        answers = list(
            threads.map(
                lambda n: program("add", image=picture(5), features=[brief(str(n))]), range(6)
            )
        )
    assert sorted(answer["err_no"] for answer in answers) == [0, *[101] * 5]
    assert program("snapshot")["snapshot"]["index_size"] == 1


def test_of_many_signups_at_once_one_makes_the_library(private: Server) -> None:
    program = Program(private.http, private.private["similar"], "crowd")
    with ThreadPoolExecutor(6) as threads:
        answers = list(threads.map(lambda _: program("signup")["err_no"], range(6)))
    assert sorted(answers) == [0, *[104] * 5]
    with private.office() as office:
        found = [app for app in office.apps.list() if app.name == "crowd"]
        assert [row.service for row in office.registry.list(found[0].id)] == ["similar"]
    assert len(found) == 1


def test_one_name_on_several_services_at_once_is_one_application(private: Server) -> None:
    services = [service for service in SERVICES if service != "materiel"]
    homes = [f"{private.address}/private/{service}" for service in services]
    programs = [Program(private.http, home, "several") for home in homes]
    with ThreadPoolExecutor(4) as threads:
        assert list(threads.map(lambda program: program("signup"), programs)) == [OK] * 4
    assert [program("snapshot")["err_no"] for program in programs] == [0] * 4
    with private.office() as office:
        assert len([app for app in office.apps.list() if app.name == "several"]) == 1


def test_what_is_removed_beside_searches_is_never_half_there(program: Program) -> None:
    for seed in range(4):
        program("add", image=picture(seed), features=[brief(str(seed))])
    signs = {seed: _sign(program("search", image=picture(seed))) for seed in range(4)}
    with ThreadPoolExecutor(4) as threads:
        searches = [threads.submit(program, "search", image=picture(3)) for _ in range(8)]
        removals = [threads.submit(program, "remove", contsign=signs[seed]) for seed in range(3)]
        assert [done.result() for done in removals] == [OK] * 3
        for search in searches:
            answer = search.result()
            assert answer["err_no"] == 0
            assert _briefs(answer)[0] == b64(b"3")
    assert _briefs(program("search", image=picture(3))) == [b64(b"3")]


def test_an_image_counts_before_a_sign_and_a_list_of_signs_before_both(program: Program) -> None:
    for seed in range(5):
        program("add", image=picture(seed), features=[brief(str(seed))])
    signs = [_sign(program("search", image=picture(seed))) for seed in range(5)]

    update = {"image": picture(0), "contsign": signs[1], "features": [brief("changed")]}
    assert program("update", **update) == OK
    assert _briefs(program("search", image=picture(0)))[0] == b64(b"changed")
    assert _briefs(program("search", image=picture(1)))[0] == b64(b"1")

    assert program("remove", image=picture(0), contsign=signs[1]) == OK
    listed = {"contsigns": [signs[2], signs[3], signs[2]], "image": picture(1)}
    assert program("remove", **listed, contsign=signs[4]) == OK
    left = program("search", image=picture(1))
    assert sorted(_briefs(left)) == [b64(b"1"), b64(b"4")]

    # The manual's table has consign; an empty list and an empty image count as not sent.
    assert program("remove", consign=signs[4], contsigns=[], image="") == OK
    assert program("snapshot")["snapshot"]["index_size"] == 1


def test_pages_are_cut_at_the_services_limit(program: Program) -> None:
    for seed in range(3):
        program("add", image=picture(seed), features=[brief(str(seed))])
    first, rest = (program("search", image=picture(0), pn=n, rn=2) for n in (0, 2))
    assert [len(page["data_items"]) for page in (first, rest)] == [2, 1]
    assert [page["has_more"] for page in (first, rest)] == [1, 0]
    assert len(program("search", image=picture(0), pn=0, rn=4_000_000_000)["data_items"]) == 3
    beyond = program("search", image=picture(0), pn=4_000_000_000)
    assert beyond == {**OK, "data_items": [], "has_more": 0}


def test_without_format_json_strings_are_the_bytes_themselves(program: Program) -> None:
    data = picture(1)
    features = [
        {"fea_id": 1000, "fea_data": "简介"},
        {"fea_id": 999, "fea_data": struct.pack("<II", 3, 4).decode("latin-1")},
    ]
    image = data.decode("latin-1")
    assert program("add", format=None, image=image, features=features) == OK
    found = program("search", image=data)
    assert _briefs(found) == [b64("简介".encode())]
    refused = program("search", format=None, image="图")
    assert refused["err_no"] == 1
    assert "format json" in refused["err_msg"]


def test_an_appid_with_its_sub_lib_is_one_name(private: Server) -> None:
    parts = Program(private.http, private.private["similar"], "same")
    assert parts("signup", sub_lib="1") == OK
    assert parts("snapshot")["err_no"] == 103
    assert Program(private.http, private.private["similar"], "same_1")("snapshot")["err_no"] == 0


def test_its_library_is_one_of_the_store(private: Server, program: Program) -> None:
    program("add", image=picture(1), features=[brief("private"), _classes(7, 8)])
    with private.office() as office:
        (app,) = [app for app in office.apps.list() if app.name == program.appid]
        (library,) = office.registry.list(app.id)
        secret = office.apps.secret(app.id)
    assert (library.service, library.size) == ("similar", 1)
    path = f"{SERVICES['similar'].prefix}/search"
    query = {"access_token": private.token(app.api_key, secret)}
    form = {"image": b64(picture(1)), "tags": "7,8"}
    answer = private.http.post(path, params=query, data=form).json()
    assert answer["result"][0]["brief"] == "private"
    with private.office() as office:
        office.apps.enable(app.id, False)
    assert program("snapshot")["err_no"] == 12


def test_every_service_has_a_path_on_the_main_port(private: Server) -> None:
    opened = [service for service in SERVICES if service != "materiel"]
    for service in opened:
        program = Program(private.http, f"{private.address}/private/{service}", "everywhere")
        assert program("signup") == OK
        data = picture(2, 480, 400)
        assert program("add", image=data, features=[brief(service)]) == OK
        assert _briefs(program("search", image=data)) == [b64(service.encode())]
    with private.office() as office:
        (app,) = [app for app in office.apps.list() if app.name == "everywhere"]
        assert list(app.services) == opened


def test_a_service_that_is_switched_off_says_so(private: Server) -> None:
    program = Program(private.http, f"{private.address}/private/materiel", "closed")
    for call in ("signup", "search", "snapshot"):
        answer = program(call)
        assert answer["err_no"] == 6
        assert "materiel is switched off" in answer["err_msg"]


def test_a_name_whose_application_was_deleted_can_sign_up_anew(
    private: Server, program: Program
) -> None:
    with private.office() as office:
        (app,) = [app for app in office.apps.list() if app.name == program.appid]
        office.apps.delete(app.id)
    assert program("snapshot")["err_no"] == 103
    assert program("signup") == OK
    assert program("snapshot")["snapshot"]["index_size"] == 0


def test_a_service_that_was_unticked_stays_so(private: Server, program: Program) -> None:
    with private.office() as office:
        (app,) = [app for app in office.apps.list() if app.name == program.appid]
        office.apps.edit(app.id, services=["product"])
    assert program("signup")["err_no"] == 104
    assert program("search", image=picture(1))["err_no"] == 12
    assert program("snapshot")["err_no"] == 12


def test_calls_are_counted_as_those_of_the_cloud(private: Server, program: Program) -> None:
    with private.office() as office:
        (app,) = [app for app in office.apps.list() if app.name == program.appid]
        office.apps.set_limits(app.id, "similar", "search", {"total": 1})
    assert program("search", image=picture(1))["err_no"] == 0
    assert program("search", image=picture(1))["err_no"] == 99


_FEATURE = [brief("b")]
_CASES: list[tuple[str, dict[str, Any], int, str]] = [
    ("search", {"from": None}, 1, "from not exist"),
    ("search", {"from": ""}, 1, "from not exist"),
    ("search", {"from": ["a"]}, 1, "from must be a string"),
    ("search", {"logid": -1}, 1, "logid"),
    ("search", {"logid": 1 << 64}, 1, "logid"),
    ("search", {"logid": True}, 1, "logid"),
    ("search", {"appid": None}, 1, "appid not exist"),
    ("search", {"appid": "a,b"}, 1, "no comma"),
    ("search", {"appid": "a\ud800"}, 1, "appid"),
    ("search", {"appid": "nobody"}, 103, "has not signed up"),
    ("search", {}, 1, "image not exist"),
    ("search", {"image": ""}, 100, "empty"),
    ("search", {"image": 5}, 1, "image must be a string"),
    ("search", {"image": "not base64!"}, 1, "image is not base64"),
    ("search", {"image": "图"}, 1, "image is not base64"),
    ("search", {"image": b"no picture"}, 100, ""),
    ("search", {"image": picture(1, 49, 60)}, 100, ""),
    ("search", {"image": b"x" * (4 << 20)}, 100, ""),
    ("search", {"image": picture(1), "pn": -1}, 1, "pn"),
    ("search", {"image": picture(1), "rn": "many"}, 1, "rn"),
    ("add", {"image": picture(1)}, 1, "feature 1000"),
    ("add", {"image": picture(1), "features": "x"}, 1, "list"),
    ("add", {"image": picture(1), "features": [5]}, 1, "list"),
    ("add", {"image": picture(1), "features": [{"fea_data": "eA=="}]}, 1, "fea_id"),
    ("add", {"image": picture(1), "features": [{"fea_id": 1000, "fea_data": 5}]}, 1, "1000"),
    ("add", {"image": picture(1), "features": [{"fea_id": 1000, "fea_data": "?"}]}, 1, "1000"),
    ("add", {"image": picture(1), "features": [brief("x" * 257)]}, 1, "brief too long"),
    ("add", {"image": picture(1), "features": [{"fea_id": 1000, "fea_data": "1tDOxA=="}]}, 1, "U"),
    ("add", {"features": _FEATURE}, 1, "image not exist"),
    ("add", {"features": [*_FEATURE, {"fea_id": 999, "fea_data": "AAAA"}]}, 1, "8 bytes"),
    ("add", {"features": [*_FEATURE, _classes(0, 65536)]}, 1, "65535"),
    ("update", {"image": picture(1)}, 1, "feature 1000"),
    ("update", {"features": _FEATURE}, 1, "image or contsign"),
    ("update", {"contsign": [1, 2], "features": _FEATURE}, 1, "contsign"),
    ("update", {"contsign": {"sign1": 1}, "features": _FEATURE}, 1, "contsign"),
    ("update", {"contsign": {"sign1": 1, "sign2": 1 << 32}, "features": _FEATURE}, 1, "sign2"),
    ("update", {"contsign": {"sign1": 1, "sign2": 2}, "features": _FEATURE}, 102, ""),
    ("remove", {}, 1, "image or contsign"),
    ("remove", {"contsigns": {"sign1": 1, "sign2": 2}}, 1, "list"),
    ("remove", {"contsigns": [{"sign1": 1, "sign2": 2}] * 1001}, 1, "1000"),
    ("remove", {"contsigns": [{"sign1": 1, "sign2": 2}]}, 102, ""),
    ("signup", {}, 104, ""),
    ("signup", {"appid": " "}, 1, "appid"),
    ("signup", {"appid": "x" * 256}, 1, "appid"),
    ("rename", {}, 1, "no such path or method"),
]


@pytest.mark.parametrize(("call", "fields", "number", "detail"), _CASES)
def test_what_is_wrong_is_said_in_the_manuals_words_and_by_name(
    program: Program, call: str, fields: dict[str, Any], number: int, detail: str
) -> None:
    answer = program(call, **fields)
    assert set(answer) == {"err_no", "err_msg"}
    assert answer["err_no"] == number
    assert answer["err_msg"].startswith(ERR_MSGS[number])
    assert detail in answer["err_msg"]


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"[" * 100_000, b"\xff", b"1" * 5000, b"null"])
def test_a_body_that_is_no_json_object_is_refused(private: Server, body: bytes) -> None:
    url = f"{private.private['similar']}/RTSAsService/search"
    assert private.http.post(url, content=body).json()["err_no"] == 1


def test_a_full_library_is_err_no_10(private: Server, program: Program) -> None:
    with private.office() as office:
        (app,) = [app for app in office.apps.list() if app.name == program.appid]
        (row,) = office.registry.list(app.id)
        with office.database.write() as connection:
            connection.exec_driver_sql("UPDATE libraries SET capacity = 0 WHERE id = ?", (row.id,))
    assert program("add", image=picture(1), features=_FEATURE)["err_no"] == 10


def test_every_problem_has_a_number_and_a_message_of_the_manual() -> None:
    assert {problem.err_no for problem in Problem} <= ERR_MSGS.keys() - {0}
    assert all(problem.err_msg for problem in Problem)
