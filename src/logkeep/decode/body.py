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
    """zstd is a sequence of frames (RFC 8878 §3). Their ends are found first: the decoder itself says nothing when it
    leaves something behind a frame of unknown or of no size."""
    decompressor = zstandard.ZstdDecompressor(max_window_size=ZSTD_WINDOW_BYTES_MAX)
    parts: list[bytes] = []
    size = start = 0
    for _ in range(MEMBERS_MAX):
        end = _zstd_frame_end(body, start)
        if not body.startswith(_SKIPPABLE, start):
            frame = body if end - start == len(body) else body[start:end]
            part = _inflate_zstd_frame(decompressor, frame, bytes_max - size, bytes_max)
            size += len(part)
            parts.append(part)
        start = end
        if start == len(body):
            return parts[0] if len(parts) == 1 else b"".join(parts)
    raise _bad(f"more than {MEMBERS_MAX} zstd frames in one body")


def _inflate_zstd_frame(decompressor: zstandard.ZstdDecompressor, frame: bytes, room: int, bytes_max: int) -> bytes:
    """room: what the frames before it have left of `bytes_max`."""
    try:
        known = zstandard.get_frame_parameters(frame).content_size
        # A size is what the frame says of itself: the decoder gives up where it is a lie.
        if known != zstandard.CONTENTSIZE_UNKNOWN and known > room:
            raise _too_large(bytes_max)
        return decompressor.decompress(frame, max_output_size=room or 1) if known else b""
    except zstandard.ZstdError as error:
        if _makes_more(decompressor, frame, room):
            raise _too_large(bytes_max) from None
        raise _bad(f"the zstd body cannot be read: {error}") from error


def _makes_more(decompressor: zstandard.ZstdDecompressor, frame: bytes, bytes_max: int) -> bool:
    """Whether the frame was good until it became too large."""
    try:
        return len(decompressor.stream_reader(frame).read(bytes_max + 1)) > bytes_max
    except zstandard.ZstdError:
        return False


def _zstd_frame_end(body: bytes, start: int) -> int:
    """Where the frame at `start` ends, from the lengths its blocks give. Raises InputError."""
    if body.startswith(_SKIPPABLE, start):
        end = start + 8 + int.from_bytes(body[start + 4 : start + 8], "little")
    else:
        head = body[start : start + 18]  # the longest frame header there is
        try:
            has_checksum = zstandard.get_frame_parameters(head).has_checksum
            end = start + zstandard.frame_header_size(head)
        except zstandard.ZstdError as error:
            raise _bad(f"the zstd body cannot be read: {error}") from error
        last = 0
        while not last and end + 3 <= len(body):
            block = int.from_bytes(body[end : end + 3], "little")
            last = block & 1
            end += 3 + (1 if block >> 1 & 3 == 1 else block >> 3)  # a block of type 1 is one byte, repeated
        end += 4 if has_checksum else 0
        if not last:
            end = len(body) + 1
    if end > len(body):
        raise _bad(f"the zstd body is cut off after {len(body):,} bytes")
    return end
