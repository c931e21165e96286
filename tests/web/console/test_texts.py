"""Both languages say everything, and nothing is said outside their catalogues."""

import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

import tusou.web.console
from tusou.errors import Problem
from tusou.services import SERVICES
from tusou.web.console.rendering import STATIC
from tusou.web.console.texts import LANGUAGES, choose, texts

FOLDER = Path(str(tusou.web.console.__file__)).parent
TEMPLATES = sorted((FOLDER / "templates").glob("*.html"))
SCRIPTS = {name: data.decode() for name, data in STATIC.items() if name.endswith(".js")}
SPOKEN = {"title", "aria-label", "placeholder", "alt", "label"}


def test_both_languages_have_the_same_keys() -> None:
    english, chinese = (texts(language).known for language in ("en", "zh"))
    assert english == chinese
    assert set(LANGUAGES) == {"en", "zh"}


def test_both_languages_put_the_same_facts_in() -> None:
    for key in texts("en").known:
        facts = [set(re.findall(r"\{(\w+)\}", texts(language)(key))) for language in LANGUAGES]
        one, many = facts
        # "one" need not say the number.
        assert one ^ many <= {"n"} | ({"done"} if key.endswith(".one") else set()), key


def test_no_chinese_text_was_left_in_english() -> None:
    same = {key for key in texts("zh").known if not re.search(r"[一-鿿]", texts("zh")(key))}
    names = {"language.tag", "applications.app_id", "applications.api_key", "usage.qps"}
    names |= {
        "applications.secret_key",
        "pictures.sign",
        "pictures.class_id1",
        "pictures.class_id2",
    }
    assert same == names


class _Words(HTMLParser):
    """Collects what a reader would see or hear of a template less its expressions."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found += [value or "" for name, value in attrs if name in SPOKEN]

    def handle_data(self, data: str) -> None:
        self.found.append(data)


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: path.name)
def test_no_template_has_words_of_its_own(path: Path) -> None:
    source = re.sub(r"\{% block body_class %\}.*?\{%", "{%", path.read_text("utf-8"))  # no words
    bare = re.sub(r"\{\{.*?\}\}|\{%.*?%\}|\{#.*?#\}", "", source, flags=re.S)
    words = _Words()
    words.feed(bare)
    stray = [text.strip() for text in words.found if re.search(r"[^\W\d_]", text)]
    assert not stray


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: path.name)
def test_no_template_has_scripts_or_styles_that_the_policy_forbids(path: Path) -> None:
    text = path.read_text("utf-8")
    assert not re.search(r"\sstyle=|\son\w+=|<style", text)
    for tag in re.findall(r"<script[^>]*>", text):
        assert "src=" in tag or 'type="application/json"' in tag


def test_every_text_that_is_asked_for_is_there() -> None:
    known = texts("en").known
    sources = [path.read_text("utf-8") for path in [*TEMPLATES, *FOLDER.glob("*.py")]]
    asked = {
        key
        for source in sources
        for key in re.findall(r"""(?:\bt|\bsay)\(["']([\w.]+)["']""", source)
    }
    counted = {
        key
        for source in sources
        for key in re.findall(r"""(?:\bt|\bsay)\.count\(["']([\w.]+)["']""", source)
    }
    for name, source in SCRIPTS.items():
        asked |= {f"js.{key}" for key in re.findall(r"""\bsay\(["']([\w.]+)["']""", source)}
        counted |= {f"js.{key}" for key in re.findall(r"""\bcount\(["']([\w.]+)["']""", source)}
        assert not re.search(r"[一-鿿]", source), name
    asked = {key for key in asked if not key.endswith(".")}  # the rest is said by the facts
    assert asked | {f"{key}.{form}" for key in counted for form in ("one", "many")} <= known


def test_every_problem_and_every_service_has_its_text() -> None:
    known = texts("en").known
    assert {f"problem.{problem.name}" for problem in Problem} <= known
    assert {f"service.{name}" for name in SERVICES} <= known
    hints = {key.partition(".")[2] for key in known if key.startswith("hint.")} - {"aspect"}
    assert hints <= {problem.name for problem in Problem}
    for act in ("delete", "reclass", "release"):
        for state in ("waiting", "running", "done", "undone", "failed"):
            assert f"js.changes.{act}.{state}.many" in known


@pytest.mark.parametrize(
    ("cookie", "accepted", "language"),
    [
        (None, "zh-CN,zh;q=0.9,en;q=0.8", "zh"),
        (None, "en-GB,en;q=0.9,zh;q=0.8", "en"),
        (None, "fr,zh;q=0.3,en;q=0.2", "zh"),
        (None, "fr", "en"),
        (None, "", "en"),
        (None, "zh;q=nonsense, ;;,,", "en"),
        (None, "zh;q=0,en;q=0.1", "en"),
        ("en", "zh-CN", "en"),
        ("zh", "en", "zh"),
        ("klingon", "zh", "zh"),
    ],
)
def test_the_language_is_what_was_switched_to_or_the_best_accepted(
    cookie: str | None, accepted: str, language: str
) -> None:
    assert choose(cookie, accepted) == language
