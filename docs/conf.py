"""Makes the pages of this folder a site; `make docs` runs it, once for each language's frame."""

import re
from typing import Any

from sphinx.application import Sphinx
from sphinx.search.en import SearchEnglish

project = "tusou"
author = "the tusou authors"
copyright = author
extensions = ["myst_parser"]
html_theme = "furo"
html_title = "tusou 图搜"
html_copy_source = False
html_show_copyright = False
html_search_language = "en-zh"
myst_heading_anchors = 4
# Each language's contents leave out the other's pages; both name the pages of figures.
suppress_warnings = ["toc.not_included"]

HAN = "\u3400-\u9fff"
# A line's end within Chinese text, which is no space there; headings end a line for good.
SOFT_BREAK = re.compile(
    rf"^((?!#).*[{HAN}，。；：、？！（）“”])\n *(?=[{HAN}，。；：、？！（）“”])", re.MULTILINE
)
LISTED = re.compile(r"^- \[[^\]]+\]\(([\w.-]+)\.md\)", re.MULTILINE)


class EnglishAndHan(SearchEnglish):
    """Words of English; of Chinese, which has no spaces, every two neighbouring characters."""

    lang = "en-zh"
    js_splitter_code = rf"""
function splitQuery(query) {{
  const runs = query.match(/[{HAN}]+|[^{HAN}]+/g) || [];
  return runs.flatMap((run) => {{
    if (!/[{HAN}]/.test(run)) return run.split(/[^\p{{L}}\p{{N}}_]+/u).filter(Boolean);
    if (run.length === 1) return [run];
    return Array.from({{length: run.length - 1}}, (_, at) => run.slice(at, at + 2));
  }});
}}
"""

    def split(self, text: str) -> list[str]:
        """The words to index, which `splitQuery` cuts a query into likewise."""
        words = []
        for run in re.findall(rf"[{HAN}]+|[^{HAN}]+", text):
            if not re.match(f"[{HAN}]", run):
                words += super().split(run)
            else:
                words += [run[at : at + 2] for at in range(max(1, len(run) - 1))]
        return words


def adapt(app: Sphinx, page: str, source: list[str]) -> None:
    """Let pages outside this folder be files to load, and the first page's lists the contents."""
    source[0] = SOFT_BREAK.sub(r"\1", source[0])
    source[0] = re.sub(r"\]\((\.\./[\w./-]+\.md)\)", r"](path:\1)", source[0])
    if page != app.config.root_doc:
        return
    for section in source[0].split("\n## ")[1:]:
        caption, pages = section.split("\n", 1)[0], LISTED.findall(section)
        if pages:
            lines = ["```{toctree}", ":hidden:", f":caption: {caption}", *pages, "```"]
            source[0] += "\n" + "\n".join(lines) + "\n"


def setup(app: Sphinx) -> dict[str, Any]:
    """Called by Sphinx."""
    app.add_search_language(EnglishAndHan)
    app.connect("source-read", adapt)
    return {"parallel_read_safe": True}
