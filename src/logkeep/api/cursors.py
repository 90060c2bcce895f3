"""Places in lists, as the API hands them out: msgpack in URL-safe base64. Who gets one may change it."""

import base64
from typing import TypeVar

import msgspec

from logkeep.errors import InputError

CURSOR_CHARS_MAX = 4096  # ids and names are in them, of at most 1 KB

T = TypeVar("T", bound=msgspec.Struct)


def pack_cursor(cursor: msgspec.Struct) -> str:
    return base64.urlsafe_b64encode(msgspec.msgpack.encode(cursor)).rstrip(b"=").decode()


def unpack_cursor(text: str, kind: type[T]) -> T:
    """Of that type, and otherwise whatever was written into it. Raises InputError (code "bad_cursor")."""
    try:
        if len(text) > CURSOR_CHARS_MAX:
            raise ValueError
        packed = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
        return msgspec.msgpack.decode(packed, type=kind)
    except (ValueError, msgspec.MsgspecError) as error:  # binascii.Error is a ValueError
        raise InputError(
            "the cursor is none of ours; pass `next` of the page before unchanged", code="bad_cursor"
        ) from error
