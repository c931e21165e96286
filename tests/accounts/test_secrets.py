"""The key file: lost, exchanged or damaged, it is told at the start and not to who calls."""

from pathlib import Path

import pytest

from tusou.accounts.apps import App
from tusou.doctor import stores
from tusou.office import Office
from tusou.runtime import Runtime
from tusou.settings import Settings


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings.load({}, data=tmp_path)


@pytest.fixture
def app(settings: Settings) -> App:
    with Office(settings) as office:
        return office.apps.create("shop", ["similar"])[0]


def found(settings: Settings) -> dict[str, str]:
    return {one.subject.english: one.found.english for one in stores.database(settings)}


def test_without_its_key_file_no_server_starts(settings: Settings, app: App) -> None:
    key = settings.data / "secret.key"
    key.unlink()
    assert "missing" in found(settings)["key file"]
    assert not key.exists()  # the doctor makes none
    with pytest.raises(RuntimeError, match="is not the key file"):
        Runtime(settings)


def test_another_databases_key_file_is_told_until_an_application_gets_new_keys(
    settings: Settings, app: App, tmp_path: Path
) -> None:
    with Office(Settings.load({}, data=tmp_path / "other")):
        pass
    (tmp_path / "other" / "secret.key").replace(settings.data / "secret.key")
    assert "is not the key file this database was written with" in found(settings)["key file"]
    with Office(settings) as office:
        with pytest.raises(RuntimeError, match="is not the key file"):
            office.apps.check_key_file()
        office.apps.create("a second", ["similar"])
        office.apps.check_key_file()
        secret = office.apps.reset_key(app.id)
        assert office.apps.with_keys(app.api_key, secret) == app
    assert "database" in found(settings)


@pytest.mark.parametrize("content", [b"", b"no key", bytes(44)])
def test_a_damaged_key_file_is_named(settings: Settings, app: App, content: bytes) -> None:
    (settings.data / "secret.key").write_bytes(content)
    with pytest.raises(RuntimeError, match=r"secret\.key is damaged"):
        Office(settings)
    assert "is damaged" in found(settings)["key file"]
