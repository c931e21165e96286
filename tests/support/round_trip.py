"""What an official client must be able to do with each service, whatever language it is in.

Pictures are scenes of `support.pictures`; A, B and C are three of them, A2 is A as a copy of lower
quality would be. Method names are those that the Python and the Node client share.
"""

from typing import Protocol

from support.pictures import encoded, picture, scene
from support.server import Answer
from tusou.services import SERVICES

FAMILIES = (
    *("Add", "AddUrl", "Search", "SearchUrl", "Update", "UpdateUrl", "UpdateContSign"),
    *("DeleteByImage", "DeleteByUrl", "DeleteBySign"),
)
_PREFIXES = {
    "same_hq": "sameHq",
    "similar": "similar",
    "product": "product",
    "picturebook": "pictureBook",
    "materiel": "materiel",
}
_OTHER_NAMES = {
    "pictureBookAdd": "pictureBookAddImage",
    "pictureBookSearch": "pictureBookSearchImage",
}

A, B, C = picture(101), picture(102), picture(103)
A2 = encoded(scene(101), "JPEG", quality=40)
PICTURES = {"a.jpg": A, "b.jpg": B, "a2.jpg": A2}

# All that could be lost on the way: quotes, form and URL syntax, Chinese, emoji, a newline.
BRIEF = '{"id":"1+1=2 & 100%","name":"绘本《猫》","备注":"“引号”\\n🙂 a/b?c#d;e"}\n'
NEW_BRIEF = '{"id": "2", "name": "新的名字"}'


class Client(Protocol):
    """An official client, called by the names it has."""

    def call(
        self, method: str, subject: bytes | str, brief: str | None = None, **options: object
    ) -> Answer:
        """Call a method with a picture, URL or cont_sign; options go where it takes them."""
        ...


def method(service: str, family: str) -> str:
    """The name both clients have for a call."""
    name = _PREFIXES[service] + family
    return _OTHER_NAMES.get(name, name)


def methods() -> set[str]:
    """All fifty."""
    return {method(service, family) for service in SERVICES for family in FAMILIES}


class Trip:
    """One service through one client, from an empty library to an empty library."""

    def __init__(self, client: Client, service: str) -> None:
        self._client = client
        self._service = SERVICES[service]
        self._log_ids: set[int] = set()
        # The services that verify return the same picture only; the others rank all there are.
        self._ranks_all = not self._service.explains

    def with_pictures(self) -> None:
        """Add, search, update and delete by picture and by sign."""
        assert self._search("Search", A) == []
        a, b, c = self._add_three()
        self._refuses_what_is_there(a)
        self._finds(a, b, c)
        self._keeps_to_classes(a, b)
        self._changes(a, b)
        self._forgets(a, b, c)

    def with_urls(self, urls: dict[str, str]) -> None:
        """The same by URL; `urls` by the names of `PICTURES`."""
        sign = self._succeeds("AddUrl", urls["a.jpg"], BRIEF)["cont_sign"]
        other = self._succeeds("AddUrl", urls["b.jpg"], "b")["cont_sign"]
        first, *rest = self._search("SearchUrl", urls["a2.jpg"], rn=10)
        assert (first["cont_sign"], first["brief"]) == (sign, BRIEF)
        assert [row["cont_sign"] for row in rest] == ([other] if self._ranks_all else [])
        self._succeeds("UpdateUrl", urls["a.jpg"], NEW_BRIEF)
        assert self._search("SearchUrl", urls["a.jpg"], rn=1)[0]["brief"] == NEW_BRIEF
        self._succeeds("DeleteByUrl", urls["a.jpg"])
        assert sign not in self._signs("SearchUrl", urls["a.jpg"])
        self._succeeds("DeleteByUrl", urls["b.jpg"])
        assert self._search("SearchUrl", urls["a.jpg"]) == []

    def _add_three(self) -> tuple[str, str, str]:
        signs = (
            self._succeeds("Add", A, BRIEF, **self._classes(7, 8))["cont_sign"],
            self._succeeds("Add", B, "b", **self._classes(7, 9))["cont_sign"],
            self._succeeds("Add", C, "c")["cont_sign"],
        )
        assert len(set(signs)) == 3
        for sign in signs:
            assert all(0 <= int(part) < 1 << 32 for part in sign.split(","))
        return signs

    def _refuses_what_is_there(self, a: str) -> None:
        answer = self._call("Add", A, "again")
        assert (answer["error_code"], answer["cont_sign"]) == (216681, a)

    def _finds(self, a: str, b: str, c: str) -> None:
        rows = self._search("Search", A2, rn="10")
        assert (rows[0]["cont_sign"], rows[0]["brief"]) == (a, BRIEF)
        assert 0.5 < rows[0]["score"] <= 1
        scores = [row["score"] for row in rows]
        assert scores == sorted(scores, reverse=True)
        assert min(scores) >= 0
        assert {row["cont_sign"] for row in rows} == ({a, b, c} if self._ranks_all else {a})
        # Pages put together are the whole, and each knows whether there is another.
        pages = [self._call("Search", A2, pn=str(page), rn="1") for page in range(len(rows))]
        assert [row for page in pages for row in page["result"]] == rows
        assert [page["has_more"] for page in pages] == [True] * (len(rows) - 1) + [False]
        default = self._call("Search", A2)
        assert default["result_num"] == min(len(rows), self._service.default_results)
        assert default["has_more"] == (default["result_num"] < len(rows))

    def _keeps_to_classes(self, a: str, b: str) -> None:
        assert self._signs("Search", A, **self._classes(7, 8)) == [a]
        assert a not in self._signs("Search", A, **self._classes(7, 9))
        either = self._signs("Search", A, **self._classes(7, 9), tag_logic="1")
        assert either == ([a, b] if self._ranks_all else [a])

    def _changes(self, a: str, b: str) -> None:
        self._succeeds("Update", A, NEW_BRIEF)
        row = self._search("Search", A, rn=1)[0]
        assert (row["brief"], row["score"]) == (NEW_BRIEF, 1)  # the very same picture is certain
        self._succeeds("UpdateContSign", a, "third", **self._classes(11, 12))
        (row,) = self._search("Search", A, **self._classes(11, 12))
        assert (row["cont_sign"], row["brief"]) == (a, "third")
        assert a not in self._signs("Search", A, **self._classes(7, 8))
        assert self._search("Search", B, rn=1)[0]["brief"] == "b"
        assert self._call("UpdateContSign", "1,2", "x")["error_code"] == 216680

    def _forgets(self, a: str, b: str, c: str) -> None:
        self._succeeds("DeleteByImage", A)
        assert a not in self._signs("Search", A)
        assert self._call("DeleteByImage", A)["error_code"] == 216680
        self._succeeds("DeleteBySign", f"{b};{c}")
        for gone in (B, C):
            assert self._search("Search", gone) == []
        again = self._succeeds("Add", A, "again")
        assert again["cont_sign"] == a
        self._succeeds("DeleteBySign", a)

    def _call(
        self, family: str, subject: bytes | str, brief: str | None = None, **options: object
    ) -> Answer:
        answer = self._client.call(method(self._service.name, family), subject, brief, **options)
        assert isinstance(answer["log_id"], int)
        assert answer["log_id"] not in self._log_ids
        self._log_ids.add(answer["log_id"])
        return answer

    def _succeeds(
        self, family: str, subject: bytes | str, brief: str | None = None, **options: object
    ) -> Answer:
        answer = self._call(family, subject, brief, **options)
        wanted = {"log_id", "cont_sign"} if family.startswith("Add") else {"log_id"}
        assert set(answer) == wanted, answer
        return answer

    def _search(self, family: str, subject: bytes | str, **options: object) -> list[Answer]:
        answer = self._call(family, subject, None, **{"rn": 50, **options})
        assert set(answer) == {"log_id", "result_num", "result", "has_more"}, answer
        rows: list[Answer] = answer["result"]
        assert answer["result_num"] == len(rows)
        assert all(set(row) == {"cont_sign", "score", "brief"} for row in rows)
        return rows

    def _signs(self, family: str, subject: bytes | str, **options: object) -> list[str]:
        return [row["cont_sign"] for row in self._search(family, subject, **options)]

    def _classes(self, first: int, second: int) -> dict[str, object]:
        if len(self._service.class_fields) == 1:
            return {"tags": f"{first},{second}"}
        return dict(zip(self._service.class_fields, (first, second), strict=True))
