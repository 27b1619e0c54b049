"""Secrets at rest."""

from pathlib import Path

import pytest
from cryptography.fernet import Fernet

from onehook.errors import SettingsError
from onehook.store.sealing import Sealer, load_sealer, write_private


def test_what_was_sealed_is_opened_by_its_owner() -> None:
    """A sealed secret comes back for its owner, and shows nothing of itself."""
    sealer = Sealer([Fernet.generate_key()])

    sealed = sealer.seal("int_1", "the secret ✓")

    assert sealer.open("int_1", sealed) == "the secret ✓"
    assert "secret" not in sealed


def test_h1_secret_of_another_object_is_refused() -> None:
    """A secret that was moved to another object is not opened there."""
    sealer = Sealer([Fernet.generate_key()])

    with pytest.raises(SettingsError, match="belongs to another object"):
        sealer.open("int_2", sealer.seal("int_1", "the secret"))


@pytest.mark.parametrize("sealed", ["", "garbage", "gAAAAA==", "ünicode"])
def test_h1_what_was_never_sealed_is_refused(sealed: str) -> None:
    """Text that no key sealed is refused as a matter of settings."""
    with pytest.raises(SettingsError, match=r"secret\.key"):
        Sealer([Fernet.generate_key()]).open("int_1", sealed)


def test_older_keys_still_open() -> None:
    """After a rotation of the key what the older one sealed is still opened."""
    old, new = Fernet.generate_key(), Fernet.generate_key()
    sealed = Sealer([old]).seal("int_1", "x")

    assert Sealer([new, old]).open("int_1", sealed) == "x"
    with pytest.raises(SettingsError):
        Sealer([new]).open("int_1", sealed)


def test_key_file_is_made_once_for_its_owner_alone(tmp_path: Path) -> None:
    """The first start makes the key file with mode 600; the next one uses it."""
    path = tmp_path / "secret.key"

    sealed = load_sealer(path).seal("a", "b")

    assert load_sealer(path).open("a", sealed) == "b"
    assert path.stat().st_mode & 0o777 == 0o600
    assert [one.name for one in tmp_path.iterdir()] == ["secret.key"]


@pytest.mark.parametrize("text", ["", "no key\n", "AAAA\n", "\xff"])
def test_broken_key_file_is_refused(tmp_path: Path, text: str) -> None:
    """A key file that holds no key stops the start; it is not replaced."""
    path = tmp_path / "secret.key"
    path.write_text(text, encoding="latin-1")

    with pytest.raises(SettingsError, match=r"secret\.key"):
        load_sealer(path)
    assert path.read_text(encoding="latin-1") == text


def test_private_files_replace_whole(tmp_path: Path) -> None:
    """A file is replaced whole, with mode 600 whatever the old one had."""
    path = tmp_path / "api-key"
    path.write_text("old")
    path.chmod(0o644)

    write_private(path, "new")

    assert path.read_text() == "new"
    assert path.stat().st_mode & 0o777 == 0o600


def test_derived_keys_follow_from_the_file_alone(tmp_path: Path) -> None:
    """Two gateways with one ``secret.key`` derive the same; each purpose has its own, new last."""
    first, second = Fernet.generate_key(), Fernet.generate_key()
    old, both = Sealer([first]), Sealer([second, first])
    assert old.derive("console") == Sealer([first]).derive("console")
    assert old.derive("console") != old.derive("other")
    assert both.derive("console")[0] == old.derive("console")[0]
    assert both.derive("console")[-1] == Sealer([second]).derive("console")[0]
    assert first not in old.derive("console")
