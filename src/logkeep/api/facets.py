"""The most frequent values of fields: `/api/v1/facets`."""

import re
from typing import Annotated

import msgspec
from litestar import Response, get
from litestar.params import QueryParameter

from logkeep.api.answers import FacetAnswer, FacetsAnswer, FromTime, QueryText, ToTime, documented, json_answer
from logkeep.api.costs import Explain, ExplainAnswer, cost_members
from logkeep.api.costs import explain as explain_request
from logkeep.api.search import GivenContext, GivenCredential, range_of
from logkeep.errors import InputError
from logkeep.event import ATTRIBUTE_KEY_BYTES_MAX
from logkeep.query import ast
from logkeep.query.fields import about_unknown, known_field
from logkeep.query.parser import parse
from logkeep.query.printer import field_text
from logkeep.store.page import rfc3339
from logkeep.store.port import SearchRequest
from logkeep.store.reading import Reading

FIELDS_MAX = 20
LIMIT_MAX = 1000
FIELDS_CHARS_MAX = FIELDS_MAX * 2 * (len(ast.ATTRIBUTE_PREFIX) + ATTRIBUTE_KEY_BYTES_MAX)


@get(
    "/api/v1/facets",
    summary="Facets",
    tags=["reading"],
    responses=documented(FacetsAnswer | ExplainAnswer, "Top values; or, with `explain=1`, how they are read", 400),
)
async def facets(
    context: GivenContext,
    credential: GivenCredential,
    text: QueryText = "",
    from_: FromTime = None,
    to: ToTime = None,
    fields: Annotated[
        str,
        QueryParameter(description=f'1 to {FIELDS_MAX} fields, such as `component,level,attributes."a,b"`.'),
    ] = "component,level,key",
    limit: Annotated[int, QueryParameter(ge=1, le=LIMIT_MAX, description="Values a field.")] = 10,
    explain: Explain = 0,
) -> Response[bytes]:
    """The most frequent values of fields among the events that match, and how many have others or none.

    Where too many events match to count them all in time, a share of them is: `sampled` says so, `sample_rate` which
    share, and all counts but `events` are estimates then.
    """
    wanted = read_fields(fields)
    parsed = parse(text, chars_max=context.settings.api.query_chars_max)
    span = range_of(context, credential.app, from_, to)
    if explain:
        return await explain_request(context, SearchRequest(credential.app, parsed, span.from_ns, span.to_ns))

    def counted(reading: Reading) -> bytes:
        with context.telemetry["api_query_seconds"].labels("/api/v1/facets").time():
            found = context.backend.store.facets(
                reading, credential.app, parsed, span.from_ns, span.to_ns, fields=wanted, limit=limit
            )
        members = {
            "from": rfc3339(span.from_ns),
            "to": rfc3339(span.to_ns),
            "events": found.events,
            "sampled": found.sample_rate < 1,
            "sample_rate": round(found.sample_rate, 6),
            "facets": {
                field_text(each.field): FacetAnswer(each.values, each.other, each.absent) for each in found.fields
            },
        }
        return b"%b,%b}" % (msgspec.json.encode(members)[:-1], cost_members(reading))

    return json_answer(await context.read(counted))


def read_fields(text: str) -> list[str]:
    """The fields named in `text`, each once, in order. Raises InputError (code `bad_field`)."""
    if len(text) > FIELDS_CHARS_MAX:
        raise _refusal(f"fields of {len(text):,} characters exceed {FIELDS_CHARS_MAX:,}")
    names = list(dict.fromkeys(_read_field(name.strip()) for name in _split(text)))
    if len(names) > FIELDS_MAX:
        raise _refusal(f"{len(names)} fields exceed {FIELDS_MAX}; ask for the rest in another request")
    return names


def _split(text: str) -> list[str]:
    """Cut at commas that are not inside quotes; a backslash takes the next character as it is."""
    parts, start, at, quoted = [], 0, 0, False
    while at < len(text):
        if quoted and text[at] == "\\":
            at += 1
        elif text[at] == '"':
            quoted = not quoted
        elif text[at] == "," and not quoted:
            parts.append(text[start:at])
            start = at + 1
        at += 1
    return [*parts, text[start:]]


def _read_field(name: str) -> str:
    if not name:
        raise _refusal("an empty field name; write fields such as component,level,attributes.os")
    if name.startswith(ast.ATTRIBUTE_PREFIX):
        return ast.ATTRIBUTE_PREFIX + _attribute_key(name[len(ast.ATTRIBUTE_PREFIX) :])
    field = known_field(name)
    if field is None:
        raise _refusal(about_unknown(name[:40], name[:40]).partition("; to search")[0])
    return field


def _attribute_key(key: str) -> str:
    """The key as it stands, or unquoted."""
    if key.startswith('"'):
        if len(key) < 3 or not key.endswith('"'):
            raise _refusal(f'{key[:40]} has no closing quote; write attributes."NAME"')
        key = re.sub(r'\\(["\\])', r"\1", key[1:-1])
    size = len(key.encode("utf-8", "replace"))
    if not 1 <= size <= ATTRIBUTE_KEY_BYTES_MAX:
        raise _refusal(f"an attribute's name has 1 to {ATTRIBUTE_KEY_BYTES_MAX} bytes, not {size:,}")
    return key


def _refusal(message: str) -> InputError:
    return InputError(message, code="bad_field")
