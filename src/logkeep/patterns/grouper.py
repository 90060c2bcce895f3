"""Every text value of a batch gets the id of its pattern: 2 µs of CPU a text where all messages differ."""

from collections.abc import Iterable, Sequence
from operator import attrgetter

from logkeep.clock import NS_PER_DAY
from logkeep.event import Event
from logkeep.patterns.index import Test, fitting, tests_of
from logkeep.patterns.miner import Miner, Node, Pattern
from logkeep.patterns.shape import bounded, shapes
from logkeep.patterns.template import KeptPattern, Template, text_of

CHUNK_EVENTS = 512  # whose texts and shapes stay in the processor's cache together
# Nine in ten lines of real logs repeat a shape. Where few do, remembering shapes costs more than it saves.
SHAPES_MAX = 8_192  # remembered of one app; 1.5 MB
MEMORY_WORTH = 0.3  # of the texts answered by it
MEMORY_TRIAL_BATCHES, MEMORY_PAUSE_BATCHES = 2, 60
# The miner takes 0.2 ms a message. So that text without any pattern in it cannot slow the processor down, it works on
# credit: full at first, then so many messages a batch and of the events of a batch; the others stay without a pattern.
CREDIT_MAX = 2_000
CREDIT_A_BATCH, CREDIT_AN_EVENT = 10.0, 0.005


_app_and_pattern = attrgetter("app", "pattern")


class Grouper:
    """The patterns of all apps. For one thread.

    patterns_max: of one app; over it the one not seen for longest is forgotten here (its events keep it).
    """

    def __init__(self, patterns_max: int, known: Iterable[KeptPattern] = ()) -> None:
        self._patterns_max = patterns_max
        self._apps: dict[str, _AppPatterns] = {}
        self._credit = float(CREDIT_MAX)
        self._remembers = MEMORY_TRIAL_BATCHES  # for so many batches; below 0: not since so many
        self.left_out = 0  # messages of the last batch that there was no credit for
        for pattern in known:
            self._app(pattern.app).load(pattern)

    def group(self, events: Sequence[Event], now_ns: int) -> list[KeptPattern]:
        """The patterns to keep: new ones, changed ones, and those seen for the first time today (the day of `now_ns`).

        `pattern` of each text event is set; it stays "" for messages there was no credit for.
        """
        self._credit = min(CREDIT_MAX, self._credit + CREDIT_A_BATCH + CREDIT_AN_EVENT * len(events))
        self.left_out = 0
        texts = [event for event in events if event.kind == "text"]
        strange: list[Event] = []
        for start in range(0, len(texts), CHUNK_EVENTS):
            self._fit(texts[start : start + CHUNK_EVENTS], strange)
        self._weigh_memory(len(texts))
        for event in strange:
            event.pattern = self._mined(self._app(event.app), event)
        seen = set(map(_app_and_pattern, texts))
        for app, pattern_id in seen:
            self._apps[app].see(pattern_id, now_ns // NS_PER_DAY)
        return [pattern for app in {app for app, _ in seen} for pattern in self._apps[app].settle()]

    def forget(self, app: str, ids: Iterable[str]) -> None:
        """Messages like theirs are new ones from now on. Not while `group` runs."""
        if app in self._apps:
            self._apps[app].forget(ids)

    def _fit(self, texts: Sequence[Event], strange: list[Event]) -> None:
        """Sets the pattern of all that fit one; the others are added to `strange`."""
        name = texts[0].app
        app = self._app(name)
        for event, shape in zip(texts, shapes([event.value for event in texts]), strict=True):
            if event.app != name:
                name = event.app
                app = self._app(name)
            pattern_id = app.by_shape.get(shape) or app.fitting(shape, self._remembers > 0)
            if pattern_id:
                event.pattern = pattern_id
            else:
                strange.append(event)

    def _weigh_memory(self, texts: int) -> None:
        """Shapes are remembered while that answers for some of the texts; else it is tried again now and then."""
        asked = 0
        for app in self._apps.values():
            asked += app.asked
            app.asked = 0
        self._remembers -= 1
        if texts - asked > texts * MEMORY_WORTH or self._remembers <= -MEMORY_PAUSE_BATCHES:
            self._remembers = MEMORY_TRIAL_BATCHES
        elif self._remembers == 0:
            for app in self._apps.values():
                app.by_shape.clear()

    def _mined(self, app: "_AppPatterns", event: Event) -> str:
        """The pattern of a message that fitted none: one that an earlier one of the batch has made, or a new one."""
        text = bounded(event.value)
        if fits := app.fitting(shapes([text])[0], False):
            return fits
        if self._credit < 1:
            self.left_out += 1
            return ""
        self._credit -= 1
        return app.mine(text, event.time_ns)

    def _app(self, name: str) -> "_AppPatterns":
        if name not in self._apps:
            self._apps[name] = _AppPatterns(name, self._patterns_max)
        return self._apps[name]


class _AppPatterns:
    """The patterns of one app, and the tests for them."""

    def __init__(self, app: str, patterns_max: int) -> None:
        self._app, self._patterns_max = app, patterns_max
        self._miner = Miner(app)
        self._seen: dict[str, int] = {}  # pattern → the day it was last seen, since the start
        self._loaded: set[str] = set()  # forms: patterns that were joined share one
        self._tests: dict[Node, list[Test]] = {}
        self.by_shape: dict[bytes, str] = {}  # of shapes seen lately
        self.asked = 0  # shapes that were not among these, in this batch

    def load(self, kept: KeptPattern) -> None:
        if kept.form not in self._loaded:
            self._loaded.add(kept.form)
            self._miner.add(Pattern(kept.id, Template.of_form(kept.form), kept.first_ns))
            self._update_tests()

    def forget(self, ids: Iterable[str]) -> None:
        for name in ids:
            pattern = self._miner.patterns.get(name)
            if pattern is not None:
                self._miner.remove(pattern)
            self._miner.changed_patterns.pop(name, None)
            self._seen.pop(name, None)
        self._update_tests()

    def fitting(self, shape: bytes, remember: bool) -> str | None:
        """The pattern that the shape fits."""
        self.asked += 1
        pattern_id = fitting(self._tests, shape.split(b" "))
        if remember and pattern_id is not None:
            if len(self.by_shape) >= SHAPES_MAX:
                self.by_shape.clear()
            self.by_shape[shape] = pattern_id
        return pattern_id

    def mine(self, text: str, time_ns: int) -> str:
        pattern = self._miner.find(text, time_ns)
        self._update_tests()
        return pattern.id

    def see(self, pattern_id: str, day: int) -> None:
        """Kept once more on every day it is seen: the store forgets patterns by the day they were kept."""
        if self._seen.get(pattern_id) != day and pattern_id:
            # To the end: the order is that of the last day seen.
            self._seen.pop(pattern_id, None)
            self._seen[pattern_id] = day
            if pattern_id in self._miner.patterns:
                self._miner.changed_patterns[pattern_id] = self._miner.patterns[pattern_id]

    def settle(self) -> list[KeptPattern]:
        """What is to be kept since the last time. With too many patterns, the tenth not seen for longest is gone."""
        miner = self._miner
        changed, miner.changed_patterns = miner.changed_patterns, {}
        if len(miner.patterns) > self._patterns_max:
            age = {pattern_id: place for place, pattern_id in enumerate(self._seen)}
            oldest = sorted(miner.patterns.values(), key=lambda pattern: age.get(pattern.id, -1))
            for pattern in oldest[: len(oldest) - self._patterns_max * 9 // 10]:
                miner.remove(pattern)
                self._seen.pop(pattern.id, None)
            self._update_tests()
        if len(self._seen) > 2 * self._patterns_max + CREDIT_MAX:
            self._seen = {name: day for name, day in self._seen.items() if name in miner.patterns}
        forms = [(pattern, pattern.template.form) for pattern in changed.values()]
        return [KeptPattern(self._app, pattern.id, text_of(form), form, pattern.first_ns) for pattern, form in forms]

    def _update_tests(self) -> None:
        for node in self._miner.changed_nodes:
            if node in self._miner.nodes:
                self._tests[node] = tests_of(self._miner.nodes[node])
            else:
                self._tests.pop(node, None)
        self._miner.changed_nodes.clear()
        if self._miner.retired:
            self.by_shape.clear()
            self._miner.retired = False
