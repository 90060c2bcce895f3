"""What a made-up shop's components write: message templates, and the pools that fill their placeholders.

A template is JSON text with `<name>` where a pool's value stands. It is made to behave like real logs where it matters
to a store: few shapes with many fillings, words by Zipf's law with a long rare tail, unique ids beside values that
repeat, one event in eight an error and a few of those with a stack trace, numbers and JSON beside text.
"""
# A message a line and lists of words as text read best, long or not:
# ruff: noqa: E501, SIM905

import json
import random
from collections.abc import Callable

import msgspec

POOL_VALUES = 4096  # fillings of a placeholder; combined anew by chance in each block
PHRASES = 16_384
VOCABULARY_WORDS = 12_000


class Template(msgspec.Struct, frozen=True):
    """One message. value: text; or JSON text after a leading "=". attributes: members of a JSON object."""

    weight: float
    component: str
    level: str
    key: str
    value: str
    attributes: str = ""


_PLACE = '"host":"<host>","region":"eu-central-1","build":"<version>","pod":"<package>-<version>-<short>","logger":"com.shop.<package>.<Class>"'
_HTTP = (
    '"method":"<method>","status":<status>,"bytes":<size>,"trace":"<id>","agent":"<agent>","upstream_ms":<ms>,' + _PLACE
)
_TRACE = '"trace":"<id>",' + _PLACE + ',"thread":"<thread>","version":"<version>"'
_SQL = '"table":"<table>","rows":<count>,"trace":"<id>",' + _PLACE + ',"pid":<line>'

_JAVA_STACK = """<exception>: <phrase>
	at com.shop.<package>.<Class>.<call>(<Class>.java:<line>)
	at com.shop.<package>.<Class>$Worker.execute(<Class>.java:<count>)
	at com.shop.common.retry.RetryTemplate.doExecute(RetryTemplate.java:329)
	at com.shop.common.retry.RetryTemplate.execute(RetryTemplate.java:209)
	at org.springframework.aop.framework.ReflectiveMethodInvocation.proceed(ReflectiveMethodInvocation.java:186)
	at java.base/java.util.concurrent.ThreadPoolExecutor.runWorker(ThreadPoolExecutor.java:1136)
	at java.base/java.lang.Thread.run(Thread.java:840)
Caused by: java.net.SocketTimeoutException: Read timed out after <ms> ms from <ip>:<port>
	at java.base/sun.nio.ch.NioSocketImpl.timedRead(NioSocketImpl.java:288)
	... <small> more"""

_PYTHON_STACK = """Traceback (most recent call last):
  File "/srv/app/<package>/handlers.py", line <line>, in <call>
    result = await self.<package>.<call>(order_id="<short>", timeout=<small>)
  File "/srv/app/common/client.py", line <count>, in request
    raise UpstreamError(response.status, response.reason)
common.errors.UpstreamError: <status> from http://<host>:<port><path>: <phrase>"""

_BROWSER_STACK = """TypeError: Cannot read properties of undefined (reading '<call>')
    at <Class>.render (https://shop.example/assets/<package>-<short>.js:<small>:<line>)
    at commitRoot (https://shop.example/assets/vendor-<short>.js:2:<line>)
    at performWork (https://shop.example/assets/vendor-<short>.js:2:<count>)"""

TEMPLATES = (
    Template(90, "gateway", "info", "request", "<method> <path>?ref=<word>&page=<small> <status> in <ms> ms from <ip>, <size> bytes, upstream <host>:<port>", _HTTP),
    Template(25, "gateway", "info", "latency_ms", "=<ms>", _HTTP + ',"path":"<path>"'),
    Template(14, "gateway", "warn", "slow_request", "<method> <path> took <ms> ms, over the limit of <count> ms: <phrase>", _HTTP),
    Template(9, "gateway", "error", "upstream_failed", "upstream <host>:<port> answered <status> for <method> <path> after <ms> ms: <phrase>; retrying on the next peer", _HTTP),
    Template(3, "gateway", "warn", "rate_limited", "client <ip> sent <count> requests in <small> s, over its limit; answered 429 for <path>", _HTTP),
    Template(40, "web", "info", "page_view", "https://shop.example<path>?utm_source=<word>&session=<short>", '"agent":"<agent>","country":"<country>","referrer":"https://<word>.example<path>","viewport":"<count>x<line>","trace":"<id>"'),
    Template(18, "web", "debug", "web_vitals", '={"lcp_ms":<ms>,"inp_ms":<small>,"cls":<ratio>,"path":"<path>","connection":"<network>","country":"<country>"}', '"agent":"<agent>","version":"<version>","trace":"<id>"'),
    Template(5, "web", "error", "javascript_error", _BROWSER_STACK, '"agent":"<agent>","country":"<country>","version":"<version>","path":"<path>"'),
    Template(30, "mobile-app", "info", "screen", "<Class>Screen opened from <word> after <ms> ms, battery <small> %, network <network>", '"agent":"<agent>","version":"<version>","country":"<country>","foreground":true,"trace":"<id>"'),
    Template(12, "mobile-app", "debug", "sync", "synchronised <count> records of <table> in <ms> ms, <small> conflicts, <phrase>", '"version":"<version>","network":"<network>","bytes":<size>,"country":"<country>","trace":"<id>"'),
    Template(4, "mobile-app", "error", "crash", _JAVA_STACK, '"version":"<version>","agent":"<agent>","free_bytes":<size>'),
    Template(35, "auth", "info", "sign_in", "user <email> signed in from <ip> (<country>) with <word>, second factor after <ms> ms", '"ip":"<ip>","country":"<country>","agent":"<agent>","trace":"<id>"'),
    Template(9, "auth", "warn", "sign_in_failed", "sign-in of <email> from <ip> refused: <phrase> (attempt <small>)", '"ip":"<ip>","country":"<country>","agent":"<agent>","trace":"<id>"'),
    Template(20, "auth", "debug", "token", "issued token <short> for scope <word>:<word>, valid <count> s, key id <short>", _TRACE),
    Template(38, "cart", "info", "item_added", "added <small> x <sku> at <amount> to cart <short>; now <count> items, total <amount> EUR", '"sku":"<sku>","price":<amount>,"quantity":<small>,"currency":"EUR","trace":"<id>","host":"<host>"'),
    Template(14, "cart", "info", "total", "=<amount>", '"currency":"EUR","items":<small>,"coupon":"<word>-<short>",' + _TRACE),
    Template(10, "cart", "info", "state", '={"cart":"<short>","items":[{"sku":"<sku>","quantity":<small>,"price":<amount>},{"sku":"<sku>","quantity":1,"price":<amount>}],"coupon":null,"total":<amount>,"valid":true}', _TRACE),
    Template(34, "checkout", "info", "order_placed", "order <short> placed: <small> items for <amount> EUR, paid by <word>, ships to <country> by <word> within <small> days", '"order":"<short>","amount":<amount>,"currency":"EUR","country":"<country>",' + _TRACE),
    Template(8, "checkout", "warn", "retry", "payment provider <host> did not answer in <ms> ms, attempt <small> for order <short>: <phrase>", _TRACE),
    Template(6, "checkout", "error", "order_failed", _JAVA_STACK, '"order":"<short>","amount":<amount>,' + _TRACE),
    Template(24, "payment", "info", "authorised", "authorised <amount> EUR for order <short> with card ending <port> at <host>, code <short>, took <ms> ms", '"amount":<amount>,"currency":"EUR","provider":"<word>",' + _TRACE),
    Template(5, "payment", "error", "declined", "provider declined <amount> EUR for order <short>: <phrase> (code <status>, request <id>)", '"amount":<amount>,"provider":"<word>",' + _TRACE),
    Template(22, "inventory", "debug", "stock", "=<count>", '"sku":"<sku>","warehouse":"<country>-<small>","reserved":<small>,' + _TRACE),
    Template(16, "inventory", "info", "reserved", "reserved <small> of <sku> in warehouse <country>-<small> for order <short>, <count> left; <phrase>", _TRACE),
    Template(5, "inventory", "warn", "low_stock", "only <small> of <sku> left in <country>-<small>, below the threshold of <count>: <phrase>", _TRACE),
    Template(40, "orders-db", "debug", "query", "SELECT * FROM <table> WHERE order_id = '<short>' AND state IN ('<word>', '<word>') ORDER BY created LIMIT <count>; <ms> ms, <count> rows", _SQL),
    Template(7, "orders-db", "warn", "slow_query", "UPDATE <table> SET state = '<word>', changed = now() WHERE id = '<id>' took <ms> ms, waited <count> ms for a lock held by <short>", _SQL),
    Template(2, "orders-db", "error", "deadlock", "deadlock on <table>: transaction <short> waits for <short>; rolled back after <ms> ms, <phrase>", _SQL),
    Template(18, "search", "info", "search", "query '<phrase>' found <count> products in <ms> ms, page <small>, sorted by <word>", '"hits":<count>,"took_ms":<ms>,"country":"<country>",' + _TRACE),
    Template(12, "recommender", "debug", "scores", '={"model":"<word>-<version>","took_ms":<ms>,"scores":[<ratio>,<ratio>,<ratio>],"best":"<sku>","features":{"country":"<country>","visits":<small>}}', _TRACE),
    Template(16, "shipping", "info", "parcel", "parcel <id> of order <short> handed to <word> in <country>, weight <amount> kg, expected in <small> days, <phrase>", _TRACE),
    Template(3, "shipping", "error", "label_failed", _PYTHON_STACK, _TRACE),
    Template(14, "mailer", "info", "mail_sent", "sent '<phrase>' to <email> by <host> in <ms> ms, <size> bytes, message id <id>", '"template":"<word>","country":"<country>","host":"<host>"'),
    Template(3, "mailer", "error", "bounced", "mail to <email> bounced with <status>: <phrase>; attempt <small>, next in <count> s", '"template":"<word>","host":"<host>","trace":"<id>"'),
    Template(20, "worker", "info", "job_done", "job <id> of queue <table> done in <ms> ms after <small> attempts: <phrase>", _TRACE),
    Template(5, "worker", "error", "job_failed", _PYTHON_STACK, '"job":"<id>","attempt":<small>,"queue":"<table>"'),
    Template(16, "cache", "trace", "lookup", "GET <table>:<short>:<word> hit=<flag> in <small> us, <size> bytes, ttl <count> s, shard <small>", '"hit":<flag>,"host":"<host>","trace":"<id>"'),
    Template(10, "scheduler", "debug", "tick", "run <short> of <table>.<call> planned for <count> s from now, drift <ratio> s, last <ms> ms; <phrase>", _TRACE),
    Template(8, "feature-flags", "info", "flag", "=<flag>", '"flag":"<word>-<word>","rule":<small>,"country":"<country>",' + _TRACE),
    Template(10, "kubelet", "info", "probe", "probe of pod <table>-<short> on <ip>:<port> answered <status> in <ms> ms, restarts <small>, image <word>:<version>", '"node":"<host>","pod":"<table>-<short>"'),
    Template(3, "kubelet", "warn", "evicted", "evicted pod <table>-<short> on <host>: memory <size> over limit, <phrase>", '"node":"<host>","pod":"<table>-<short>"'),
    Template(8, "iot-terminal", "info", "temperature", "=<amount>", '"sensor":"<short>","firmware":"<version>","site":"<country>-<small>","battery":<small>,"signal":-<small>'),
    Template(5, "iot-terminal", "warn", "offline", "terminal <short> at <country>-<small> silent for <count> s, last address <ip>, firmware <version>, <phrase>", '"site":"<country>-<small>","host":"<host>"'),
    Template(0.4, "payment", "fatal", "ledger_mismatch", "ledger mismatch of <amount> EUR between <host> and <host> for batch <id>: <phrase>; payments halted", _TRACE),
    Template(0.05, "orders-db", "fatal", "checksum_mismatch", "checksum mismatch in segment <short> at offset <size> of <table>: expected <id>; quarantined", _SQL),
)  # fmt: skip

_COMMON_WORDS = (
    "timeout connection refused user request order failed payment retry cache session token expired invalid missing "
    "response server client database primary replica pool exhausted lock wait slow queue full message delivered "
    "accepted rejected limit exceeded memory disk network unreachable host closed reset peer certificate handshake "
    "signature mismatch version upgrade rollback deploy config reload started stopped ready health check passed worker "
    "thread blocked deadlock transaction commit abort partial batch chunk offset partition leader election follower "
    "lag stream broken pipe address in use permission denied not found already exists duplicate conflict stale update "
    "delete insert select index scan table row column schema migration backup restore archive cold warm hot shard "
    "balance card bank transfer refund invoice customer basket coupon discount price tax currency shipping label "
    "parcel address country region warehouse stock reserved released sold out product category search result page "
    "image upload download preview render template locale translation mail bounce spam verify password reset login "
    "logout second factor device mobile tablet browser desktop terminal sensor signal battery firmware sync offline"
).split()
_SYLLABLES = "ba be bi bo da de di do fa fi ga go ka ke ko la le lo ma me mi mo na ne no pa po ra re ri ro sa se si so ta te ti to va ve vo za zo".split()
_EXCEPTIONS = "java.lang.IllegalStateException java.lang.NullPointerException java.io.IOException com.shop.common.RetryExhaustedException java.util.concurrent.TimeoutException org.postgresql.util.PSQLException".split()
_CLASSES = "OrderService CartController PaymentClient StockRepository SessionFilter InvoiceMailer SearchIndexer ParcelTracker".split()
_CALLS = "place authorise reserve load store refresh render track verify settle".split()
_TABLES = "orders order_lines payments customers sessions stock parcels invoices products prices events coupons".split()
_PATHS = "/ /cart /cart/items /checkout /checkout/pay /login /account /account/orders /search /products /api/v2/orders /api/v2/stock /api/v2/prices /static/app.js /help/returns".split()
_COUNTRIES = "DE FR NL AT CH PL SE DK IT ES GB US CA BR JP AU".split()
_AGENTS = (
    "Mozilla/5.0 (X11; Linux x86_64) Firefox/142.0",
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) Chrome/141.0 Safari/537.36",
    "Mozilla/5.0 (iPhone; CPU iPhone OS 19_0 like Mac OS X) Safari/604.1",
    "Mozilla/5.0 (Linux; Android 16; Pixel 10) Chrome/141.0 Mobile",
    "shop-android/8.4.1 okhttp/5.1",
    "shop-ios/8.4.0 CFNetwork/1600",
)


def vocabulary(chance: random.Random) -> list[str]:
    """VOCABULARY_WORDS words, the most frequent first: those of real logs, then invented ones."""
    words = list(dict.fromkeys(_COMMON_WORDS))
    known = set(words)
    while len(words) < VOCABULARY_WORDS:
        word = "".join(chance.choices(_SYLLABLES, k=chance.randint(3, 5)))
        if word not in known:
            known.add(word)
            words.append(word)
    return words


def pools(chance: random.Random) -> dict[str, list[str]]:
    """The fillings of every placeholder but `<id>` and `<short>`, each ready to stand inside a JSON string."""
    words = vocabulary(chance)
    frequent = chance.choices(words, weights=[1 / (rank + 2.7) for rank in range(len(words))], k=PHRASES * 6)

    def many(make: Callable[[], object]) -> list[str]:
        return [str(make()) for _ in range(POOL_VALUES)]

    def one_of(values: list[str] | tuple[str, ...]) -> list[str]:
        return chance.choices(values, k=POOL_VALUES)

    def whole(median: float, spread: float, most: int) -> Callable[[], int]:
        return lambda: min(most, int(median * chance.lognormvariate(0, spread)) + 1)

    hosts = [
        f"{name}-{n}.{zone}.internal" for name in ("app", "db", "edge") for n in range(1, 15) for zone in ("a", "b")
    ]
    numbers = [whole(38, 1.1, 60_000), whole(9_000, 1.4, 50_000_000), whole(180, 0.8, 9_000), whole(400, 0.6, 3_000)]
    ms, size, count, line = map(many, numbers)
    return {
        "phrase": [" ".join(frequent[n * 6 : n * 6 + chance.randint(4, 6)]) for n in range(PHRASES)],
        "word": frequent[:POOL_VALUES],
        "ms": ms,
        "size": size,
        "count": count,
        "line": line,
        "small": many(lambda: chance.randint(1, 60)),
        "port": many(lambda: chance.randint(1024, 9999)),
        "ratio": many(lambda: round(chance.random(), 3)),
        "amount": many(lambda: f"{chance.lognormvariate(3.4, 0.9):.2f}"),
        "flag": one_of(("true", "false")),
        "status": chance.choices(("200", "201", "304", "400", "404", "500", "502", "503"), (70, 8, 9, 3, 5, 2, 2, 1), k=POOL_VALUES),
        "method": chance.choices(("GET", "POST", "PUT", "DELETE"), (70, 22, 5, 3), k=POOL_VALUES),
        "path": many(lambda: chance.choice(_PATHS) if chance.random() < 0.4 else f"/products/{chance.randrange(20_000)}"),
        "ip": many(lambda: f"10.{chance.randrange(32)}.{chance.randrange(256)}.{chance.randrange(1, 255)}"),
        "host": one_of(hosts),
        "thread": many(lambda: f"pool-{chance.randint(1, 6)}-thread-{chance.randint(1, 32)}"),
        "version": many(lambda: f"{chance.randint(1, 9)}.{chance.randint(0, 20)}.{chance.randint(0, 9)}"),
        "sku": many(lambda: f"SKU-{chance.randrange(30_000):05d}"),
        "email": many(lambda: f"user-{chance.randrange(50_000):05d}@mail.example"),
        "country": one_of(_COUNTRIES),
        "network": one_of(("wifi", "4g", "5g", "3g", "ethernet")),
        "agent": one_of(_AGENTS),
        "exception": one_of(_EXCEPTIONS),
        "package": one_of(("orders", "cart", "payment", "stock", "mail", "search")),
        "Class": one_of(_CLASSES),
        "call": one_of(_CALLS),
        "table": one_of(_TABLES),
    }  # fmt: skip


def json_text(template: Template) -> str:
    """The members of an event that `template` decides, as JSON text with placeholders, without braces."""
    value = template.value[1:] if template.value.startswith("=") else json.dumps(template.value, ensure_ascii=False)
    members = f'"component":"{template.component}","level":"{template.level}","key":"{template.key}","value":{value}'
    return members + (f',"attributes":{{{template.attributes}}}' if template.attributes else "")
