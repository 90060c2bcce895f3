"""Where what was told as an issue will be seen: known before it is processed."""

from collections.abc import Sequence
from urllib.parse import quote, urlencode

import msgspec


class NamedIssue(msgspec.Struct, frozen=True):
    """What of a notice its links need. id: the sender's own."""

    session: str
    id: str | None = None


_decode = msgspec.json.Decoder(NamedIssue).decode_lines


def named_issues(body: bytes) -> tuple[NamedIssue, ...]:
    """Of each accepted notice of `body`, one a line."""
    return tuple(_decode(body))


def issue_links(
    issues: Sequence[NamedIssue], ids: Sequence[str], public_url: str, app: str
) -> tuple[dict[str, str], ...]:
    """The pages of each issue and its session. ids: those that the notices were given.

    They name the app: whoever opens them may read several. The issue is found by the id of this one time: what it is
    the same with is found when it is processed.
    """
    of_app = urlencode({"app": app})
    return tuple(
        {
            "issue": f"{public_url}/issues/of/{quote(one.id or given, safe='')}?{of_app}",
            "session": f"{public_url}/sessions/{quote(one.session, safe='')}?{of_app}",
        }
        for one, given in zip(issues, ids, strict=True)
    )
