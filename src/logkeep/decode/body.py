"""Bodies inflated, never beyond a bound: what comes out is measured while it comes out."""

from typing import Literal

import zstandard
from isal import isal_zlib
from isal.igzip_lib import IsalError

from logkeep.errors import InputError

Encoding = Literal["identity", "gzip", "deflate", "zstd"]
ENCODINGS: dict[str, Encoding] = {
    "": "identity",
    "identity": "identity",
    "gzip": "gzip",
    "x-gzip": "gzip",
    "deflate": "deflate",
    "zstd": "zstd",
}
MEMBERS_MAX = 64  # gzip members or zstd frames in one body: each costs a decoder and a copy of the rest
ZSTD_WINDOW_BYTES_MAX = 8 << 20  # RFC 9659: what a zstd sender over HTTP may ask a receiver to hold
# 1 KiB of zstd makes at most 32 MiB (a block of 4 bytes repeats one byte 128 KiB long): the overshoot of one step.
_ZSTD_STEP_BYTES = 1024
_SKIPPABLE = tuple(bytes((low, 0x2A, 0x4D, 0x18)) for low in range(0x50, 0x60))


def encoding_of(header: str) -> Encoding:
    """What a Content-Encoding header asks for. Raises InputError 415, also for stacked encodings."""
    encoding = ENCODINGS.get(header.strip().lower())
    if encoding is None:
        raise InputError(
            f"content-encoding {header.strip()[:64]!r} is not supported; use one of gzip, deflate, zstd, or none",
            code="unsupported_encoding",
            status=415,
        )
    return encoding


def inflate(body: bytes, encoding: Encoding, *, bytes_max: int) -> bytes:
    """The plain body, at most `bytes_max` bytes; the same object for identity.

    Lets go of the interpreter's lock while it works. Raises InputError: body_too_large (413; reading stopped there),
    bad_compression (400; damaged, cut off, or something behind the end).
    """
    if encoding == "identity":
        if len(body) > bytes_max:
            raise _too_large(bytes_max)
        return body
    if encoding == "gzip":
        return _inflate_members(body, 31, bytes_max)
    if encoding == "deflate":
        return _inflate_deflate(body, bytes_max)
    return _inflate_zstd(body, bytes_max)


def _too_large(bytes_max: int) -> InputError:
    return InputError(
        f"the body inflates to more than inflated_bytes_max {bytes_max:,}; send it in parts",
        code="body_too_large",
        status=413,
    )


def _bad(message: str) -> InputError:
    return InputError(message, code="bad_compression")


def _inflate_members(body: bytes, window_bits: int, bytes_max: int) -> bytes:
    """gzip is a sequence of members (RFC 1952 §2.2); zlib and raw deflate are one."""
    parts: list[bytes] = []
    size = 0
    for _ in range(MEMBERS_MAX if window_bits == 31 else 1):
        stream = isal_zlib.decompressobj(wbits=window_bits)
        try:
            part = stream.decompress(body, max_length=bytes_max - size + 1)
        except (IsalError, ValueError, OverflowError) as error:  # type: ignore[misc]
            raise _bad(f"the compressed body cannot be read: {error}") from error
        size += len(part)
        if size > bytes_max:
            raise _too_large(bytes_max)
        if not stream.eof:
            raise _bad(f"the compressed body is cut off after {len(body):,} bytes")
        parts.append(part)
        body = stream.unused_data
        if not body:
            return parts[0] if len(parts) == 1 else b"".join(parts)
    raise _bad(f"{len(body):,} bytes stand behind the end of the compressed body")


def _inflate_deflate(body: bytes, bytes_max: int) -> bytes:
    """HTTP's deflate is zlib (RFC 9110 §8.4.1.2), but some senders write it raw."""
    if len(body) < 2 or body[0] & 0x0F != 8 or int.from_bytes(body[:2], "big") % 31:
        return _inflate_members(body, -15, bytes_max)
    try:
        return _inflate_members(body, 15, bytes_max)
    except InputError as error:
        if error.status == 413:
            raise
        try:
            return _inflate_members(body, -15, bytes_max)  # raw, and its first bytes looked like zlib by chance
        except InputError:
            raise error from None


def _inflate_zstd(body: bytes, bytes_max: int) -> bytes:
    decompressor = zstandard.ZstdDecompressor(max_window_size=ZSTD_WINDOW_BYTES_MAX)
    try:
        known = zstandard.get_frame_parameters(body).content_size
    except zstandard.ZstdError as error:
        raise _bad(f"the zstd body cannot be read: {error}") from error
    if not body.startswith(_SKIPPABLE):
        # A size is what the frame says of itself: the decoder gives up where it is a lie.
        if known != zstandard.CONTENTSIZE_UNKNOWN and known > bytes_max:
            raise _too_large(bytes_max)
        try:
            return decompressor.decompress(body, max_output_size=bytes_max, allow_extra_data=False)
        except (zstandard.ZstdError, MemoryError):
            pass  # several frames, or larger than bytes_max, or damaged: step by step it shows
    return _inflate_zstd_frames(decompressor, body, bytes_max)


def _inflate_zstd_frames(decompressor: zstandard.ZstdDecompressor, body: bytes, bytes_max: int) -> bytes:
    parts: list[bytes] = []
    size = at = 0
    for _ in range(MEMBERS_MAX):
        if body.startswith(_SKIPPABLE, at):
            at += 8 + int.from_bytes(body[at + 4 : at + 8], "little")
            if at > len(body):
                raise _bad("the zstd body is cut off")
        elif at < len(body):
            stream = decompressor.decompressobj()
            while not stream.eof:
                step = body[at : at + _ZSTD_STEP_BYTES]
                if not step:
                    raise _bad(f"the zstd body is cut off after {len(body):,} bytes")
                try:
                    part = stream.decompress(step)
                except zstandard.ZstdError as error:
                    raise _bad(f"the zstd body cannot be read: {error}") from error
                at += len(step)
                size += len(part)
                if size > bytes_max:
                    raise _too_large(bytes_max)
                parts.append(part)
            at -= len(stream.unused_data)
        if at == len(body):
            return b"".join(parts)
    raise _bad(f"more than {MEMBERS_MAX} zstd frames in one body")
