"""Secrets at rest: encrypted, and bound to the object they belong to."""

import hmac
import os
from datetime import datetime
from pathlib import Path

import msgspec
from cryptography.fernet import Fernet, InvalidToken, MultiFernet

from onehook.errors import SettingsError


class SealedSecret(msgspec.Struct):
    """A secret as it lies in the store; an older one ends at *expires_at*."""

    sealed: str
    expires_at: datetime | None = None


class Sealer:
    """Seals and opens secrets. The first key seals; every key opens (so keys can be rotated)."""

    def __init__(self, keys: list[bytes]) -> None:
        self._fernet = MultiFernet([Fernet(key) for key in keys])
        self._keys = tuple(keys)

    def derive(self, purpose: str) -> list[bytes]:
        """A key for *purpose* from each of ours, the one in use last: for what is only signed.

        Every gateway with the same ``secret.key`` derives the same ones.
        """
        return [hmac.digest(key, purpose.encode(), "sha256") for key in reversed(self._keys)]

    def seal(self, owner: str, text: str) -> str:
        """*text*, readable only with the key and only as *owner*'s."""
        return self._fernet.encrypt(msgspec.json.encode([owner, text])).decode()

    def open(self, owner: str, sealed: str) -> str:
        """What was sealed for *owner*.

        Raises:
            SettingsError: another key sealed it, or it was another object's.
        """
        try:
            found_owner, text = msgspec.json.decode(
                self._fernet.decrypt(sealed.encode()), type=tuple[str, str]
            )
        except (InvalidToken, msgspec.DecodeError):
            msg = "the store's secrets were sealed with another secret.key: put that one back"
            raise SettingsError(msg) from None
        if found_owner != owner:
            msg = (
                f"a sealed secret of {owner} belongs to another object: the store was tampered with"
            )
            raise SettingsError(msg)
        return text


def load_sealer(path: Path) -> Sealer:
    """The sealer of the keys in *path*, one a line; a key is made if there is no file.

    Raises:
        SettingsError: the file is no list of keys.
    """
    if not path.exists():
        write_private(path, Fernet.generate_key().decode() + "\n")
    try:
        lines = path.read_text(encoding="ascii").split()
        return Sealer([line.encode() for line in lines])
    except (ValueError, OSError):
        msg = f"{path} holds no usable key: restore it, or start with an empty data folder"
        raise SettingsError(msg) from None


def write_private(path: Path, text: str) -> None:
    """Write *path* for its owner alone; it appears whole or not at all."""
    new = path.with_name(f"{path.name}.{os.getpid()}.new")
    descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    new.rename(path)
