"""Passwords of people, hashed with argon2id; the only module that knows argon2."""

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

SHORTEST = 8
LONGEST = 256
"""Characters; a longer one only costs time."""

# 19 MiB and two passes in one thread, as OWASP's Password Storage Cheat Sheet has it first: a few
# sign-ins at a time must not take the memory and the cores from the pictures.
_hasher = PasswordHasher(time_cost=2, memory_cost=19 * 1024, parallelism=1)
_NOBODY = _hasher.hash("nobody has this password")


def seal(password: str) -> str:
    """Hash a password with a salt of its own.

    Raises:
        ValueError: it is too short or too long.
    """
    if not SHORTEST <= len(password) <= LONGEST:
        raise ValueError(f"a password has from {SHORTEST} to {LONGEST} characters")
    return _hasher.hash(password)


def fits(password: str, sealed: str | None) -> bool:
    """Whether a password is the one that was sealed.

    None stands for a user there is not: that takes as long, so that times tell nobody who exists.
    """
    try:
        return _hasher.verify(sealed or _NOBODY, password[:LONGEST]) and sealed is not None
    except (VerificationError, InvalidHashError):
        return False
