"""Settings: the environment's names, their forms, and what is said when one is wrong."""

import os
from datetime import timedelta
from ipaddress import ip_network
from pathlib import Path

import pytest

from onehook.core.retry import PRESETS, Retry
from onehook.errors import SettingsError
from onehook.settings import PREFIX, Settings, check_names, load


@pytest.fixture(autouse=True)
def _bare_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """No setting comes from outside a test."""
    for name in [name for name in os.environ if name.startswith(PREFIX)]:
        monkeypatch.delenv(name)


def test_defaults_are_usable() -> None:
    """Nothing has to be set."""
    settings = load()

    assert (settings.host, settings.port, settings.data) == ("127.0.0.1", 8080, Path("data"))
    assert settings.max_body == 25 * 1024 * 1024
    assert settings.body_timeout == timedelta(seconds=10)
    assert settings.delivery_allow == ()
    assert settings.redis_url is None


READ = {
    "PORT": ("0", "port", 0),
    "DATA": ("/srv/onehook", "data", Path("/srv/onehook")),
    "MAX_BODY": ("1MiB", "max_body", 1024 * 1024),
    "BODY_TIMEOUT": ("1500ms", "body_timeout", timedelta(seconds=1.5)),
    "DELIVERY_ALLOW": (
        "127.0.0.0/8, ::1/128",
        "delivery_allow",
        (ip_network("127.0.0.0/8"), ip_network("::1/128")),
    ),
    "ACK": ("memory", "ack", "memory"),
    "DESTINATIONS": ("/srv/destinations", "destinations", Path("/srv/destinations")),
    "DEFAULT_PROFILE": ("sha256", "default_profile", "sha256"),
    "DEFAULT_PREFIX": ("acme", "default_prefix", "acme"),
    "DEFAULT_DESTINATION": ("slack", "default_destination", "slack"),
    "DEFAULT_TIMEOUT": ("3s", "default_timeout", timedelta(seconds=3)),
    "DEFAULT_RETRY": ("quick", "default_retry", PRESETS["quick"]),
    "DEFAULT_RETRY as a list": (
        "1s, 2m,3h",
        "default_retry",
        Retry((timedelta(seconds=1), timedelta(minutes=2), timedelta(hours=3))),
    ),
    "DEFAULT_RETRY of one": ("90s", "default_retry", Retry((timedelta(seconds=90),))),
}


@pytest.mark.parametrize(("name", "row"), READ.items(), ids=READ)
def test_environment_is_read(
    monkeypatch: pytest.MonkeyPatch, name: str, row: tuple[str, str, object]
) -> None:
    """Each setting is read from ONEHOOK_ and its name, in the form that people write."""
    text, field, value = row
    monkeypatch.setenv(PREFIX + name.partition(" ")[0], text)

    assert getattr(load(), field) == value


def test_options_win_over_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """A given option counts more; one that is None counts nothing."""
    monkeypatch.setenv("ONEHOOK_PORT", "1")
    monkeypatch.setenv("ONEHOOK_HOST", "::1")

    settings = load(port=2, host=None)

    assert (settings.port, settings.host) == (2, "::1")


WRONG = {
    "PORT": ["70000", "-1", "http", ""],
    "MAX_BODY": ["25", "many", "-1MiB"],
    "BODY_TIMEOUT": ["10", "soon", "-1s"],
    "API_KEY": ["short", "a" * 15],
    "DELIVERY_ALLOW": ["localhost", "127.0.0.1/8", "10.0.0.0/33"],
    "PUBLIC_URL": ["example.com", "ftp://example.com", "https://"],
    "KEY_PREFIX": ["a:b", "{x}", ""],
    "ACK": ["maybe"],
    "DEFAULT_PROFILE": ["md5", ""],
    "DEFAULT_PREFIX": ["Acme", "", "a" * 33],
    "CONCURRENCY": ["0"],
    "DEFAULT_TIMEOUT": ["31s", "10", ""],
    "DEFAULT_RETRY": ["slowly", "1m,60", "8d", "", "quick,1m", ",".join(["1s"] * 21)],
    "LOG_LEVEL": ["loud"],
}


@pytest.mark.parametrize(
    ("name", "text"), [(name, text) for name, texts in WRONG.items() for text in texts]
)
def test_wrong_values_are_one_sentence(
    monkeypatch: pytest.MonkeyPatch, name: str, text: str
) -> None:
    """A wrong value stops the start with one line that begins with the setting's name."""
    monkeypatch.setenv(PREFIX + name, text)

    with pytest.raises(SettingsError) as refused:
        load()

    assert refused.value.detail.startswith(f"{PREFIX}{name}: ")
    assert "\n" not in refused.value.detail
    assert refused.value.exit_code == 78


def test_secrets_are_not_in_the_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is said about a wrong key does not show it; nor does the settings' own text."""
    monkeypatch.setenv("ONEHOOK_API_KEY", "shortsecret")
    with pytest.raises(SettingsError) as refused:
        load()
    assert "shortsecret" not in refused.value.detail

    monkeypatch.setenv("ONEHOOK_API_KEY", "a-long-enough-secret")
    monkeypatch.setenv("ONEHOOK_REDIS_URL", "redis://:hunter2@h")
    assert "long-enough" not in repr(load())
    assert "hunter2" not in repr(load())


@pytest.mark.parametrize(
    ("name", "nearest"),
    [
        ("ONEHOOK_PROT", "ONEHOOK_PORT"),
        ("ONEHOOK_DELIVERY_ALLOWED", "ONEHOOK_DELIVERY_ALLOW"),
        ("ONEHOOK_REDIS", "ONEHOOK_REDIS_URL"),
    ],
)
def test_unknown_names_stop_the_start(name: str, nearest: str) -> None:
    """A name that begins like ours and is none is refused with the nearest known one."""
    with pytest.raises(SettingsError, match=f"no setting {name}; did you mean {nearest}"):
        check_names({name: "1", "HOME": "/", "ONEHOOK": "x"})


def test_known_names_pass() -> None:
    """Every field is a name that may be set."""
    check_names({f"{PREFIX}{name.upper()}": "" for name in Settings.model_fields})


def test_a_kill_point_is_for_the_tests_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """``onehook serve`` refuses to start, and says whose setting it is."""
    monkeypatch.setenv("ONEHOOK_KILL_POINT", "before commit")

    with pytest.raises(SettingsError, match=r"ONEHOOK_KILL_POINT .* only onehook's own tests"):
        load()
