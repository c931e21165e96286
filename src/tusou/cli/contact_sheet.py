"""Searches as one HTML page that needs nothing else: each query beside what was found."""

import base64
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from html import escape

from tusou.cli.language import Language
from tusou.client import Hit
from tusou.services import Service

_STYLE = """
:root { color-scheme: light dark; font: 15px/1.45 system-ui, sans-serif; }
body { margin: 2rem auto; max-width: 88rem; padding: 0 1rem; }
h1 { font-size: 1.3rem; }
section { display: flex; gap: 1.5rem; padding: 1.2rem 0; border-top: 1px solid #8886; }
.query { flex: 0 0 13rem; }
.query img { width: 100%; }
ol { display: grid; flex: 1; gap: 1rem; margin: 0; padding: 0; list-style: none;
     grid-template-columns: repeat(auto-fill, minmax(9rem, 1fr)); }
img { max-height: 12rem; object-fit: contain; background: #8882; border-radius: 4px; }
li img { width: 100%; height: 8rem; }
.none { display: grid; height: 8rem; place-items: center; background: #8882; border-radius: 4px; }
p { margin: .3rem 0 0; overflow-wrap: anywhere; }
.score { font-weight: 600; font-variant-numeric: tabular-nums; }
.problem { color: light-dark(#b00020, #ff8a80); }
small { color: light-dark(#666, #999); }
@media (max-width: 40rem) { section { flex-direction: column; } .query { flex: none; } }
"""
_POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"
_WORDS = {
    "english": {
        "lang": "en",
        "title": "Found in {service}",
        "query": "Query",
        "results": "Results",
        "nothing": "Nothing was found.",
        "no_file": "no preview",
        "id": "id {id}",
    },
    "chinese": {
        "lang": "zh-CN",
        "title": "检索结果：{service}",
        "query": "查询图片",
        "results": "检索结果",
        "nothing": "没有找到符合条件的图片。",
        "no_file": "无预览",
        "id": "编号 {id}",
    },
}


@dataclass(frozen=True, slots=True)
class Tile:
    """A result with its picture."""

    hit: Hit
    thumbnail: bytes | None
    """A JPEG; None: there is none."""


@dataclass(frozen=True, slots=True)
class Strip:
    """A query with its results."""

    name: str
    thumbnail: bytes | None
    """A JPEG; None: it is no picture."""
    tiles: Sequence[Tile]
    problem: str = ""
    """Why it was not searched."""


def page(service: Service, strips: Iterable[Strip], language: Language) -> Iterator[str]:
    """The page, part by part."""
    words = _WORDS[language]
    name = service.chinese if language == "chinese" else service.name
    title = words["title"].format(service=escape(name))
    yield (
        f'<!doctype html>\n<html lang="{words["lang"]}">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{title}</title>\n<style>{_STYLE}</style>\n</head>\n<body>\n<h1>{title}</h1>\n"
    )
    for strip in strips:
        yield _section(strip, words)
    yield "</body>\n</html>\n"


def _section(strip: Strip, words: dict[str, str]) -> str:
    name = escape(strip.name)
    picture = _image(strip.thumbnail, f"{words['query']}: {strip.name}", words)
    if strip.problem:
        found = f'<p class="problem" role="alert">{escape(strip.problem)}</p>'
    elif not strip.tiles:
        found = f"<p>{words['nothing']}</p>"
    else:
        items = "".join(_item(tile, words) for tile in strip.tiles)
        found = f'<ol aria-label="{words["results"]}">\n{items}</ol>'
    return (
        f'<section aria-label="{name}">\n<div class="query">{picture}<p>{name}</p></div>\n'
        f"{found}\n</section>\n"
    )


def _item(tile: Tile, words: dict[str, str]) -> str:
    picture = tile.hit.picture
    return (
        f"<li>{_image(tile.thumbnail, picture.brief, words)}"
        f'<p class="score">{tile.hit.score:.3f}</p><p>{escape(picture.brief)}</p>'
        f"<p><small>{words['id'].format(id=picture.id)}</small></p></li>\n"
    )


def _image(data: bytes | None, text: str, words: dict[str, str]) -> str:
    if data is None:
        return f'<div class="none"><small>{words["no_file"]}</small></div>'
    source = base64.b64encode(data).decode()
    return f'<img alt="{escape(text)}" src="data:image/jpeg;base64,{source}">'
