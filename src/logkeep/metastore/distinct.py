"""How many different names there were, in a kilobyte at most: exact for a few, an estimate for many. Pure.

    b""                    none
    0, then 4-byte hashes  up to EXACT_MAX of them, sorted
    1, then REGISTERS      HyperLogLog (Flajolet et al. 2007) over the same 32-bit hashes: 3 % off, two times in three

Sets of different days, partitions and processors join to what one set would have held. Own code because it is short:
the well-kept library (Apache DataSketches) brings numpy, 60 MB, into every process.
"""

import math
import sys
from array import array
from collections.abc import Iterable, Sequence
from functools import lru_cache
from hashlib import blake2b
from itertools import repeat

EXACT_MAX = 240
INDEX_BITS = 10
REGISTERS = 1 << INDEX_BITS
_RANK_BITS = 32 - INDEX_BITS
_NOBODY = -1
_RANK_ROOM = 64  # more than any rank
_ALPHA = 0.7213 / (1 + 1.079 / REGISTERS)


@lru_cache(100_000)
def hash_of(name: str) -> int:
    """32 bits, the same everywhere."""
    return int.from_bytes(blake2b(name.encode("utf-8", "surrogatepass"), digest_size=4).digest(), "little")


def joined(sketches: Iterable[bytes], hashes: Iterable[int] = ()) -> bytes:
    """The sketch of everything in `sketches`, and of `hashes`."""
    exact: set[int] = set(hashes)
    registers: bytes | None = None
    for sketch in sketches:
        if sketch[:1] == b"\x00":
            exact.update(_hashes(sketch))
        elif sketch:
            registers = sketch[1:] if registers is None else _higher(registers, sketch[1:])
    if registers is None and len(exact) <= EXACT_MAX:
        return _exact(exact)
    if exact:
        found = bytes(_highest(set(map(_register_of, exact))))
        registers = found if registers is None else _higher(registers, found)
    assert registers is not None
    return b"\x01" + registers


_TOP_BITS = int.from_bytes(b"\x80" * REGISTERS)


def _higher(one: bytes, other: bytes) -> bytes:
    """The higher of each two registers, all of them in a few operations on long integers: no rank has the top bit."""
    a, b = int.from_bytes(one), int.from_bytes(other)
    at_least = ((a | _TOP_BITS) - b) & _TOP_BITS  # the top bit of each register where a >= b
    mask = at_least - (at_least >> 7)
    return ((a & mask) | (b & ~mask)).to_bytes(REGISTERS)


def sketches_of(names: Sequence[str], groups: Iterable[Iterable[int]]) -> list[bytes]:
    """The sketch of each group of indexes into `names`; "" is nobody's name and counts nowhere."""
    hashes = [hash_of(name) if name else _NOBODY for name in names]
    registers = [_register_of(one) for one in hashes]
    found: list[bytes] = []
    for group in groups:
        own = set(map(registers.__getitem__, group))
        own.discard(_NOBODY)
        if len(own) <= EXACT_MAX:  # else there are more hashes too, for they are what tells registers apart
            exact = set(map(hashes.__getitem__, group))
            exact.discard(_NOBODY)
            if len(exact) <= EXACT_MAX:
                found.append(_exact(exact))
                continue
        found.append(b"\x01" + bytes(_highest(own)))
    return found


def _register_of(one: int) -> int:
    """Of a hash: the register it belongs to, in the bits above _RANK_ROOM, and the rank it brings."""
    if one == _NOBODY:
        return _NOBODY
    index, rest = one >> _RANK_BITS, one & ((1 << _RANK_BITS) - 1)
    return index * _RANK_ROOM + _RANK_BITS - rest.bit_length() + 1


def _highest(found: set[int]) -> Iterable[int]:
    """Each register's highest rank."""
    highest = dict(map(divmod, sorted(found), repeat(_RANK_ROOM)))  # of one register the last, so the highest, stays
    return map(highest.get, range(REGISTERS), repeat(0))


def without(sketch: bytes, hashes: Iterable[int]) -> bytes:
    """The sketch without these where it can be told who is in it; an estimate names nobody and stays."""
    if sketch[:1] != b"\x00":
        return sketch
    left = _hashes(sketch) - set(hashes)
    return _exact(left)


def count_of(sketch: bytes) -> int:
    if sketch[:1] != b"\x01":
        return len(sketch) // 4
    registers = sketch[1:]
    estimate = _ALPHA * REGISTERS * REGISTERS / sum(2.0**-register for register in registers)
    if estimate <= 2.5 * REGISTERS and (empty := registers.count(0)):
        estimate = REGISTERS * math.log(REGISTERS / empty)
    if estimate > (1 << 32) / 30:  # as hashes begin to collide
        estimate = -(2.0**32) * math.log(max(1e-9, 1 - estimate / 2**32))
    return round(estimate)


def _exact(hashes: set[int]) -> bytes:
    packed = array("I", sorted(hashes))
    if sys.byteorder == "big":
        packed.byteswap()
    return b"\x00" + packed.tobytes() if hashes else b""


def _hashes(sketch: bytes) -> set[int]:
    packed = array("I", sketch[1:])
    if sys.byteorder == "big":
        packed.byteswap()
    return set(packed)
