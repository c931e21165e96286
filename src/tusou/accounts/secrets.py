"""Keys that the database alone does not give away: a key file, and digests of tokens."""

import base64
import hashlib
import hmac
import os
import secrets
from pathlib import Path

from cryptography.fernet import Fernet, InvalidToken


class Vault:
    """Encrypts application secrets with a key that lies beside the database, not in it."""

    def __init__(self, key_file: Path) -> None:
        self._path = key_file
        self._key = _read_or_make(key_file)
        try:
            self._fernet = Fernet(self._key)
        except ValueError:
            raise RuntimeError(
                f"{key_file} is damaged: it holds no key; put a copy of the right one back"
            ) from None

    def seal(self, text: str) -> bytes:
        """Encrypt."""
        return self._fernet.encrypt(text.encode())

    def derive(self, purpose: str, length: int) -> str:
        """Letters and digits that only this key file gives, the same each time."""
        mac = hmac.digest(self._key, purpose.encode(), "sha256")
        return base64.b32encode(mac).decode().lower()[:length]

    def open(self, sealed: bytes) -> str:
        """Decrypt.

        Raises:
            RuntimeError: the key file is not the one that encrypted it.
        """
        try:
            return self._fernet.decrypt(sealed).decode()
        except InvalidToken:
            raise RuntimeError(
                f"{self._path} is not the key file this database was written with: "
                "put the right one back, or give every application new keys"
            ) from None


def _read_or_make(path: Path) -> bytes:
    """Two processes that start together must end with the same key."""
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_name(f"{path.name}.{secrets.token_hex(4)}")
        descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(Fernet.generate_key())
            file.flush()
            os.fsync(file.fileno())
        try:
            os.link(part, path)  # fails where another process was first
        except FileExistsError:
            pass
        finally:
            part.unlink()
    return path.read_bytes()


def new_key(length: int) -> str:
    """Random letters and digits, as API and secret keys are."""
    alphabet = "ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz0123456789"
    return "".join(secrets.choice(alphabet) for _ in range(length))


def digest(token: str) -> bytes:
    """What is kept of a token; a random token needs no salt and no slow hash."""
    return hashlib.sha256(token.encode()).digest()
