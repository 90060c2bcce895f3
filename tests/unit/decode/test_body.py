"""Bodies inflated within bounds."""

import gzip
import zlib

import pytest
import zstandard

from logkeep.decode.body import Encoding, encoding_of, inflate
from logkeep.errors import InputError

PLAIN = b'{"session":"s","key":"k","value":1}\n' * 1000


def raw_deflate(data: bytes) -> bytes:
    stream = zlib.compressobj(wbits=-15)
    return stream.compress(data) + stream.flush()


def zstd_without_size(data: bytes) -> bytes:
    stream = zstandard.ZstdCompressor().compressobj()
    return stream.compress(data) + stream.flush()


COMPRESSED: list[tuple[Encoding, bytes]] = [
    ("gzip", gzip.compress(PLAIN)),
    ("gzip", gzip.compress(PLAIN[:5000]) + gzip.compress(PLAIN[5000:])),
    ("deflate", zlib.compress(PLAIN)),
    ("deflate", raw_deflate(PLAIN)),
    ("zstd", zstandard.compress(PLAIN)),
    ("zstd", zstd_without_size(PLAIN)),
    ("zstd", zstandard.compress(PLAIN[:5000]) + zstd_without_size(PLAIN[5000:])),
    ("zstd", b"\x50\x2a\x4d\x18\x03\0\0\0abc" + zstandard.compress(PLAIN) + b"\x5f\x2a\x4d\x18\0\0\0\0"),
]


@pytest.mark.parametrize(("encoding", "body"), COMPRESSED)
def test_what_was_compressed_comes_back(encoding: Encoding, body: bytes) -> None:
    assert inflate(body, encoding, bytes_max=len(PLAIN)) == PLAIN


@pytest.mark.parametrize(("encoding", "body"), [*COMPRESSED, ("identity", PLAIN)])
def test_one_byte_too_many_is_refused(encoding: Encoding, body: bytes) -> None:
    with pytest.raises(InputError) as caught:
        inflate(body, encoding, bytes_max=len(PLAIN) - 1)
    assert (caught.value.status, caught.value.code) == (413, "body_too_large")


@pytest.mark.parametrize(("encoding", "body"), COMPRESSED)
def test_a_body_cut_off_anywhere_is_refused(encoding: Encoding, body: bytes) -> None:
    last = len(body) - 8 if body.endswith(b"\0\0\0\0") else len(body)  # a whole frame and no more is whole
    cuts = [cut for cut in range(0, len(body), max(1, len(body) // 50)) if cut < last]
    for cut in [*cuts, last - 1]:
        try:
            got = inflate(body[:cut], encoding, bytes_max=1 << 20)
        except InputError as error:
            assert (error.status, error.code) == (400, "bad_compression")
        else:
            assert got in (b"", PLAIN[:5000]), cut  # between two members or frames there is no telling


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "zstd"])
@pytest.mark.parametrize(
    "body", [b"", b"x", b"this is no compressed body", b"\0" * 100, b"\x1f\x8b", b"\x28\xb5\x2f\xfd"]
)
def test_junk_is_refused(encoding: Encoding, body: bytes) -> None:
    with pytest.raises(InputError) as caught:
        inflate(body, encoding, bytes_max=1 << 20)
    assert (caught.value.status, caught.value.code) == (400, "bad_compression")


@pytest.mark.parametrize(("encoding", "body"), COMPRESSED)
def test_something_behind_the_end_is_refused(encoding: Encoding, body: bytes) -> None:
    with pytest.raises(InputError) as caught:
        inflate(body + b"more", encoding, bytes_max=1 << 20)
    assert caught.value.status == 400


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "zstd"])
def test_a_bomb_is_stopped_at_the_limit(encoding: Encoding) -> None:
    zeros = bytes(16 << 20)
    bomb = {"gzip": gzip.compress(zeros, 6), "deflate": zlib.compress(zeros), "zstd": zstd_without_size(zeros)}[
        encoding
    ]
    assert len(bomb) < 1 << 20
    with pytest.raises(InputError) as caught:
        inflate(bomb, encoding, bytes_max=1 << 20)
    assert caught.value.status == 413


def test_many_members_are_not_worked_through() -> None:
    with pytest.raises(InputError) as caught:
        inflate(gzip.compress(b"") * 65, "gzip", bytes_max=1 << 20)
    assert caught.value.code == "bad_compression"
    assert inflate(zstandard.compress(b"") * 64, "zstd", bytes_max=1) == b""
    with pytest.raises(InputError) as caught:
        inflate(zstandard.compress(b"") * 65, "zstd", bytes_max=1 << 20)
    assert caught.value.code == "bad_compression"


def test_a_zstd_frame_that_lies_about_its_size_costs_no_memory() -> None:
    lie = b"\x28\xb5\x2f\xfd\xe0" + (1 << 40).to_bytes(8, "little") + b"\1\0\0"
    with pytest.raises(InputError) as caught:
        inflate(lie, "zstd", bytes_max=1 << 20)
    assert caught.value.status == 413


def test_a_zstd_window_larger_than_http_allows_is_refused() -> None:
    parameters = zstandard.ZstdCompressionParameters(window_log=27)
    stream = zstandard.ZstdCompressor(compression_params=parameters).compressobj()
    with pytest.raises(InputError) as caught:
        inflate(stream.compress(PLAIN) + stream.flush(), "zstd", bytes_max=1 << 20)
    assert caught.value.code == "bad_compression"


@pytest.mark.parametrize(
    ("header", "encoding"),
    [("", "identity"), ("identity", "identity"), (" GZIP ", "gzip"), ("x-gzip", "gzip"), ("zstd", "zstd")],
)
def test_encodings_are_told_by_their_names(header: str, encoding: str) -> None:
    assert encoding_of(header) == encoding


@pytest.mark.parametrize("header", ["br", "gzip, gzip", "gzip,zstd", "gzip;q=1", "\x00"])
def test_other_and_stacked_encodings_are_refused(header: str) -> None:
    with pytest.raises(InputError) as caught:
        encoding_of(header)
    assert (caught.value.status, caught.value.code) == (415, "unsupported_encoding")
