"""Patterns in MongoDB: one document a pattern, of all days; the events name theirs.

Patterns whose templates have become the same count as one, so groups by pattern are joined by template here.
"""

from collections.abc import Sequence
from typing import Any

import msgspec

from logkeep.patterns.template import KeptPattern
from logkeep.store.mongodb_client import Find, Server
from logkeep.store.mongodb_documents import Document, day_start_ns
from logkeep.store.mongodb_groups import Groups, Key, part_key, text_key, time_total
from logkeep.store.mongodb_reads import Asked, Reads, clamped
from logkeep.store.page import bucket_width_ns, event_json, pattern_count
from logkeep.store.port import PatternCount, PatternRequest, Patterns
from logkeep.store.reading import Reading

IS_TEXT: Document = {"kind": None}
PATTERN_TOTALS = (time_total("max"),)


class _Named(msgspec.Struct):
    """Of one template. counted: part, level, how many."""

    ids: set[str]
    counted: list[tuple[int, str, int]]
    last_ns: int = 0

    @property
    def count(self) -> int:
        return sum(count for part, _, count in self.counted if part >= 0)


class MongoPatterns:
    def __init__(self, server: Server, reads: Reads) -> None:
        self._server, self._reads = server, reads

    def keep(self, patterns: Sequence[KeptPattern], now_ns: int) -> None:
        changes = []
        for kept in patterns:
            newest = {"app": kept.app, "id": kept.id, "template": kept.template, "form": kept.form, "kept": now_ns}
            changes.append((f"{kept.app}\0{kept.id}", {"$set": newest, "$min": {"first": kept.first_ns}}))
        self._server.upsert("patterns", changes)

    def known(self, *, patterns_max: int) -> list[KeptPattern]:
        order = (("app", 1), ("kept", -1), ("id", 1))
        taken: dict[str, list[KeptPattern]] = {}
        for found in self._server.own(None, "patterns", Find({}, order)):
            mine = taken.setdefault(found["app"], [])
            if len(mine) < patterns_max:
                mine.append(KeptPattern(found["app"], found["id"], found["template"], found["form"], found["first"]))
        return [kept for app in sorted(taken) for kept in taken[app]]

    def forget_before(self, day: str) -> None:
        """What was kept before that day is gone: events of that day and later ones name none of it."""
        self._server.delete(None, "patterns", {"kept": {"$lt": day_start_ns(day)}})

    def read(self, reading: Reading, request: PatternRequest) -> Patterns:
        asked = Asked(request.app, request.query, clamped(request.start_ns), clamped(request.to_ns), also=(IS_TEXT,))
        found = self._reads.groups(reading, asked, pattern_keys(request), PATTERN_TOTALS)
        kept = {each["id"]: each for each in self._server.own(None, "patterns", Find({"app": request.app}))}
        named = _by_template(found, {name: each["template"] for name, each in kept.items()})
        ungrouped = one.count if (one := named.pop("", None)) else 0
        ordered = sorted(
            ((template, one) for template, one in named.items() if one.count),
            key=lambda pair: (-pair[1].count, pair[0].encode()),
        )
        shown = ordered[: request.limit]
        examples = self._examples(reading, asked, dict(shown)) if shown else {}
        rows = [_row(request, template, one, kept, examples[template]) for template, one in shown]
        events = sum(one.count for _, one in ordered) + ungrouped
        return Patterns(rows, len(ordered), events, ungrouped)

    def _examples(self, reading: Reading, asked: Asked, named: dict[str, _Named]) -> dict[str, bytes]:
        """The last event of each template. Their times are known, so the index leads to each."""
        templates = {(name, one.last_ns): template for template, one in named.items() for name in one.ids}
        times = sorted({one.last_ns for one in named.values()})
        chosen: Document = {"time": {"$in": times}, "pattern": {"$in": sorted({name for name, _ in templates})}}
        wanted = msgspec.structs.replace(asked, from_ns=times[0], to_ns=times[-1] + 1, also=(IS_TEXT, chosen))
        found: dict[str, bytes] = {}
        for event, _ in self._reads.seen(reading, wanted):
            if (template := templates.get((event.pattern, event.time_ns))) is not None:
                found[template] = event_json(event)
        return found


def pattern_keys(request: PatternRequest) -> list[Key]:
    """What events are counted by: pattern, part of the time, level."""
    width_ns = bucket_width_ns(request.from_ns, request.to_ns, request.buckets)
    return [text_key("pattern"), part_key(request.from_ns, width_ns), text_key("level")]


def _by_template(groups: Groups, templates: dict[str, str]) -> dict[str, _Named]:
    named: dict[str, _Named] = {}
    for (pattern, part, level), (last_ns, count) in groups.items():
        one = named.setdefault(str(templates.get(pattern, pattern)), _Named(set(), []))
        one.ids.add(pattern)
        one.counted.append((max(-1, part), level, count))
        one.last_ns = max(one.last_ns, last_ns)
    return named


def _row(request: PatternRequest, template: str, one: _Named, kept: dict[str, Any], example: bytes) -> PatternCount:
    firsts = [kept[name]["first"] for name in one.ids if name in kept]
    return pattern_count(
        request,
        template,
        sorted(one.ids),
        one.counted,
        first_ns=min(firsts, default=one.last_ns),
        last_ns=one.last_ns,
        example=example,
    )
