"""What an app has masked: built-in patterns, names of fields, own patterns."""

from typing import Annotated, Literal

import msgspec
import re2
from msgspec import Meta

from logkeep.errors import InputError
from logkeep.query.regex import PATTERN_CHARS_MAX, PatternError, read_pattern

Builtin = Literal["bearer", "email", "card"]
MASK = "[masked]"
PATTERNS_MAX = 20
FIELDS_MAX = 100
STEPS_MAX = 2_500  # of one pattern as RE2 compiles it: each may be looked at for each byte

FIELDS_DEFAULT = (
    "*password", "*passwd", "*pwd", "*passphrase", "*db_pass", "*smtp_pass", "*secret", "*client_secret", "*token",
    "*access_token", "*refresh_token", "*id_token", "*auth_token", "*api_token", "*csrf_token", "*api_key",
    "*secret_key", "*access_key", "*private_key", "*signing_key", "*encryption_key", "*authorization", "*cookie",
    "*set_cookie", "*credentials", "*card_number", "cvv", "cvc",
)  # fmt: skip


class OwnPattern(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What `pattern` finds is replaced by `[NAME]`. pattern: the portable subset of regular expressions."""

    name: Annotated[str, Meta(pattern=r"^[a-z][a-z0-9_-]{0,31}$")]
    pattern: Annotated[str, Meta(min_length=1, max_length=PATTERN_CHARS_MAX)]


class Rules(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """builtin: `bearer` (Authorization values and passwords of addresses, wherever they stand), `email`, `card`
    (numbers that pass Luhn's check).

    fields: whose values are masked whole, whatever case: a key, an attribute, a member of a JSON value, NAME=VALUE,
    NAME: VALUE and --NAME VALUE in a text. A `_` within a name stands for `_`, `-`, `.` or nothing; a name with `*`
    before it also ends longer ones: `*api_key` is X-Api-Key and mapsApiKey too. patterns: own ones, applied in order
    after all others.
    """

    builtin: tuple[Builtin, ...] = ("bearer",)
    fields: Annotated[
        tuple[Annotated[str, Meta(min_length=1, max_length=64, pattern=r"^[A-Za-z0-9_.*-]+$")], ...],
        Meta(max_length=FIELDS_MAX),
    ] = FIELDS_DEFAULT
    patterns: Annotated[tuple[OwnPattern, ...], Meta(max_length=PATTERNS_MAX)] = ()


DEFAULT = Rules()


def checked(rules: Rules) -> Rules:
    """The same. Raises InputError for a name with a `*` that says nothing, and (code `bad_regex`) for a pattern that is
    not in the subset, or too large."""
    for name in rules.fields:
        if "*" in name and not (name.rfind("*") == 0 and name[1:2].isalnum()):
            raise InputError(f"rules.fields: {name!r}: a `*` begins a name, before a letter or digit")
    for own in rules.patterns:
        try:
            read_pattern(own.pattern)
        except PatternError as error:
            raise InputError(
                f"pattern {own.name!r}, character {error.offset + 1}: {error.message}", code="bad_regex"
            ) from error
        steps = re2.compile(own.pattern).programsize
        if steps > STEPS_MAX:
            raise InputError(
                f"pattern {own.name!r} takes {steps:,} steps, {STEPS_MAX:,} at most; repeat less in it: of "
                "[^a-z]{1,1000} each of the thousand counts nine times",
                code="bad_regex",
            )
    return rules
