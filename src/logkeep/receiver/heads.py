"""Which headers of a request are read."""

from logkeep.receiver.configured import CONFIG, DEVICE, USER, VERSION

_READ = (
    b"Authorization", b"X-Logkeep-Key", b"Content-Length", b"Content-Encoding", b"Transfer-Encoding", b"Expect",
    b"Idempotency-Key", b"Connection", b"Upgrade", b"X-Forwarded-For", b"X-Logkeep-Device", b"X-Logkeep-Config",
    b"X-Logkeep-User", b"X-Logkeep-Version", b"If-None-Match", b"Origin",
)  # fmt: skip
# Of a request that says nothing but whose events follow and how many bytes of them.
PLAIN = frozenset(
    (
        b"authorization", b"x-logkeep-key", b"content-length", b"x-forwarded-for", b"origin",
        DEVICE, CONFIG, USER, VERSION,
    )
)  # fmt: skip
_USUAL = (b"Host", b"User-Agent", b"Accept", b"Accept-Encoding", b"Content-Type", b"Referer")
# Header names as they are usually written → the name in lower case, b"" for those nobody reads here. Others are looked
# up in lower case.
HEADERS = {name: name.lower() for name in _READ} | {name.lower(): name.lower() for name in _READ}
HEADERS |= dict.fromkeys(_USUAL, b"") | {name.lower(): b"" for name in _USUAL}
