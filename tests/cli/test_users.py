"""`tusou user`: as an operator types it."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from tusou.cli import main
from tusou.office import Office
from tusou.settings import Settings

PASSWORD = "correct horse battery"


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return tmp_path / "data"


def run(data: Path, *words: str, typed: str = "") -> Result:
    return CliRunner().invoke(main, ["user", *words, "--data", str(data)], input=typed)


def signs_in(data: Path, name: str, password: str) -> bool:
    with Office(Settings.load({}, data=data)) as office:
        return office.users.with_password(name, password) is not None


def test_a_first_operator_is_made_with_a_typed_password(data: Path) -> None:
    result = run(data, "add", "lin", typed=f"{PASSWORD}\n{PASSWORD}\n")
    assert result.exit_code == 0, result.output
    assert PASSWORD not in result.output
    assert "operator lin made" in result.output
    assert signs_in(data, "lin", PASSWORD)


def test_passwords_come_from_standard_input_or_are_made_up(data: Path) -> None:
    assert run(data, "add", "a", "--password-stdin", typed=f"{PASSWORD}\n").exit_code == 0
    assert signs_in(data, "a", PASSWORD)
    made = run(data, "password", "a", "--generate").output.split("password: ")[1].split()[0]
    assert len(made) == 16
    assert signs_in(data, "a", made)


def test_users_are_listed_given_applications_and_removed(data: Path) -> None:
    with Office(Settings.load({}, data=data)) as office:
        first, second = (office.apps.create(name, [])[0].id for name in "ab")
    run(data, "add", "o", "--role", "owner", "--app", str(first), "--generate")
    assert run(data, "grant", "o", str(second)).exit_code == 0
    assert run(data, "revoke", "o", str(first)).exit_code == 0
    run(data, "add", "p", "--generate")
    assert json.loads(run(data, "list", "--json").output) == [
        {"name": "o", "role": "owner", "apps": [str(second)]},
        {"name": "p", "role": "operator", "apps": []},
    ]
    assert "p  operator  applications: all" in run(data, "list").output
    assert run(data, "remove", "o", "--yes").exit_code == 0
    assert "o  " not in run(data, "list").output


@pytest.mark.parametrize(
    "words",
    [
        ("add", "two words", "--generate"),
        ("add", "a", "--role", "owner", "--app", "5", "--generate"),
        ("password", "nobody", "--generate"),
        ("remove", "nobody", "--yes"),
        ("grant", "nobody", "1"),
        ("revoke", "nobody", "1"),
    ],
)
def test_mistakes_are_told_in_one_line(data: Path, words: tuple[str, ...]) -> None:
    result = run(data, *words)
    assert result.exit_code == 1
    assert result.output.splitlines()[-1].startswith("Error: ")
    assert "Traceback" not in result.output
