"""Rules of remote control for a query: whether one holds for the device that asks, from memory.

Loaded only where there is such a rule: most receivers never see one.
"""

from collections.abc import Callable, Collection, Sequence

from logkeep.event import Event
from logkeep.metastore.configuration import Question, Rule
from logkeep.query.device_parser import VERSION_FIELD, described, fields_of, granting, parse_device_query
from logkeep.query.match import matcher


class QueryRule:
    """What a sender says of itself counts for more than what its device told before.

    Where it says all that the query asks for, that decides, of any number of devices; else the device must be among
    those that were listed by what they told, and what it says must not speak against it.
    """

    def __init__(self, rule: Rule) -> None:
        self.rule = rule
        self._query = parse_device_query(rule.target)
        self._fields = fields_of(self._query)
        self._by_unsaid: dict[frozenset[str], Callable[[Event], bool]] = {}  # of two fields that may lack: 4 at most

    def applies(self, event: Event, said: frozenset[str], *, listed: bool) -> bool:
        """event: stands for what the sender says. said: the fields that it speaks of."""
        unsaid = self._fields - said
        if unsaid and not listed:
            return False
        matches = self._by_unsaid.get(unsaid)
        if matches is None:
            matches = self._by_unsaid[unsaid] = matcher(granting(self._query, unsaid))
        return matches(event)


def applying(rules: Sequence[QueryRule], question: Question, listed: Collection[Rule]) -> list[Rule]:
    """Those of `rules` that hold for whoever asks. listed: the rules that list its device."""
    told = (("device", question.device), ("user", question.user), (VERSION_FIELD, question.version))
    said = frozenset(field for field, text in told if text)
    texts = {"app_version": question.version}
    event = described(device=question.device, user=question.user, texts=texts, keys={})
    names = {rule.rule for rule in listed}
    return [one.rule for one in rules if one.applies(event, said, listed=one.rule.rule in names)]
