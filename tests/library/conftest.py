"""A library in this process, with the real models and a database in a folder."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tusou.accounts.apps import App
from tusou.runtime import Runtime
from tusou.services import SERVICES
from tusou.settings import Settings


@pytest.fixture
def runtime(tmp_path: Path) -> Iterator[Runtime]:
    runtime = Runtime(Settings.load({}, data=tmp_path / "data"))
    runtime.start()
    assert runtime.ready.wait(60)
    yield runtime
    runtime.close()


@pytest.fixture
def app(runtime: Runtime) -> App:
    app, _ = runtime.apps.create("test", SERVICES)
    for service in SERVICES:
        runtime.create_library(app.id, service)
    return app
