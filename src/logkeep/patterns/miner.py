"""Finds the template of a message that none of the known ones fits, and makes templates more general.

A tree of fixed depth (after Drain: He, Zhu, Zheng, Lyu, ICWS 2017): by number of pieces, then by the first word, then
the most similar template there. Unlike Drain it does not take two messages with different plain words for the same:
"session opened" and "session closed" are two. It takes EVIDENCE different words to make their place variable.

Slow (some 50 µs a message) and seldom called: index.py stands before it.
"""

import msgspec

from logkeep.patterns.template import Template, Word, id_of

# Found by trying on the eight files of the Loghub collection (python -m bench.patterns), where neighbours do as well.
SIMILARITY_MIN = 0.6  # of the words that are constant in both
EVIDENCE = 6  # different plain words at a place before it is variable
LIKENESS_MIN, MUCH_EVIDENCE = 0.3, 12  # the same for messages that are mostly free text: more of them are needed
# Bounds of a node and of a length: beyond them text is free, and what differs is variable.
SIBLINGS_MAX = 32  # templates of one length and first word
FIRST_WORDS_MAX = 128  # first words of one length

_NAMES_FOLLOW = frozenset([b"user", b"username", b"host", b"hostname"])  # the word after these names someone

Node = tuple[int, Word]  # pieces, first word


class Pattern(msgspec.Struct, gc=False):
    """id: of the form the template had when it was new; it stays when the template grows more general.

    first_ns: time of the event that made it, ns UTC.
    """

    id: str
    template: Template
    first_ns: int

    @property
    def node(self) -> Node:
        return (len(self.template.words), self.template.words[0])


class Miner:
    """The patterns of one app, by id and as the tree. What has changed gathers until the caller clears it."""

    def __init__(self, app: str) -> None:
        self._app = app
        self.patterns: dict[str, Pattern] = {}
        self.nodes: dict[Node, list[Pattern]] = {}
        self.changed_nodes: set[Node] = set()
        self.retired = False  # whether a pattern has gone
        self.changed_patterns: dict[str, Pattern] = {}
        self._first_words: dict[int, int] = {}

    def add(self, pattern: Pattern) -> None:
        """Puts a pattern that is known, or was made more general, where it belongs."""
        node = pattern.node
        siblings = self.nodes.setdefault(node, [])
        if not siblings:
            self._first_words[node[0]] = self._first_words.get(node[0], 0) + 1
        siblings.append(pattern)
        self.patterns[pattern.id] = pattern
        self.changed_nodes.add(node)

    def remove(self, pattern: Pattern) -> None:
        node = pattern.node
        siblings = self.nodes[node]
        siblings.remove(pattern)
        if not siblings:
            del self.nodes[node]
            self._first_words[node[0]] -= 1
        del self.patterns[pattern.id]
        self.retired = True
        self.changed_nodes.add(node)

    def find(self, text: str, time_ns: int) -> Pattern:
        """The pattern of a message, made if need be. text: bounded (shape.py). time_ns: of its event."""
        template = Template.of_text(text)
        best, kin = self._similar(template)
        if best is not None:
            return self._widened(best, best.template.generalised(template.words))
        for other in kin:
            template = template.generalised(other.template.words)
        for other in kin:
            self._retire(other, template)
        fresh = Pattern(id_of(self._app, template.form), template, time_ns)
        if fresh.id in self.patterns:  # one that was made of the same form and has grown since
            self.remove(self.patterns[fresh.id])
        self.add(fresh)
        self.changed_patterns[fresh.id] = fresh
        return fresh

    def _similar(self, template: Template) -> tuple[Pattern | None, list[Pattern]]:
        """The most similar pattern that differs in no plain word; else those that together make a variable of it."""
        best, best_share = None, 0.0
        similar: list[Pattern] = []
        alike: list[Pattern] = []
        n, first = len(template.words), template.words[0]
        siblings = self.nodes.get((n, first), [])
        for pattern in siblings if first is None else (*siblings, *self.nodes.get((n, None), ())):
            share, plain = compare(pattern.template, template)
            if share >= LIKENESS_MIN:
                alike.append(pattern)
                if share >= SIMILARITY_MIN and plain:
                    similar.append(pattern)
                elif share >= SIMILARITY_MIN and share > best_share:
                    best, best_share = pattern, share
        if best is None:
            for kin, enough in ((similar, EVIDENCE), (alike, MUCH_EVIDENCE), (siblings, SIBLINGS_MAX)):
                if len(kin) >= enough - 1:
                    return None, list(kin)
            if not siblings and self._first_words.get(n, 0) >= FIRST_WORDS_MAX:
                return None, self._of_length(n)
        return best, []

    def _of_length(self, n: int) -> list[Pattern]:
        """The patterns that are alone with their first word."""
        return [node[0] for (length, _), node in self.nodes.items() if length == n and len(node) == 1]

    def _widened(self, pattern: Pattern, template: Template) -> Pattern:
        if template.words != pattern.template.words:
            gone = self.retired
            self.remove(pattern)
            pattern.template = template
            self.add(pattern)
            self.retired = gone  # only moved
            self.changed_patterns[pattern.id] = pattern
        return pattern

    def _retire(self, pattern: Pattern, template: Template) -> None:
        """The pattern's events belong to a more general template from now on, and no new ones come to it."""
        self.remove(pattern)
        pattern.template = template
        self.changed_patterns[pattern.id] = pattern


def compare(mine: Template, other: Template) -> tuple[float, int]:
    """The share of equal words among those constant in both, and how many of the others are plain words in both.

    Plain: of letters only. A host name, a path or a number with its unit is none; nor is the name of someone.
    """
    same = different = plain = 0
    before: Word = None
    for place, (a, b) in enumerate(zip(mine.words, other.words, strict=True)):
        if a is not None and b is not None:
            if a == b:
                same += bool(a)
            else:
                different += 1
                plain += mine.pieces[place].isalpha() and other.pieces[place].isalpha() and before not in _NAMES_FOLLOW
        before = a
    return (same / (same + different) if different else 1.0), plain
