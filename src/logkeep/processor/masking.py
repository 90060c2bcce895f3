"""Masks a batch before anything of it is stored: events, notices, samples of what was rejected, dead letters.

In the processor and not in the receiver: a receiver passes bytes on without decoding them, which is what makes it
cheap, and rules of its own would count at another moment than those of the other protocols. The queue therefore has
events as they were sent, for as long as they wait (docs/how-to/mask-secrets.md).
"""

import time
from collections.abc import Sequence
from typing import Any

import msgspec

from logkeep.decode.frame import RejectedSample
from logkeep.decode.split import Form
from logkeep.event import Event, attributes_json, attributes_of
from logkeep.masking.masker import Masker, without_keys
from logkeep.masking.prefilter import Prefilter
from logkeep.masking.rules import DEFAULT, MASK, Rules
from logkeep.metastore.masking import MaskingRules
from logkeep.processor.prepare import Prepared
from logkeep.telemetry import Telemetry, get_logger

# Members of notices that hold what anybody may have written.
NOTICE_TEXTS = (
    "title", "text", "stack", "name", "model", "os", "os_version", "app_version", "language", "sdk",
)  # fmt: skip
NOTICE_MAPS = ("attributes", "keys")

log = get_logger("masking")


class Masking:
    """For one thread."""

    def __init__(self, rules: MaskingRules, telemetry: Telemetry) -> None:
        self._rules, self._masked = rules, telemetry["processor_texts_masked"]
        self._maskers: dict[str, tuple[Rules, Masker, Prefilter]] = {}
        self._default = (DEFAULT, Masker(DEFAULT), Prefilter(DEFAULT))

    def mask(self, prepared: Prepared) -> None:
        by_app: dict[str, list[Event]] = {}
        for index in prepared.suspects:
            event = prepared.events[index]
            by_app.setdefault(event.app, []).append(event)
        masked = sum(self._mask(app, events) for app, events in by_app.items())
        for (_, app), tally in prepared.tallies.items():
            tally.samples = [self._sample(app, sample) for sample in tally.samples]
        prepared.corrupt = [
            (msgspec.structs.replace(record, payload=self._bytes(record.payload)), message)
            for record, message in prepared.corrupt
        ]
        if masked:
            self._masked.inc(masked)

    def _mask(self, app: str, events: Sequence[Event]) -> int:
        masker = self._masker(app)
        masked = masker.mask(events)
        if masker.gave_up:
            log.warning("an app's own patterns take too long: texts were masked whole", app=app, events=len(events))
        return masked

    def mask_notice(self, app: str, notice: Any) -> Any:
        """The notice without what the app's rules name; no member gets longer, as columns have room for so much."""
        masker = self._masker(app)
        masks = [MASK, *(f"[{own.name}]" for own in self._of(app)[0].patterns)]
        changes: dict[str, Any] = {}
        for name in NOTICE_TEXTS:
            if text := getattr(notice, name, None):
                changes[name] = _no_longer(masker.mask_text(text), len(text), masks)
        for name in NOTICE_MAPS:
            if found := getattr(notice, name, None):
                told = {key: value for key, value in found.items() if value is not None}
                holder = Event("", "", "", "", "null", None, 0, 0, "", attributes=attributes_json(told))
                masker.mask([holder])
                changes[name] = found | {
                    key: _no_longer(value, max(len(MASK), len(str(found[key]))), masks)
                    for key, value in attributes_of(holder).items()
                }
        changed = {name: value for name, value in changes.items() if value != getattr(notice, name)}
        if not changed:
            return notice
        self._masked.inc(len(changed))
        return msgspec.structs.replace(notice, **changed)

    def suspects(self, app: str, body: bytes, form: Form, count: int) -> Sequence[int] | None:
        """As Prefilter's, by the rules of `app`."""
        return self._of(app)[2].suspects(body, form, count)

    def _masker(self, app: str) -> Masker:
        return self._of(app)[1]

    def _of(self, app: str) -> tuple[Rules, Masker, Prefilter]:
        """The app's rules, and what is made of them, again when they have changed; nobody's events have the default."""
        if not app:
            return self._default
        rules = self._rules.of(app)
        made = self._maskers.get(app)
        if made is None or made[0] is not rules:
            made = self._maskers[app] = (rules, Masker(rules, cpu_s=time.thread_time), Prefilter(rules))
        return made

    def _sample(self, app: str, sample: RejectedSample) -> RejectedSample:
        """Whoever reads may see it: of a datagram also without the key it names, which can write."""
        masker = self._masker(app)
        text = without_keys(masker.mask_sent(sample.text))
        return RejectedSample(sample.reason, without_keys(masker.mask_text(sample.message)), text)

    def _bytes(self, payload: bytes) -> bytes:
        """Of a damaged frame, which belongs to nobody one can tell; what is compressed in it stays as it is."""
        return without_keys(self._default[1].mask_sent(payload.decode("latin-1"))).encode("latin-1", "replace")


def _no_longer(masked: Any, chars_max: int, masks: Sequence[str]) -> Any:
    """Masks that make a text too long become `*`, the first ones first: only what is hidden may go, nothing else."""
    if not isinstance(masked, str):
        return masked
    for mask in masks:
        if (over := len(masked) - chars_max) > 0 and len(mask) > 1:
            masked = masked.replace(mask, "*", -(-over // (len(mask) - 1)))
    return masked[:chars_max]
