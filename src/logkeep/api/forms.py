"""What a form of one of our pages sends."""

from urllib.parse import parse_qs

from logkeep.errors import InputError

FORM_BYTES_MAX = 16 * 1024
FIELDS_MAX = 12
FIELD_CHARS_MAX = 4096


def form_of(body: bytes) -> dict[str, str]:
    """The first value of each field. Raises InputError."""
    try:
        fields = parse_qs(body.decode(), max_num_fields=FIELDS_MAX, errors="strict")
    except ValueError as error:  # too many fields, or not UTF-8
        raise InputError("the form cannot be read; open the page and send it from there") from error
    return {name: values[0] for name, values in fields.items() if len(values[0]) <= FIELD_CHARS_MAX}
