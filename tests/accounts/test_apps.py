"""Applications and tokens: who is let in, and what the database gives away."""

from pathlib import Path
from typing import Any

import pytest

from support.clock import Clock
from tusou.accounts.apps import App, Apps
from tusou.accounts.secrets import Vault
from tusou.accounts.tokens import ACCESS_SECONDS, Grant, Tokens
from tusou.errors import Problem, TusouError
from tusou.storage.database import Database


@pytest.fixture
def tokens(database: Database, apps: Apps, clock: Clock) -> Tokens:
    return Tokens(database, apps, clock)


def _grant(grant: Grant | None) -> Grant:
    assert grant is not None
    return grant


def _problem(tokens: Tokens, token: str) -> Problem:
    with pytest.raises(TusouError) as caught:
        tokens.holder(token)
    return caught.value.problem


def test_a_token_leads_back_to_its_application(apps: Apps, tokens: Tokens) -> None:
    app, secret = apps.create("shop", ["similar"])
    other, _ = apps.create("other", ["similar"])
    grant = _grant(tokens.issue(app.api_key, secret))
    assert tokens.holder(grant.access_token) == app
    assert other.id != app.id
    parts = grant.access_token.split(".")
    assert (parts[0], parts[2], parts[4]) == ("24", "2592000", str(app.id))
    assert "brain_all_scope" in grant.scope.split()
    assert grant.expires_in == 2592000


def test_keys_that_do_not_fit_give_no_token(apps: Apps, tokens: Tokens) -> None:
    app, secret = apps.create("shop", ["similar"])
    other, other_secret = apps.create("other", ["similar"])
    for key, word in (
        (app.api_key, other_secret),
        (other.api_key, secret),
        (app.api_key, ""),
        ("", ""),
        (app.api_key, secret[:-1]),
        (app.api_key, "密钥"),
    ):
        assert tokens.issue(key, word) is None


def test_neither_secret_nor_token_can_be_read_from_the_database(
    apps: Apps, tokens: Tokens, tmp_path: Path, database: Database
) -> None:
    if database.engine.dialect.name != "sqlite":
        pytest.skip("the files of PostgreSQL are its own")
    app, secret = apps.create("shop", ["similar"])
    grant = _grant(tokens.issue(app.api_key, secret))
    database.close()
    data = b"".join(path.read_bytes() for path in tmp_path.glob("tusou.db*"))
    assert app.api_key.encode() in data
    for word in (secret, grant.access_token, grant.refresh_token, grant.access_token.split(".")[1]):
        assert word.encode() not in data
    assert (tmp_path / "secret.key").stat().st_mode & 0o077 == 0


def test_another_key_file_is_told_in_plain_words(
    apps: Apps, database: Database, tmp_path: Path
) -> None:
    app, _ = apps.create("shop", ["similar"])
    (tmp_path / "secret.key").unlink()
    with pytest.raises(RuntimeError, match="not the key file"):
        Apps(database, Vault(tmp_path / "secret.key")).secret(app.id)


def test_a_token_ends_after_thirty_days(apps: Apps, tokens: Tokens, clock: Clock) -> None:
    app, secret = apps.create("shop", ["similar"])
    token = _grant(tokens.issue(app.api_key, secret)).access_token
    clock.now += ACCESS_SECONDS - 1
    assert tokens.holder(token) == app
    clock.now += 1
    assert _problem(tokens, token) is Problem.TOKEN_EXPIRED
    clock.now += ACCESS_SECONDS + 1
    tokens.issue(app.api_key, secret)
    assert _problem(tokens, token) is Problem.TOKEN_INVALID


def test_a_new_key_ends_the_old_one_and_its_tokens(apps: Apps, tokens: Tokens) -> None:
    app, secret = apps.create("shop", ["similar"])
    token = _grant(tokens.issue(app.api_key, secret)).access_token
    renewed = apps.reset_key(app.id)
    assert _problem(tokens, token) is Problem.TOKEN_INVALID
    assert tokens.issue(app.api_key, secret) is None
    assert tokens.issue(app.api_key, renewed) is not None
    assert apps.secret(app.id) == renewed


def test_a_key_renewed_since_it_was_checked_gives_no_token(
    apps: Apps, tokens: Tokens, monkeypatch: pytest.MonkeyPatch
) -> None:
    app, secret = apps.create("shop", ["similar"])
    check = apps.with_keys

    def renewing(api_key: str, secret_key: str) -> App | None:
        found = check(api_key, secret_key)
        apps.reset_key(app.id)
        return found

    monkeypatch.setattr(apps, "with_keys", renewing)
    assert tokens.issue(app.api_key, secret) is None


def test_a_refresh_token_works_once_and_for_its_application_only(
    apps: Apps, tokens: Tokens
) -> None:
    app, secret = apps.create("shop", ["similar"])
    other, other_secret = apps.create("other", ["similar"])
    first = _grant(tokens.issue(app.api_key, secret))
    assert tokens.refresh(other.api_key, other_secret, first.refresh_token) is None
    assert tokens.refresh(app.api_key, secret, first.access_token) is None
    second = _grant(tokens.refresh(app.api_key, secret, first.refresh_token))
    assert tokens.holder(second.access_token) == app
    assert tokens.refresh(app.api_key, secret, first.refresh_token) is None
    assert _problem(tokens, second.refresh_token) is Problem.TOKEN_INVALID


def test_a_disabled_application_is_refused_until_it_is_enabled(apps: Apps, tokens: Tokens) -> None:
    app, secret = apps.create("shop", ["similar"])
    token = _grant(tokens.issue(app.api_key, secret)).access_token
    apps.enable(app.id, False)
    assert _problem(tokens, token) is Problem.APP_GONE
    with pytest.raises(TusouError):
        tokens.issue(app.api_key, secret)
    apps.enable(app.id, True)
    assert tokens.holder(token) == app


def test_a_deleted_application_is_gone_for_good(apps: Apps, tokens: Tokens) -> None:
    app, secret = apps.create("shop", ["similar"])
    token = _grant(tokens.issue(app.api_key, secret)).access_token
    apps.delete(app.id)
    assert _problem(tokens, token) is Problem.APP_GONE
    assert apps.list() == []
    for use in (apps.get, apps.secret, apps.reset_key):
        with pytest.raises(TusouError) as caught:
            use(app.id)
        assert caught.value.problem is Problem.APP_UNKNOWN
    assert apps.create("next", [])[0].id == app.id + 1


def test_an_application_is_let_into_the_services_it_ticked(apps: Apps) -> None:
    app, _ = apps.create("shop", ["similar", "product"])
    app.permit("product")
    with pytest.raises(TusouError) as caught:
        app.permit("materiel")
    assert caught.value.problem is Problem.PERMISSION
    with pytest.raises(TusouError) as caught:
        apps.create("shop", ["faces"])
    assert caught.value.problem is Problem.UNKNOWN_SERVICE


def test_services_and_name_can_be_changed_later(apps: Apps, tokens: Tokens) -> None:
    app, secret = apps.create("shop", ["similar"])
    token = _grant(tokens.issue(app.api_key, secret)).access_token
    apps.edit(app.id, services=["product", "same_hq", "product"])
    held = tokens.holder(token)
    assert (held.name, held.services) == ("shop", ("product", "same_hq"))
    apps.edit(app.id, name="商店")
    assert apps.get(app.id).name == "商店"
    assert apps.get(app.id).services == ("product", "same_hq")
    apps.edit(app.id, services=[])
    assert apps.get(app.id).services == ()
    for problem, change in (
        (Problem.MISSING_PARAM, dict[str, Any]()),
        (Problem.INVALID_PARAM, {"name": " "}),
        (Problem.UNKNOWN_SERVICE, {"services": ["faces"]}),
    ):
        with pytest.raises(TusouError) as caught:
            apps.edit(app.id, **change)
        assert caught.value.problem is problem


def test_tokens_can_be_ended_without_a_new_key(apps: Apps, tokens: Tokens) -> None:
    app, secret = apps.create("shop", ["similar"])
    other, other_secret = apps.create("other", ["similar"])
    first = _grant(tokens.issue(app.api_key, secret))
    others = _grant(tokens.issue(other.api_key, other_secret))
    assert apps.revoke_tokens(app.id) == 2
    assert _problem(tokens, first.access_token) is Problem.TOKEN_INVALID
    assert tokens.refresh(app.api_key, secret, first.refresh_token) is None
    assert tokens.holder(_grant(tokens.issue(app.api_key, secret)).access_token) == app
    assert tokens.holder(others.access_token) == other


def test_a_refresh_token_ends_and_a_disabled_application_gets_no_new_one(
    apps: Apps, tokens: Tokens, clock: Clock
) -> None:
    app, secret = apps.create("shop", ["similar"])
    first = _grant(tokens.issue(app.api_key, secret))
    apps.enable(app.id, False)
    with pytest.raises(TusouError) as caught:
        tokens.refresh(app.api_key, secret, first.refresh_token)
    assert caught.value.problem is Problem.APP_GONE
    apps.enable(app.id, True)
    second = _grant(tokens.refresh(app.api_key, secret, first.refresh_token))
    clock.now += 315_360_000
    assert tokens.refresh(app.api_key, secret, second.refresh_token) is None


def test_limits_of_ones_own_are_kept_by_call(apps: Apps) -> None:
    app, _ = apps.create("shop", ["similar"], "personal")
    assert (app.plan, app.plan_since, app.limits) == ("personal", app.created, {})
    apps.set_limits(app.id, "similar", "search", {"qps": 5, "total": None})
    apps.set_limits(app.id, "similar", "add", {"daily": 0})
    apps.set_limits(app.id, "similar", "search", {"qps": 7})
    assert apps.get(app.id).limits == {"similar/search": {"qps": 7}, "similar/add": {"daily": 0}}
    apps.set_limits(app.id, "similar", "search", {})
    assert apps.get(app.id).limits == {"similar/add": {"daily": 0}}
    for service, operation, own in (
        ("faces", "add", {"qps": 1}),
        ("similar", "replace", {"qps": 1}),
        ("similar", "add", {"weekly": 1}),
        ("similar", "add", {"qps": -1}),
    ):
        with pytest.raises(TusouError):
            apps.set_limits(app.id, service, operation, own)
    assert apps.get(app.id).limits == {"similar/add": {"daily": 0}}
