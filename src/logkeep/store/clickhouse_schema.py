"""The tables of the embedded store, as ClickHouse SQL. Pure text; the layout in one place.

    events      the events, one partition a day of `time`, in order of (app, time, id) inside it
    updates     a row for each update: which (app, session, key) have any, and the newest
    hidden      events that an update has superseded; readers leave these ids out
    recent_ids  ids that senders gave, for 24 h: a second try may have another time
    remembered  batch ids (Idempotency-Key), for 24 h
    patterns    templates of messages, a row for each day they are seen; events name theirs
    erasing     the events that an erasure is removing; empty otherwise
    meta        the version of this layout

Bytes an event, measured with 6 M generated events of 510 B NDJSON over two days, merged: 147, of which text index of
values 24, indexes of session 4.1, user and device 2.7 each, id 1.7.
"""

from logkeep.event import LEVELS
from logkeep.store.clickhouse_sql import FOLDED_VALUE

SCHEMA_VERSION = 6
MIB = 1 << 20

LEVEL_TYPE = "Enum8('' = 0, " + ", ".join(f"'{level}' = {rank}" for rank, level in enumerate(LEVELS, 1)) + ")"
KIND_TYPE = "Enum8('text' = 0, 'number' = 1, 'bool' = 2, 'null' = 3, 'object' = 4, 'array' = 5)"

_DAY = "toDate(fromUnixTimestamp64Nano(time_ns, 'UTC'))"
# One fsync of data and one of the folder make an insert durable; merges too, or power loss could take old rows.
_DURABLE = (
    "fsync_after_insert = 1, fsync_part_directory = 1, min_rows_to_fsync_after_merge = 1,"
    " min_compressed_bytes_to_fsync_after_merge = 1"
)
# Merged-away parts stay this long (default 480 s) in case the merge is lost; ours are fsync'd, so disk is freed sooner.
OLD_PARTS_S = 60
_OLD_PARTS = f"old_parts_lifetime = {OLD_PARTS_S}"
# Rows read at least to get at one, and bytes decompressed at least to get at a value. The events of a session or a user
# are a row each in as many granules: a user's newest 100 take 65 ms of CPU, against 110 with 2,048 rows and the
# engine's 64 KiB, for 10 B an event; scans of a day cost the same.
GRANULE_ROWS = 512
COMPRESSED_BLOCK_BYTES_MIN = 16 << 10
# Parts of about one size that a merge waits for (the engine's 5): each time an event is merged costs 7 µs of CPU. Of
# 4.4 million events in inserts of 20,000, insert and merges took 32.2 µs an event with 5, 25.3 with 10, 24.3 with 16;
# the day had up to 24, 34 and 36 parts meanwhile, of few events every 0.1 s 6, 11 and 16. A look-up pays 0.3 ms a part.
MERGE_BASE = 10
TOKENS_KEPT = 1000  # insert tokens the engine remembers; retries come within a few

# Times are Int64 ns: they come from JSON and go into cursors as they are. `number` is NaN where `value` is none:
# NaN compares false with everything, and a run of them costs nothing on disk.
# session, user, device and id have inverted indexes of whole names ("array": the text is one token): a look into the
# dictionary of each part says which rows have one, where a bloom filter has to be asked about every granule, 12 µs each
# (290 ms at 50 million events). They take 11 B an event, bloom filters 3, and within 1 µs of CPU the same at insert.
# The text index of values stands on the folded text, not on `value` with a preprocessor: the condition then means the
# same with the index and without. Its bit-packed posting lists save 3 B an event.
# attributes: the JSON object as the processor wrote it; a map of columns costs the engine 4 µs an event more to read
# in and to merge, for the same disk. Queries parse it only where the attribute's name is found in it.
# Without inserts for ten minutes a day is merged to the end: few parts are quicker to search.
# activity: who was active on a day, for lists of sessions, devices and users. The engine reads it in place of the rows
# of a part that has it, wherever a query asks for nothing else (embedded_activity.py), so it is never right or wrong
# by itself. Parts get it once their day is over: docs/adr/0005-activity-is-a-projection.md.
NS_PER_DAY = 86_400_000_000_000
ACTIVITY_DAY = f"intDiv(time_ns, {NS_PER_DAY})"
ACTIVITY_KEYS = ("session", "user", "device")
ACTIVITY_COUNTS = ("count()", "countIf(level IN ('error', 'fatal'))", "min(time_ns)", "max(time_ns)")
_ACTIVITY = f"app, {ACTIVITY_DAY}, {', '.join(ACTIVITY_KEYS)}"

EVENTS = f"""CREATE TABLE IF NOT EXISTS events (
 app LowCardinality(String), session String CODEC(ZSTD(1)), key LowCardinality(String), value String CODEC(ZSTD(1)),
 kind {KIND_TYPE} CODEC(ZSTD(1)), number Float64 CODEC(ZSTD(1)),
 time_ns Int64 CODEC(Delta, ZSTD(1)), received_ns Int64 CODEC(Delta, ZSTD(1)), id String CODEC(ZSTD(1)),
 level {LEVEL_TYPE} CODEC(ZSTD(1)), user String CODEC(ZSTD(1)), device String CODEC(ZSTD(1)),
 component LowCardinality(String), attributes String CODEC(ZSTD(1)), update Bool CODEC(ZSTD(1)),
 pattern LowCardinality(String), arrival Int64 CODEC(Delta, ZSTD(1)),
 INDEX ix_value {FOLDED_VALUE} TYPE text(tokenizer = splitByNonAlpha, posting_list_codec = 'bitpacking'),
 INDEX ix_session session TYPE text(tokenizer = array),
 INDEX ix_user user TYPE text(tokenizer = array),
 INDEX ix_device device TYPE text(tokenizer = array),
 INDEX ix_id id TYPE text(tokenizer = array),
 INDEX ix_received received_ns TYPE minmax GRANULARITY 1,
 INDEX ix_arrival arrival TYPE minmax GRANULARITY 1,
 PROJECTION activity (SELECT {_ACTIVITY}, {", ".join(ACTIVITY_COUNTS)} GROUP BY {_ACTIVITY})
) ENGINE = MergeTree PARTITION BY {_DAY} PRIMARY KEY (app, time_ns) ORDER BY (app, time_ns, id)
SETTINGS {_DURABLE}, {_OLD_PARTS}, non_replicated_deduplication_window = {TOKENS_KEPT},
 index_granularity = {GRANULE_ROWS}, min_compress_block_size = {COMPRESSED_BLOCK_BYTES_MIN},
 materialize_projections_on_insert = 0, merge_selector_base = {MERGE_BASE},
 min_partition_age_to_force_merge_seconds = 600, text_index_max_memory_usage_before_flush = {128 * MIB}"""

# What may be another in a store that an earlier version made, without a new layout.
EVENTS_SETTINGS = f"merge_selector_base = {MERGE_BASE}"

UPDATES = f"""CREATE TABLE IF NOT EXISTS updates (
 app LowCardinality(String), session String, key String, time_ns Int64, received_ns Int64, id String
) ENGINE = ReplacingMergeTree PARTITION BY {_DAY} ORDER BY (app, session, key, time_ns, received_ns, id)
SETTINGS {_DURABLE}, {_OLD_PARTS}"""

# user, device, level: as in the event, so that counts by them can leave it out without looking for it.
HIDDEN = f"""CREATE TABLE IF NOT EXISTS hidden (
 app LowCardinality(String), time_ns Int64, id String, session String, user String, device String,
 level {LEVEL_TYPE},
 INDEX ix_session session TYPE bloom_filter(0.01) GRANULARITY 1
) ENGINE = ReplacingMergeTree PARTITION BY {_DAY} ORDER BY (app, time_ns, id)
SETTINGS {_DURABLE}, {_OLD_PARTS}"""

# Partitions of one hour, dropped whole: the engine's own TTL would rewrite parts and follow its own clock.
_HOUR = "intDiv(at_ns, 3600000000000)"

RECENT_IDS = f"""CREATE TABLE IF NOT EXISTS recent_ids (
 app LowCardinality(String), id String CODEC(ZSTD(1)), at_ns Int64 CODEC(Delta, ZSTD(1))
) ENGINE = ReplacingMergeTree PARTITION BY {_HOUR} ORDER BY (app, id) SETTINGS {_DURABLE}, {_OLD_PARTS}"""

REMEMBERED = f"""CREATE TABLE IF NOT EXISTS remembered (
 name String CODEC(ZSTD(1)), at_ns Int64 CODEC(Delta, ZSTD(1))
) ENGINE = ReplacingMergeTree PARTITION BY {_HOUR} ORDER BY name SETTINGS {_DURABLE}, {_OLD_PARTS}"""

PATTERNS = f"""CREATE TABLE IF NOT EXISTS patterns (
 app LowCardinality(String), id String, template String CODEC(ZSTD(1)), form String CODEC(ZSTD(1)), first_ns Int64,
 kept_ns Int64
) ENGINE = MergeTree PARTITION BY toDate(fromUnixTimestamp64Nano(kept_ns, 'UTC')) ORDER BY (app, id, kept_ns)
SETTINGS {_DURABLE}, {_OLD_PARTS}"""

# Not the condition but the rows it matched: deletions name this table, so that no file of the engine keeps the words of
# a query. part: of at most MARKS_A_PART rows, so that the set of one deletion fits into memory.
ERASING = f"""CREATE TABLE IF NOT EXISTS erasing (
 app LowCardinality(String), time_ns Int64, id String, pattern LowCardinality(String), part UInt32
) ENGINE = MergeTree ORDER BY (part, app, time_ns, id) SETTINGS {_DURABLE}, {_OLD_PARTS}"""

META = f"""CREATE TABLE IF NOT EXISTS meta (version UInt32) ENGINE = MergeTree ORDER BY version SETTINGS {_DURABLE}"""

TABLES = (EVENTS, UPDATES, HIDDEN, RECENT_IDS, REMEMBERED, PATTERNS, ERASING)
DAY_TABLES = ("events", "updates", "hidden")
HOUR_TABLES = ("recent_ids", "remembered")

# The columns of a batch: the members of `Event`, in its order.
BATCH_STRUCTURE = (
    f"app String, session String, key String, value String, kind {KIND_TYPE}, number Nullable(Float64),"
    f" time_ns Int64, received_ns Int64, id String, level {LEVEL_TYPE}, user String, device String, component String,"
    " attributes String, update Bool, own_id Bool, pattern String, arrival Int64"
)

# The engine's own caches default to gigabytes each. These hold the indexes of some ten million recent events.
CACHES = {
    "text_index_tokens_cache_size": 32 * MIB,
    "text_index_header_cache_size": 32 * MIB,
    "text_index_postings_cache_size": 32 * MIB,
    "primary_index_cache_size": 64 * MIB,
    "index_mark_cache_size": 32 * MIB,
    "query_condition_cache_size": 16 * MIB,
    "compiled_expression_cache_size": 16 * MIB,
}


def engine_options(memory_bytes_max: int, mark_cache_bytes: int, merge_threads: int) -> str:
    """The part of a connection's address after `?`."""
    options = {
        "max_server_memory_usage": memory_bytes_max,
        "mark_cache_size": mark_cache_bytes,
        "background_pool_size": merge_threads,
        **CACHES,
    }
    return "&".join(f"{name}={value}" for name, value in options.items())
