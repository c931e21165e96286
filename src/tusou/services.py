"""The five services: all that differs between them is a row of this table.

Source: shared contract, section 1.
"""

from dataclasses import dataclass
from typing import Literal

Pipeline = Literal["embedding", "subjects", "copies", "pages"]


@dataclass(frozen=True, slots=True)
class Service:
    """One search service of the contract."""

    name: str
    chinese: str
    finds: str
    prefix: str
    """Path below which `/add`, `/search`, `/delete` and `/update` lie."""
    pipeline: Pipeline
    """`embedding`: rank all by vector. `subjects`: likewise, by the vector of the main subject too.
    The others return only geometrically verified pictures:
    `copies`: with little doubt. `pages`: even a photo in which little of the page is to be seen."""
    pack: str
    """The bundled model pack that fills its libraries, where the settings name no other."""
    shortest_side: int
    """Pixels; a picture with a shorter side is refused."""
    longest_side: int
    """Pixels; a picture with a longer side is refused."""
    largest_aspect: float | None
    """Longest by shortest side at most; None where any aspect is taken."""
    default_results: int
    most_results: int
    """`pn` + `rn` are cut here; `pn` runs to one less."""
    class_fields: tuple[str, ...] = ("tags",)
    """Request fields with class ids: one field of up to two tags, or one field a dimension."""

    @property
    def explains(self) -> bool:
        """Whether it can show what two pictures have in common."""
        return self.pipeline in ("copies", "pages")


def _row(name: str, chinese: str, prefix: str, finds: str, **limits: object) -> Service:
    values: dict[str, object] = {
        "pipeline": "embedding",
        "pack": name,
        "shortest_side": 50,
        "longest_side": 4096,
        "largest_aspect": None,
        "default_results": 300,
        "most_results": 1000,
    }
    return Service(name, chinese, finds, prefix, **values | limits)  # type: ignore[arg-type]


SERVICES: dict[str, Service] = {
    service.name: service
    for service in (
        _row(
            "same_hq",
            "相同图片",
            "/rest/2.0/realtime_search/same_hq",
            "the same picture, or one that shares a part with it",
            pipeline="copies",
            pack="base",
        ),
        _row(
            "similar",
            "相似图片",
            "/rest/2.0/image-classify/v1/realtime_search/similar",
            "pictures alike in type, colour, content and layout",
        ),
        _row(
            "product",
            "商品图片",
            "/rest/2.0/image-classify/v1/realtime_search/product",
            "the same or a similar product",
            pipeline="subjects",
            shortest_side=300,
            class_fields=("class_id1", "class_id2"),
        ),
        _row(
            "picturebook",
            "绘本图片",
            "/rest/2.0/imagesearch/v1/realtime_search/picturebook",
            "the book page or cover in a phone photo",
            pipeline="pages",
            pack="base",
            shortest_side=150,
            largest_aspect=10.0,
            default_results=1,
            most_results=100,
        ),
        _row(
            "materiel",
            "面料图片",
            "/rest/2.0/image-classify/v1/realtime_search/materiel",
            "cloth, tile and board with the same or a similar pattern",
            shortest_side=1,
            largest_aspect=20.0,
            default_results=1,
            most_results=300,
        ),
    )
}

OPERATIONS = ("add", "search", "delete", "update")
