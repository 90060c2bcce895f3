"""Crashes of one cause have one fingerprint, whatever their version, build or run; those of two causes have two."""

import json
import re
from pathlib import Path

import pytest

from logkeep.patterns.fingerprint import of_crash, of_text, title_of
from logkeep.patterns.stacks import HALF_CHARS_MAX, LINES_MAX, clean_function, file_name, read_stack

CASES = json.loads((Path(__file__).parent / "stacks.json").read_text())
IDS = [case["name"] for case in CASES]


def one(case: dict) -> str:
    return of_crash("", case["traces"][0]).fingerprint


@pytest.mark.parametrize("case", CASES, ids=IDS)
def test_one_cause_has_one_fingerprint_over_versions_and_runs(case: dict) -> None:
    groups = {of_crash("", trace) for trace in case["traces"]}
    assert len(case["traces"]) > 1
    assert [group.where for group in groups] == [case["where"]]


def test_two_causes_have_two_fingerprints() -> None:
    assert len({one(case) for case in CASES}) == len(CASES)


@pytest.mark.parametrize("case", CASES, ids=IDS)
def test_the_frames_and_types_of_every_language_are_read(case: dict) -> None:
    sections = read_stack(case["traces"][0])
    assert [section.type for section in sections] == case["types"]
    assert [len(section.frames) for section in sections] == case["frames"]


@pytest.mark.parametrize("case", CASES, ids=IDS)
def test_the_title_is_the_line_a_person_would_say(case: dict) -> None:
    assert title_of(case["traces"][0]) == case["title"]


@pytest.mark.parametrize(
    ("stack", "title"),
    [
        (
            "FATAL EXCEPTION: main\nProcess: com.shop, PID: 123\njava.lang.RuntimeException: x\n\tat com.A.b(A.kt:1)",
            "java.lang.RuntimeException: x",
        ),
        ("FATAL EXCEPTION: AsyncTask #1\nPID: 7\njava.lang.Error: y\n\tat a.B.c(B.java:1)", "java.lang.Error: y"),
        ("Unhandled exception:\nBad state: x\n#0      Cart.pay (package:shop/cart.dart:12:5)", "Bad state: x"),
        ("Unhandled exception: out of memory\n", "Unhandled exception: out of memory"),
        ("Unhandled exception:\n#0      Cart.pay (package:shop/cart.dart:12:5)", "Cart.pay (cart.dart)"),
        ("FATAL EXCEPTION: main\n", "FATAL EXCEPTION: main"),
    ],
)
def test_what_a_platform_writes_above_every_crash_is_no_title(stack: str, title: str) -> None:
    assert title_of(stack) == title


def test_line_numbers_addresses_and_messages_do_not_matter() -> None:
    trace = CASES[0]["traces"][0]
    moved = re.sub(r"line \d+", "line 4711", trace)
    assert of_crash("", moved) == of_crash("", trace)


def test_a_recursion_is_named_by_what_repeats_wherever_it_stops() -> None:
    def overflow(depth: int, innermost: str) -> str:
        frames = ["\tat com.shop.Tree.left(Tree.java:10)", "\tat com.shop.Tree.right(Tree.java:20)"] * depth
        return "\n".join(["java.lang.StackOverflowError", innermost, *frames[: 2 * depth - 1]])

    inside = overflow(500, "\tat java.lang.Integer.valueOf(Integer.java:1)")
    outside = overflow(900, "\tat com.shop.Tree.helper(Tree.java:30)")
    assert of_crash("", inside).fingerprint == of_crash("", outside).fingerprint


@pytest.mark.parametrize(
    ("trace", "elsewhere"),
    [
        ("    at https://shop/app.3f2a1b9c.js:1:23456", ("23456", "99123")),
        ("1   Shop   0x0000000104a1b2c3 0x104a00000 + 111299", ("111299", "635587")),
        ("1   Shop   0x0000000104a1b2c3 Shop + 111299", ("111299", "635587")),
        ("./shop(+0x1b) [0x55d0c0a4bb1b]", ("0x1b", "0x2c")),
        ("./shop() [0x401136]", ("401136", "40222a")),
        ("    #0 0x55d0  (/srv/shop+0xa2b34)", ("a2b34", "a2c00")),
        ("#00 pc 0000000000012345  /data/app/libcart.so (BuildId: 0a1b)", ("12345", "54321")),
    ],
)
def test_where_nothing_has_a_name_the_place_in_its_build_tells_two_crashes_apart(
    trace: str, elsewhere: tuple[str, str]
) -> None:
    other = trace.replace(*elsewhere)
    assert read_stack(trace)[0].frames != [] and of_crash("", trace) != of_crash("", other)


@pytest.mark.parametrize(
    ("named", "without", "elsewhere"),
    [
        ("at pay (https://shop/app.js:1:23)", "at https://shop/lib.js:1:23456", ("23456", "99123")),
        ("0   Shop   0x0104a1b2c3 main + 4", "1   Shop   0x0104a1b2c3 0x104a00000 + 111299", ("111299", "635587")),
        ("./shop(main+0x20) [0x55d0c0a4bc20]", "./shop(+0x1b) [0x55d0c0a4bb1b]", ("0x1b", "0x2c")),
    ],
)
def test_places_of_a_build_do_not_matter_beside_names(named: str, without: str, elsewhere: tuple[str, str]) -> None:
    trace = f"{named}\n{without}"
    assert len(read_stack(trace)[0].frames) == 2
    assert of_crash("", trace) == of_crash("", trace.replace(*elsewhere))


def test_a_group_of_exceptions_is_named_by_itself_and_the_first_in_it_whoever_else_failed() -> None:
    def group(*parts: str) -> str:
        lines = ["  + Exception Group Traceback (most recent call last):", '  |   File "a.py", line 3, in settle']
        lines += ["  | ExceptionGroup: tasks (9 sub-exceptions)"]
        for number, part in enumerate(parts, 1):
            lines.append(f"  {'+-' if number == 1 else '  '}+---------------- {number} ----------------")
            lines += [f"    | {line}" for line in part.splitlines()]
        return "\n".join([*lines, "    +------------------------------------", ""])

    def failed(function: str) -> str:
        return f'Traceback (most recent call last):\n  File "b.py", line 1, in {function}\nshop.Declined: no'

    one = of_crash("", group(failed("charge")))
    assert one.where == "charge (b.py)"
    assert of_crash("", group(failed("charge"), "ValueError: x", failed("book"))) == one
    assert of_crash("", group(failed("book"), failed("charge"))) != one
    again = "\nThe above exception was the direct cause of the following exception:\n\nTraceback (most …):\n"
    raised = group(failed("charge")) + again + '  File "c.py", line 1, in top\nRuntimeError: again\n'
    assert of_crash("", raised).where == "top (c.py)" and title_of(raised) == "RuntimeError: again"


def test_without_a_stack_the_title_decides_but_for_its_numbers() -> None:
    assert of_crash("out of memory: 512 MB asked", "") == of_crash("out of memory: 1024 MB asked", "")
    assert of_crash("out of memory", "") != of_crash("disk full", "")
    assert of_text("order 17 failed") == of_text("order 4711 failed")


@pytest.mark.parametrize(
    ("name", "cleaned"),
    [
        ("com.shop.Cart$1.pay", "com.shop.Cart$.pay"),
        ("com.shop.Cart$$Lambda$14/0x00000008000c1.run", "com.shop.Cart$$Lambda.run"),
        ("com.shop.Cart$$EnhancerBySpringCGLIB$$1a2b3c.pay", "com.shop.Cart$$EnhancerBySpringCGLIB.pay"),
        ("lambda$pay$12", "lambda$pay"),
        ("com.sun.proxy.$Proxy42.pay", "com.sun.proxy.$Proxy.pay"),
        ("Cart.access$000", "Cart.access"),
        ("$s4Shop4CartC3payyyF", "$sShopCartCpayyyF"),
        ("", ""),
    ],
)
def test_what_is_generated_is_not_part_of_a_function_s_name(name: str, cleaned: str) -> None:
    assert clean_function(name) == cleaned


@pytest.mark.parametrize(
    ("place", "name"),
    [
        ("https://shop.example/assets/app.3f2a1b9c.js:1:2345", "app.js"),
        ("https://shop.example/assets/index-DfX9a2_b.js?v=3:1:2", "index.js"),
        ("webpack:///./src/cart.ts?1a2b", "cart.ts"),
        ("/srv/shop-1.4.2/cart.py", "cart.py"),
        (r"C:\shop\Cart.cs", "Cart.cs"),
        ("file:///data/app/com.shop-1/lib/libcart.so", "libcart.so"),
        ("payment-methods.js", "payment-methods.js"),
        ("", ""),
    ],
)
def test_what_a_bundler_adds_is_not_part_of_a_file_s_name(place: str, name: str) -> None:
    assert file_name(place) == name


@pytest.mark.parametrize(
    "text",
    [
        "\tat com.shop.Cart.pay(Cart.java:1)\n" * 100_000,
        "at " + "async " * 200_000,
        "at " * 300_000,
        "(" * 1_000_000,
        "a." * 500_000,
        "a::" * 300_000,
        "-1." * 300_000,
        "\n" * 1_000_000,
        '  File "' * 150_000,
        "#0 " * 300_000,
        "Caused by: X\n" * 80_000,
        "@" * 1_000_000,
        ("0 0x1 " + "a in " * 78 + "/\n") * 4_000,
        ("1" + " a" * 190 + " 0x12345678 b\n") * 4_000,
        ("#0 " + "(anonymous namespace)" * 18 + "\n") * 4_000,
        ("./a(" + "(" * 380 + "[0x1\n") * 4_000,
        "  + Exception Group Traceback\n" + "  | " * 300_000,
        "  + Exception Group Traceback\n" + "  +-+---- 1 ----\n    | X: \n" * 40_000,
        "x.\ud800\n" * 100_000,
        "\x00" * 1_000_000,
    ],
    ids=lambda text: repr(text[:12]),
)
def test_hostile_text_is_looked_at_within_bounds(text: str, request: pytest.FixtureRequest) -> None:
    looked_at = sum(len(section.frames) for section in read_stack(text))
    assert looked_at <= 4 * LINES_MAX
    group = of_crash("", text)
    assert len(group.fingerprint) == 16 and len(group.where) < 400
    assert of_crash("", text + "x" * 10) is not None
    assert len(title_of(text)) <= 300
    assert HALF_CHARS_MAX <= 128 << 10
