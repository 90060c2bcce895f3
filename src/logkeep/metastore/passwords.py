"""Passwords as hashes: argon2id; those that an older Logkeep made with scrypt are still recognised.

argon2 is loaded where a password is looked at, not in receivers.
"""

import hashlib
import hmac
from functools import cache
from typing import TYPE_CHECKING

from logkeep.errors import InputError

if TYPE_CHECKING:
    from argon2 import PasswordHasher

CHARS_MIN, CHARS_MAX = 10, 1024  # the longest is hashed in no time; it bounds the request
# RFC 9106 and OWASP's cheat sheet: 46 MiB once, one lane; 0.08 s a try on a core of 2026, and two run at a time.
MEMORY_KIB, PASSES, LANES = 47_104, 1, 1
# The hash of a random text nobody knows: looked at for people who do not exist, so that the time tells nothing.
NOBODY = "$argon2id$v=19$m=47104,t=1,p=1$OhKlzW44ns+xateCT5zHNg$cXZ72bHrNnw1sMSH2DDgnWsBRPFs8E5N2zdjLyymFFo"
# Of the hashes of older ones: scrypt n=2**14, r=8, p=1.
_SCRYPT_N, _SCRYPT_R, _SCRYPT_P = 2**14, 8, 1


def hashed_password(password: str) -> str:
    """Slow on purpose."""
    return _hasher().hash(_bytes(password))


def is_password(password: str, kept: str) -> bool:
    """Slow on purpose. kept: a hash; "" for a person who has no password, whom none fits."""
    from argon2.exceptions import Argon2Error, InvalidHashError

    if len(password) > CHARS_MAX:
        return False
    if kept.startswith("scrypt$"):
        _, salt, _ = kept.split("$")
        return hmac.compare_digest(_scrypt(password, bytes.fromhex(salt)), kept)
    try:
        return _hasher().verify(kept or NOBODY, _bytes(password)) and bool(kept)
    except (Argon2Error, InvalidHashError):
        return False


def is_outdated(kept: str) -> bool:
    """Whether it is to be made anew while the password is at hand."""
    return not kept.startswith("$argon2id$") or _hasher().check_needs_rehash(kept)


def refuse_weak(password: str, email: str) -> None:
    """Raises InputError. Length is what counts (NIST SP 800-63B); rules about signs make passwords worse."""
    if not CHARS_MIN <= len(password) <= CHARS_MAX:
        raise InputError(
            f"a password of {len(password):,} characters; {CHARS_MIN} to {CHARS_MAX:,} are needed; a sentence is good",
            code="weak_password",
        )
    if len(set(password)) < 4 or password.strip().lower() in (email, email.partition("@")[0]):
        raise InputError("this password is easily guessed; take another, such as a sentence", code="weak_password")


def scrypt_hash_of(salt: str, scrypt: str) -> str:
    """As an older Logkeep kept them. salt, scrypt: hex."""
    return f"scrypt${salt}${scrypt}"


def _scrypt(password: str, salt: bytes) -> str:
    key = hashlib.scrypt(_bytes(password), salt=salt, n=_SCRYPT_N, r=_SCRYPT_R, p=_SCRYPT_P)
    return scrypt_hash_of(salt.hex(), key.hex())


def _bytes(password: str) -> bytes:
    return password.encode("utf-8", "surrogatepass")


@cache
def _hasher() -> "PasswordHasher":
    from argon2 import PasswordHasher

    return PasswordHasher(time_cost=PASSES, memory_cost=MEMORY_KIB, parallelism=LANES)
