"""Secrets at rest: encrypted, and bound to the object they belong to."""

import hmac
import os
from collections.abc import Sequence
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
    """Seals and opens secrets. The first key seals; every key opens (so keys can be rotated).

    Where the keys are those of the file *path*, they follow it: what it has now seals. One that
    it had before still opens, as long as this process lives: records that are in memory are
    sealed with it.
    """

    def __init__(self, keys: Sequence[bytes], path: Path | None = None) -> None:
        self._keys, self._path = tuple(keys), path
        self._earlier: tuple[bytes, ...] = ()
        self._stamp: tuple[int, int, int] | None = _stamp(path)
        self._fernet = MultiFernet([Fernet(key) for key in keys])

    def derive(self, purpose: str) -> list[bytes]:
        """A key for *purpose* from each of ours, the one in use last: for what is only signed.

        Every gateway with the same ``secret.key`` derives the same ones.
        """
        self._follow()
        return [hmac.digest(key, purpose.encode(), "sha256") for key in reversed(self._keys)]

    def seal(self, owner: str, text: str) -> str:
        """*text*, readable only with the key and only as *owner*'s."""
        self._follow()
        return self._fernet.encrypt(msgspec.json.encode([owner, text])).decode()

    def open(self, owner: str, sealed: str) -> str:
        """What was sealed for *owner*.

        Raises:
            SettingsError: another key sealed it, or it was another object's.
        """
        try:
            found_owner, text = msgspec.json.decode(self._decrypt(sealed), type=tuple[str, str])
        except (InvalidToken, msgspec.DecodeError):
            msg = (
                "the store's secrets were sealed with another key: put that secret.key back, or "
                "name its key, too, in ONEHOOK_SECRET_KEY"
            )
            raise SettingsError(msg) from None
        if found_owner != owner:
            msg = (
                f"a sealed secret of {owner} belongs to another object: the store was tampered with"
            )
            raise SettingsError(msg)
        return text

    def renew(self, owner: str, sealed: str) -> str:
        """*sealed* as it is if the first key sealed it, else sealed anew with that.

        Raises:
            SettingsError: as :meth:`open`.
        """
        text = self.open(owner, sealed)
        try:
            Fernet(self._keys[0]).decrypt(sealed)
        except InvalidToken:
            return self.seal(owner, text)
        return sealed

    def _decrypt(self, sealed: str) -> bytes:
        try:
            return self._fernet.decrypt(sealed.encode())
        except InvalidToken:  # with a key that has come into the file since
            if not self._follow():
                raise
            return self._fernet.decrypt(sealed.encode())

    def _follow(self) -> bool:
        """Take up the keys of the file if it has changed; whether they were."""
        stamp = _stamp(self._path)
        if self._path is None or stamp in (None, self._stamp):
            return False
        try:
            keys = read_keys(self._path)
        except SettingsError:  # what we have goes on to hold; the next start says it
            return False
        self._earlier = tuple(k for k in (*self._keys, *self._earlier) if k not in keys)
        self._keys, self._stamp = tuple(keys), stamp
        self._fernet = MultiFernet([Fernet(key) for key in (*self._keys, *self._earlier)])
        return True


def _stamp(path: Path | None) -> tuple[int, int, int] | None:
    """What tells one state of a file from the next; None: there is no such file."""
    try:
        found = None if path is None else path.stat()
    except OSError:
        return None
    return None if found is None else (found.st_ino, found.st_mtime_ns, found.st_size)


def load_sealer(path: Path) -> Sealer:
    """The sealer of the keys in *path*, one a line; a key is made if there is no file.

    Raises:
        SettingsError: the file is no list of keys.
    """
    if not path.exists():
        write_keys(path, [Fernet.generate_key()])
    return Sealer(read_keys(path), path)


def make_sealer(text: str) -> Sealer:
    """The sealer of the keys in *text*, with commas between them.

    Raises:
        SettingsError: one of them is none.
    """
    try:
        return Sealer(_checked(text.split(",")))
    except ValueError:
        msg = (
            "ONEHOOK_SECRET_KEY: write one key, or several with commas between them, the one "
            "that seals first; onehook secrets generate makes one"
        )
        raise SettingsError(msg) from None


def read_keys(path: Path) -> list[bytes]:
    """The keys in *path*, at least one.

    Raises:
        SettingsError: the file is no list of keys.
    """
    try:
        return _checked(path.read_text(encoding="ascii").split())
    except (ValueError, OSError):
        msg = f"{path} holds no usable key: restore it, or start with an empty data folder"
        raise SettingsError(msg) from None


def _checked(texts: Sequence[str]) -> list[bytes]:
    keys = [text.strip().encode("ascii") for text in texts]
    if not keys:
        msg = "there is no key"
        raise ValueError(msg)
    for key in keys:
        Fernet(key)  # raises ValueError where it is none
    return keys


def write_keys(path: Path, keys: Sequence[bytes]) -> None:
    """Write *keys* to *path*, one a line."""
    write_private(path, "".join(f"{key.decode()}\n" for key in keys))


def write_private(path: Path, text: str) -> None:
    """Write *path* for its owner alone; it appears whole or not at all, and is on disk then."""
    new = path.with_name(f"{path.name}.{os.getpid()}.new")
    descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    new.rename(path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:  # what is sealed with a new key is on disk at once, so the key's name has to be, too
        os.fsync(folder)
    finally:
        os.close(folder)
