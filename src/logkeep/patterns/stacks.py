"""A stack trace as text, in the formats of many languages, to the frames that name the place of a crash.

Read line by line with anchored expressions that try nothing twice, over a bounded part of the text, so that a hostile
one costs no more than a long one. What changes from run to run or from build to build is left out of a frame: line
numbers, addresses, hosts and folders, hashes in file names, the numbers of generated classes. Where nothing has a name,
in a program without symbols or a minified script, the place in that build is all there is to tell two crashes apart.
"""

import re
from collections.abc import Callable, Iterator, Sequence

import msgspec

HALF_CHARS_MAX = 32 << 10  # of a longer text its first and its last part are read: one of them has the place
LINES_MAX = 1_000  # of each half
LINE_CHARS_MAX = 400
NAME_CHARS_MAX = 120  # of a file or function: what is looked for in it costs its square
SECTIONS_MAX = 16  # exceptions chained to each other: the last ones are kept
MINIFIED_COLUMN_MIN = 200  # of a script's line: longer ones are no person's


class Frame(msgspec.Struct, frozen=True, gc=False):
    """function: with its class where the language writes it so; `?+OFFSET` in a file without names, and
    `<anonymous>:COLUMN` in a minified script without any. file: its last part; "" when it is not told."""

    function: str
    file: str = ""
    own: bool = True  # of the program, not of its language or platform

    def __str__(self) -> str:
        return f"{self.function} ({self.file})" if self.file else self.function


class Section(msgspec.Struct):
    """One exception and its frames, innermost first. type: "" when it is not told."""

    type: str = ""
    frames: list[Frame] = []


# Java, Kotlin, Scala: `at java.base/com.shop.Cart$1.pay(Cart.java:12)`
_java = re.compile(r"\s*at (?:[\w.@-]*/{1,2})?([\w$.<>-]+)\(([^()]*)\)").match
# JavaScript in V8: `at async Cart.pay (https://shop/app.3f2a1b.js:1:23)`, `at https://shop/app.js:1:23`
_v8 = re.compile(r"\s*at (?:async |new )?([^()]*?) ?\(([^()]*)(?:\)|\(|$)").match
_v8_bare = re.compile(r"\s*at (?:async )?((?:\w+:)?/[^\s()]*|<anonymous>|\w:[^\s()]*|node:[^\s()]*)$").match
# Firefox and Safari: `pay@https://shop/app.js:1:23`, `[native code]`
_gecko = re.compile(r"\s*([^@\s]*(?: code)?)@((?:[\w.+-]+:)?/[^\s]*|\[native code\]|[\w:/.-]+:\d+:\d+)$").match
# Python: `File "/srv/shop/cart.py", line 12, in pay`
_python = re.compile(r'\s*File "([^"]*)", line \d+(?:, in (.*))?').match
# Apple: `3   Shop   0x0000000104 -[Cart pay:] + 20`, `$s4Shop4CartC3payyyF + 12`; also of `My Shop`
_apple = re.compile(
    r"\s*\d+\s+(\S+|\S+(?: \S+){1,5}(?=\s+0x[0-9a-fA-F]{8,16}\s+\S.* \+ \d))\s+0x[0-9a-fA-F]+\s+(.*)"
).match
# Swift elsewhere: `0 [ra] 0x0000005581 Cart.pay() + 123 in shop at /src/Cart.swift:12:5`
_swift = re.compile(
    r"\s*\d+\s+(?=0x|\[)((?:\[(?:ra|async|inlined|system|thunk)\]\s+)*)(?:0x[0-9a-fA-F]+\s+)?"
    r"(\S.*) in ([^\s/]+(?: [^\s/]+){0,5}?)(?: at (.*))?$"
).match
# Android's native code: `#00 pc 000000000004a2b4  /system/lib64/libc.so (abort+164)`
_tombstone = re.compile(r"\s*#\d+\s+pc ([0-9a-f]+)\s+(\S+)(?:\s+\((?!BuildId: |offset )(.*)\))?").match
# glibc: `./shop(_ZN4Cart3payEi+0x1b) [0x55d0c0a4b1b]`, `./shop(+0x1b) [0x55d0]`, `./shop() [0x401136]`
_glibc = re.compile(r"\s*(?:#?\d+:?\s+)?([^\s()]+)\(([^+\[]*)(?:\+(0x[0-9a-f]+))?\) ?\[(0x[0-9a-f]+)\]$").match
# Sanitizers without symbols: `#0 0x4a2b34  (/srv/shop+0xa2b34)`
_sanitizer = re.compile(r"\s*#\d+ 0x[0-9a-f]+\s+\((\S+)\+(0x[0-9a-f]+)\)").match
# gdb, Dart, PHP: `#0  0x7f in pay () from /lib/x.so`, `#0 Cart.pay (package:shop/cart.dart:1:2)`, `#0 a.php(3): f()`
_gdb = re.compile(
    r"\s*#\d+\s+(?:0x[0-9a-fA-F]+ in )?((?:\(anonymous namespace\)|[^()])*?) ?\((?!anonymous n)([^()]*)\)"
    r"(?: at | from )?(\S*)"
).match
_php = re.compile(r"\s*#\d+ ([^\s()]*)\(\d+\): ([^()]*)").match
# .NET: `at Shop.Cart.Pay(Int32 amount) in C:\shop\Cart.cs:line 12`
_dotnet = re.compile(r"\s*at ([\w.`<>+\[\],$|]+)\([^()]*\) in (.*?):line \d+").match
# Go: `main.(*Cart).Pay(0xc000, 0x2)`, `main.Map[...](...)` and the file in the line after it
_go = re.compile(
    r"((?:[\w.-]+/)*[\w-]+\.(?:\(\*?\w+(?:\[\.\.\.\])?\)\.)?[\w.]+(?:\[\.\.\.\][\w.]*)?)"
    r"\((?:0x[0-9a-f]|\.\.\.|\{|\)).*"
).match
_go_file = re.compile(r"\s+(/\S*|\w:\S*)\.go:\d+").match
# Ruby: `app/cart.rb:12:in 'Cart#pay'`; Rust: `3: shop::cart::pay::h0123456789abcdef`
_ruby = re.compile(r"\s*(?:from )?([^\s:]+\.rb):\d+:in [`'](.*?)'").match
_rust = re.compile(r"\s*\d+:\s+(?:0x[0-9a-f]+ - )?([\w<>{}$.]+(?:::[\w<>{}$.]+)+)").match

_TYPE = r"[A-Za-z_$][\w$]*(?:[.:\\/]+[A-Za-z_$][\w$]*)*"
_caused = re.compile(rf"\s*(?:Caused by|Suppressed|Wrapped by): ({_TYPE})").match
_thrown = re.compile(
    rf'(?:Exception in thread "[^"]*" |Uncaught |Unhandled [A-Za-z ]*: |FATAL EXCEPTION: )?({_TYPE})(?::|$)'
).match
_named_error = re.compile(
    r"(?:Error|Exception|Throwable|Failure|Fault|Interrupt|Exit|Warning|Panic|Timeout)\d*$"
).search
_panic = re.compile(
    r"(?:panic:|[Ff]atal error:|thread '[^']*' panicked|signal \d+"
    r"|\*\*\* Terminating app due to uncaught exception '([^']*)')"
).match
_apart = re.compile(
    r"\s*(?:During handling of the above exception|The above exception was the direct cause|\+-\+-+ 1 -)"
).match
# Python's exception groups: `  +-+---- 1 ----`, `    +---- 2 ----`; what stands in them has `| ` before it.
_group = "+ Exception Group Traceback"
_group_part = re.compile(r"(\s*)\+(?:-\+)?-+ (\d+|\.\.\.) -").match
_group_line = re.compile(r"\s*(?:\| ?|\+ )").match

_PLATFORM = (
    "java.", "javax.", "jdk.", "sun.", "com.sun.", "kotlin.", "kotlinx.", "scala.", "dalvik.", "libcore.",
    "android.", "androidx.", "com.android.", "System.", "Microsoft.", "runtime.", "std::", "core::", "alloc::",
)  # fmt: skip
_PLATFORM_FILES = (
    "node:", "internal/", "[native code]", "<frozen ", "/usr/lib/", "/system/", "/apex/", "dart:", "<anonymous>",
)  # fmt: skip
_LIBRARY_FOLDERS = ("/site-packages/", "/dist-packages/", "/node_modules/", "/lib/python", "/gems/", "/vendor/")
_APPLE_LIBRARIES = frozenset(
    (
        "AppKit", "AttributeGraph", "CFNetwork", "CoreFoundation", "CoreGraphics", "Foundation", "GraphicsServices",
        "QuartzCore", "SwiftUI", "UIKit", "UIKitCore", "dyld", "libc++abi.dylib", "libdispatch.dylib",
        "libobjc.A.dylib", "libswiftCore.dylib", "libsystem_c.dylib", "libsystem_kernel.dylib",
        "libsystem_pthread.dylib",
    )
)  # fmt: skip


_LINUX_LIBRARIES = (
    "ld-linux", "libFoundation", "libc.so", "libdispatch.so", "libgcc_s", "libm.so", "libpthread", "libstdc++",
    "libswift",
)  # fmt: skip


def read_stack(text: str) -> list[Section]:
    """The exceptions in the order they stand, SECTIONS_MAX at most. No frames at all: [] or types alone."""
    sections: list[Section] = [Section()]
    python, go_waits = False, False
    for line in lines_of(text):
        found = _frame(line)
        if found is not None:
            frame, reader = found
            if reader is _python and not python:
                python = True
            sections[-1].frames.append(frame)
            go_waits = reader is _go
            continue
        if go_waits and (place := _go_file(line)) is not None:
            last = sections[-1].frames[-1]
            sections[-1].frames[-1] = Frame(last.function, file_name(place[1] + ".go"), last.own)
            go_waits = False
            continue
        _read_other(sections, line, python)
    if python:
        for section in sections:
            section.frames.reverse()
    for section in sections:
        section.frames = _without_places(section.frames)
    return [section for section in sections if section.type or section.frames][-SECTIONS_MAX:]


def is_frame(line: str) -> bool:
    """Whether the line is a frame in one of the formats."""
    return _frame(line[:LINE_CHARS_MAX]) is not None


def _read_other(sections: list[Section], line: str, python: bool) -> None:
    """A line that is no frame: the name of an exception, or what stands between two of them."""
    if _apart(line):
        sections.append(Section())
        return
    if (caused := _caused(line)) is not None:
        sections.append(Section(clean_function(caused[1])))
        return
    last = sections[-1]
    if (panic := _panic(line)) is not None and not last.type:
        last.type = panic[1] or "panic"
        return
    thrown = _thrown(line) if line[:1] not in (" ", "\t", "") else None
    if thrown is None or not (_named_error(thrown[1]) or (python and last.frames)):
        return
    if not last.type:  # before its frames; in Python behind them
        last.type = clean_function(thrown[1])
    elif last.frames and not python:  # a second trace in the same text
        sections.append(Section(clean_function(thrown[1])))


def is_group(text: str) -> bool:
    """Whether it is a trace of one of Python's exception groups."""
    return _group in text[:HALF_CHARS_MAX]


def lines_of(text: str) -> list[str]:
    """The lines that are looked at; of an exception group those of the first exception in it, and none of its tree."""
    lines = _lines(text)
    return list(_first_of_group(lines)) if is_group(text) else lines


def _first_of_group(lines: Sequence[str]) -> Iterator[str]:
    """What failed first is why; how many tasks failed with it, or were ended for it, is chance."""
    left_out: int | None = None  # the column of parts that are
    for line in lines:
        column = len(line) - len(line.lstrip())
        if left_out is not None and column < left_out:
            left_out = None
        part = _group_part(line)
        if part is not None and left_out is None and part[2] != "1":
            left_out = column
        if left_out is None:
            mark = _group_line(line) if part is None else None
            yield line[mark.end() :] if mark is not None else line


def _without_places(frames: list[Frame]) -> list[Frame]:
    """Where names tell a place, offsets and columns do not, for they are of one build: a script's where any function
    has a name, those of a program or library where one in it has."""
    named = [frame for frame in frames if _placed(frame.function) is None and frame.function not in _NAMELESS]
    own = [frame for frame in named if frame.own]
    files = {frame.file for frame in named}
    found = []
    for frame in frames:
        placed = _placed(frame.function)
        if placed is not None and (own if placed[1] == "<anonymous>" else frame.file in files):
            frame = Frame(placed[1], frame.file, frame.own)
        found.append(frame)
    return found


def _lines(text: str) -> list[str]:
    halves = [text] if len(text) <= 2 * HALF_CHARS_MAX else [text[:HALF_CHARS_MAX], text[-HALF_CHARS_MAX:]]
    found: list[str] = []
    for half in halves:
        lines = half.splitlines()
        kept = lines if len(lines) <= 2 * LINES_MAX else lines[:LINES_MAX] + lines[-LINES_MAX:]
        found += [line[:LINE_CHARS_MAX].rstrip() for line in kept]
    return found


_Match = re.Match[str]
_Reader = Callable[[str], _Match | None]


def _frame(line: str) -> tuple[Frame, _Reader] | None:
    for marks, reader, make in _FORMATS:
        if any(mark in line for mark in marks) and (found := reader(line)) is not None:
            frame = make(found)
            if frame is not None:
                return frame, reader
    return None


def _of_java(found: _Match) -> Frame | None:
    place = found[2]
    if "/" in place or place.startswith(("<", "node:")) or ("." not in found[1] and "<" not in found[1]):
        return None  # JavaScript's
    file = place.partition(":")[0]
    if file and not file.endswith((".java", ".kt", ".scala", ".groovy", ".clj")):
        if file not in ("Unknown Source", "Native Method", "SourceFile", "NULL", "D8$$SyntheticClass"):
            return None
        file = ""
    function = clean_function(found[1])
    return Frame(function, file, not function.startswith(_PLATFORM))


def _of_v8(found: _Match) -> Frame:
    return _of_script(found[1], found[2])


def _of_v8_bare(found: _Match) -> Frame:
    return _of_script("", found[1])


def _of_gecko(found: _Match) -> Frame:
    return _of_script(found[1], found[2])


def _of_script(function: str, place: str) -> Frame:
    function = function.removeprefix("Object.").removeprefix("global code").replace("/<", "").strip()
    name = clean_function(function)
    if not name and (column := _column(place)) is not None and int(column[1]) >= MINIFIED_COLUMN_MIN:
        name = f"<anonymous>:{column[1]}"
    return Frame(name or "<anonymous>", file_name(place), _is_own(place))


def _of_python(found: _Match) -> Frame:
    return Frame(clean_function(found[2] or "<module>"), file_name(found[1]), _is_own(found[1]))


def _of_apple(found: _Match) -> Frame:
    binary, symbol = found[1], found[2]
    function = _swift_function(re.sub(r" \+ \d+.*$", "", symbol))
    if (offset := _offset(symbol)) is not None and (offset[1] == binary or offset[1].startswith("0x")):
        function = f"{function}+{offset[2]}"  # the name of the binary, or where it was loaded: no symbol
    return Frame(function, binary, binary not in _APPLE_LIBRARIES)


def _of_swift(found: _Match) -> Frame:
    marks, symbol, binary, place = found[1], found[2], found[3], found[4] or ""
    own = "system" not in marks and not binary.startswith(_LINUX_LIBRARIES)
    symbol = re.sub(r" \+ \d+$", "", symbol)
    return Frame(_swift_function(symbol), file_name(place) if "." in place else binary, own)


def _swift_function(symbol: str) -> str:
    symbol = re.sub(r"^(?:static |partial apply for |closure #\d+ in |specialized |@objc |thunk for )+", "", symbol)
    return "?" if symbol.startswith("0x") else clean_function(symbol)


def _of_tombstone(found: _Match) -> Frame:
    offset, path, symbol = found[1], found[2], found[3]
    function = clean_function(symbol.rpartition("+")[0] or symbol) if symbol else f"?+0x{offset.lstrip('0') or '0'}"
    return Frame(function, file_name(path), not path.startswith(_PLATFORM_FILES))


def _of_glibc(found: _Match) -> Frame:
    path, symbol, offset, address = found[1], found[2], found[3], found[4]
    function = clean_function(symbol) or f"?+{offset or address}"  # without an offset it is where it was linked for
    name = path.rpartition("/")[2]
    return Frame(function, file_name(path), _is_own(path) and not name.startswith(_LINUX_LIBRARIES))


def _of_sanitizer(found: _Match) -> Frame:
    return Frame(f"?+{found[2]}", file_name(found[1]), _is_own(found[1]))


def _of_gdb(found: _Match) -> Frame | None:
    function = clean_function(found[1])
    place = found[2] if ":" in found[2] or "/" in found[2] else found[3]
    return Frame(function, file_name(place), _is_own(place)) if function else None


def _of_php(found: _Match) -> Frame:
    return Frame(clean_function(found[2]), file_name(found[1]), _is_own(found[1]))


def _of_dotnet(found: _Match) -> Frame:
    function = clean_function(found[1])
    return Frame(function, file_name(found[2]), not function.startswith(_PLATFORM))


def _of_go(found: _Match) -> Frame:
    function = clean_function(found[1])
    return Frame(function, "", not function.startswith(_PLATFORM))


def _of_ruby(found: _Match) -> Frame:
    return Frame(clean_function(found[2]), file_name(found[1]), _is_own(found[1]))


def _of_rust(found: _Match) -> Frame:
    function = re.sub(r"::h[0-9a-f]{16}$", "", found[1])
    return Frame(clean_function(function), "", not function.startswith(_PLATFORM))


# In this order: the stricter ones first. Before the expression a line is looked at for one of these texts.
_FORMATS: tuple[tuple[tuple[str, ...], _Reader, Callable[[_Match], Frame | None]], ...] = (
    (('File "',), _python, _of_python),
    ((":line ",), _dotnet, _of_dotnet),
    (("at ",), _java, _of_java),
    (("at ",), _v8, _of_v8),
    (("at ",), _v8_bare, _of_v8_bare),
    ((" pc ",), _tombstone, _of_tombstone),
    (("[0x",), _glibc, _of_glibc),
    (("+0x",), _sanitizer, _of_sanitizer),
    (("): ",), _php, _of_php),
    (("#",), _gdb, _of_gdb),
    ((" in ",), _swift, _of_swift),
    ((" 0x", "\t0x"), _apple, _of_apple),
    (("@",), _gecko, _of_gecko),
    ((".rb:",), _ruby, _of_ruby),
    (("::",), _rust, _of_rust),
    (("(",), _go, _of_go),
)


def _is_own(place: str) -> bool:
    return not place.startswith(_PLATFORM_FILES) and not any(folder in place for folder in _LIBRARY_FOLDERS)


_generated = re.compile(
    r"(\$\$(?:Lambda|EnhancerBy[A-Za-z]+|FastClassBy[A-Za-z]+|SpringCGLIB|ExternalSyntheticLambda|Nest))[$\w/]*"
    r"|(\$Proxy|GeneratedMethodAccessor|GeneratedConstructorAccessor|lambda\$[\w]*?|access)\$?\d+(?:/0x[0-9a-f]+)?"
)
_NAMELESS = ("?", "<anonymous>")
# A place after a name that has no digits any more: `?+0x1b`, `Shop+111299`, `<anonymous>:23456`.
_placed = re.compile(r"(.*)[:+](?:0x[0-9a-f]+|\d+)").fullmatch
_offset = re.compile(r"(.*?) \+ (\d+)").match
_column = re.compile(r".*:\d{1,9}:(\d{1,9})$").match
_line_numbers = re.compile(r"(?::\d{1,9}){1,3}$")
_numbers = re.compile(r"0x[0-9a-fA-F]+|\d+")
_hash_in_name = re.compile(
    r"[.~_-](?=[\w-]*\d)[0-9A-Za-z_-]{5,64}(?=\.)|[.~-][0-9a-fA-F]{5,64}(?=\.)|[.-][A-Za-z0-9_-]{8}(?=\.\w{2,4}$)"
)


def clean_function(name: str) -> str:
    """A function's name without what a compiler, a proxy or the run has added to it."""
    name = _generated.sub(lambda found: found[1] or found[2], name[:NAME_CHARS_MAX])
    return _numbers.sub("", name).rstrip("$.").strip()


def file_name(place: str) -> str:
    """The last part of a path or address, without line, query and what a bundler puts into it."""
    place = place.strip().partition("?")[0].partition("#")[0]
    name = _line_numbers.sub("", re.split(r"[/\\]", place)[-1][-NAME_CHARS_MAX:])
    return _numbers.sub("", _hash_in_name.sub("", name))
