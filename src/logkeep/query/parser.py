"""Text → tree, the way in: a filter, then stages, each after a `|`.

    query   = filter { "|" stage }

The filter is read by filter_parser.py, the stages by pipe_parser.py, both over one scanner.py; printer.py is the way
back. Any text at all gives a tree or raises QuerySyntaxError, whose column counts characters from 1.
docs/reference/query-language.md is for those who write queries.
"""

from logkeep.query import ast
from logkeep.query.filter_parser import FilterParser
from logkeep.query.pipe_parser import PipeParser
from logkeep.query.scanner import QUERY_CHARS_MAX, Scanner
from logkeep.query.stages import Statement


def parse(text: str, *, chars_max: int = QUERY_CHARS_MAX) -> ast.Query:
    """The filter `text`; All() when it is blank. A `|` is refused: for where events are asked about one by one."""
    return FilterParser(Scanner(text, chars_max), pipes=False).whole()


def parse_statement(text: str, *, chars_max: int = QUERY_CHARS_MAX) -> Statement:
    """The filter and the stages of `text`."""
    scan = Scanner(text, chars_max)
    condition = FilterParser(scan, pipes=True).whole()
    return Statement(condition, PipeParser(scan).stages())
