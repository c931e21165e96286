"""Briefs made by a template."""

import json

import pytest

from tusou.intake.briefs import DEFAULT, template
from tusou.intake.sources import Entry

ENTRY = Entry('shelf/1/a "b".jpg', None, row={"title": "猫\\n"})


def test_the_default_is_the_path() -> None:
    assert template(DEFAULT)(ENTRY) == ENTRY.name


def test_parts_of_the_path_and_columns_are_filled_in() -> None:
    made = template("${folder}|$name|$stem|$title|$$")(ENTRY)
    assert made == '1|a "b".jpg|a "b"|猫\\n|$'


def test_json_stays_json_whatever_is_filled_in() -> None:
    made = template('{"id": "$stem", "$title": ["$path", 1, null]}')(ENTRY)
    assert json.loads(made) == {"id": 'a "b"', "猫\\n": [ENTRY.name, 1, None]}


def test_a_wrong_template_is_told_at_once_and_a_missing_column_of_its_picture() -> None:
    with pytest.raises(ValueError, match=r"write \$\$"):
        template("5 $ each")
    with pytest.raises(ValueError, match=r"nothing is known for \$price"):
        template("$price")(ENTRY)
