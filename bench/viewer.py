"""The viewer in Chromium: how much script, how soon it is there, how it scrolls, how a live tail leaves it.

    python -m bench.viewer [--events 120000] [--tail-s 600] [--result viewer.json]

The browser, the service and whoever sends are on the same machine, so on two cores they take from each other. Frames
are the times between two `requestAnimationFrame`s; an input's delay is from the event to its handler, as the browser
tells it.
"""

import argparse
import gzip
import json
import os
import threading
import time
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
from bench.__main__ import RESULTS, machine, show
from bench.pipeline.measures import quantiles, settle
from bench.pipeline.service import BenchService, resident_mb
from playwright.sync_api import Browser, BrowserContext, CDPSession, Page, sync_playwright

FLAGS = [
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
]  # fmt: skip
ROWS = 100_000
LOADS = 15  # of a load, two cores have 1.4 to 3 s of work: single ones tell little
SEARCHES = ("level>=warn", "component:checkout", "component:cart", "level:error", "component:gateway", "level:info")
TAIL_RATE = 2000
TAIL_BATCH = 200
TIMEOUT_MS = 300_000
ROW = ".row[data-row]"


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.viewer", description=__doc__.splitlines()[0])
    parser.add_argument("--events", type=int, default=120_000, help="events the store has")
    parser.add_argument("--tail-s", type=int, default=600, help="seconds of the live tail")
    parser.add_argument("--folder", type=Path, default=Path(__file__).parent / ".viewer", help="data of the service")
    parser.add_argument("--chromium", default="/usr/bin/chromium")
    parser.add_argument("--steps", default="script,first load,search,scroll,tail", help="of those of the default")
    parser.add_argument("--result", default="viewer.json", help="file name in bench/results")
    arguments = parser.parse_args()
    results: dict[str, Any] = {
        "command": f"python -m bench.viewer --events {arguments.events} --tail-s {arguments.tail_s}",
        "machine": machine() | {"load_average_before": round(os.getloadavg()[0], 1)},
        "steps": {},
    }
    with BenchService(arguments.folder) as service, sync_playwright() as tool:
        service.load(events=arguments.events, connections=2, batch=1000, days=1, seed=7)
        service.wait_until_drained()
        settle(service)  # what was loaded is merged for some seconds more
        browser = tool.chromium.launch(executable_path=arguments.chromium, args=FLAGS)
        context = signed_in(browser, service)
        steps = {
            "script": lambda: script(context),
            "first load": lambda: first_load(browser, context),
            "search": lambda: searches(context),
            "scroll": lambda: scroll(context, min(ROWS, arguments.events * 9 // 10)),
            "tail": lambda: tail(context, service, arguments.tail_s),
        }
        for name, step in steps.items():
            if name not in arguments.steps.split(","):
                continue
            print(f"\n{name}", flush=True)
            results["steps"][name] = step()
            show(results["steps"][name])
            (RESULTS / arguments.result).write_text(json.dumps(results, indent=1) + "\n")
        browser.close()
    return 0


def signed_in(browser: Browser, service: BenchService) -> BrowserContext:
    context = browser.new_context(base_url=service.api_url, viewport={"width": 1280, "height": 800})
    context.set_default_timeout(TIMEOUT_MS)
    page = context.new_page()
    page.goto("/sign-in")
    page.get_by_text("Sign in with an API token").click()
    page.get_by_label("API token").fill(service.secrets["api_token"])
    page.get_by_role("button", name="Sign in with token").click()
    page.locator(ROW).first.wait_for()
    page.close()
    return context


def script(context: BrowserContext) -> dict[str, Any]:
    """What the search page loads, and all there is."""
    page = context.new_page()
    loaded: set[str] = set()
    page.on("response", lambda answer: loaded.add(urlsplit(answer.url).path))
    page.goto("/app/")
    page.locator(ROW).first.wait_for()
    page.locator(".cm-content").wait_for()
    page.locator(".u-over").wait_for()
    names = [path.rpartition("/")[2] for path in loaded if path.endswith(".js")]
    page.close()
    folder = Path(__file__).parents[1] / "src/logkeep/api/static/viewer/assets"
    sizes = {path.name: len(gzip.compress(path.read_bytes(), 9)) for path in folder.glob("*.js")}
    return {
        "gzip_kb_of_the_search_page": round(sum(sizes[name] for name in names) / 1000, 1),
        "gzip_kb_of_all_pages": round(sum(sizes.values()) / 1000, 1),
        "files": len(names),
    }


# The first row that can be read, and the first that can be opened: those before the page have no number.
FIRST_ROWS = """window.firstRows = {};
const wanted = {read: '.rows-space .row', opened: '.row[data-row]'};
new MutationObserver((_, observer) => {
    for (const [name, place] of Object.entries(wanted)) {
        if (!document.querySelector(place)) continue;
        delete wanted[name];
        requestAnimationFrame(() => setTimeout(() => { window.firstRows[name] = performance.now(); }));
    }
    if (Object.keys(wanted).length) return;
    observer.disconnect();
    window.fetched = performance.getEntriesByType('resource').map(entry => new URL(entry.name).pathname);
}).observe(document, {childList: true, subtree: true});"""


def first_load(browser: Browser, context: BrowserContext) -> dict[str, Any]:
    """With nothing in the browser's cache: the first paint, the first row on the screen, the first that can be opened,
    each the frame after it is in the page, and what was fetched for it; `…_at_most` is when this program has seen it.
    """
    state = context.storage_state()
    paints, read, opened, seen, fetched = [], [], [], [], []
    for _ in range(LOADS):
        fresh = browser.new_context(
            base_url=address_of(context), viewport={"width": 1280, "height": 800}, storage_state=state
        )
        page = fresh.new_page()
        page.add_init_script(FIRST_ROWS)
        page.goto("/app/")
        page.locator(ROW).first.wait_for(timeout=TIMEOUT_MS)
        seen.append(page.evaluate("() => performance.now()"))
        page.wait_for_function("() => window.firstRows.opened")
        read.append(page.evaluate("() => window.firstRows.read"))
        opened.append(page.evaluate("() => window.firstRows.opened"))
        fetched.append(page.evaluate("() => window.fetched"))
        paints.append(page.evaluate("() => performance.getEntriesByName('first-contentful-paint')[0].startTime"))
        fresh.close()
    return {
        "first_paint_ms": quantiles(paints, 1),
        "first_row_ms": quantiles(read, 1),
        "first_row_to_open_ms": quantiles(opened, 1),
        "first_row_to_open_ms_at_most": quantiles(seen, 1),
        "fetched_before_the_first_row_to_open": fetched[0],
    }


# From the moment the answer is there to the frame that has its first row.
WATCH = """() => {
    window.shown = [];
    new PerformanceObserver(list => {
        for (const entry of list.getEntries()) {
            if (!entry.name.includes('/api/v1/search')) continue;
            const wait = () => {
                const isThere = document.querySelector('.row[data-row], .empty') && !window.old?.isConnected;
                if (!isThere) requestAnimationFrame(wait);
                else requestAnimationFrame(now => window.shown.push(now - entry.responseEnd));
            };
            wait();
        }
    }).observe({type: 'resource'});
}"""


def searches(context: BrowserContext) -> dict[str, Any]:
    """How long after the API's answer its rows are on the screen."""
    page = context.new_page()
    page.goto("/app/")
    page.locator(ROW).first.wait_for()
    page.locator(".cm-content").wait_for()
    page.evaluate(WATCH)
    for number, query in enumerate(SEARCHES, 1):
        page.evaluate("() => { window.old = document.querySelector('.row[data-row]'); }")
        page.locator(".cm-content").click()
        page.keyboard.press("Control+a")
        page.keyboard.type(query)
        page.keyboard.press("Escape")
        page.get_by_role("button", name="Search", exact=True).click()
        page.wait_for_function("n => window.shown.length >= n", arg=number)
    shown = page.evaluate("() => window.shown")
    page.close()
    return {"on_screen_after_the_answer_ms": quantiles(shown, 1)}


FRAMES = """() => {
    window.frames_ms = [];
    let before = performance.now();
    const step = now => {
        window.frames_ms.push(now - before);
        before = now;
        if (window.going) requestAnimationFrame(step);
    };
    window.going = true;
    requestAnimationFrame(step);
}"""


def scroll(context: BrowserContext, wanted: int) -> dict[str, Any]:
    """Through so many rows: first while they are loaded, then from end to end."""
    page = context.new_page()
    page.goto("/app/?from=all")
    page.locator(ROW).first.wait_for()
    rows = page.locator(".rows")
    began, count = time.monotonic(), 0
    while count < wanted:
        rows.evaluate("element => { element.scrollTop = element.scrollHeight }")
        page.wait_for_function("n => Number(document.querySelector('.rows').ariaRowCount) > n", arg=count)
        count = int(rows.get_attribute("aria-rowcount") or 0)
    loaded_s = time.monotonic() - began
    page.evaluate(FRAMES)
    rows.evaluate(
        """element => new Promise(done => {
            let left = 300;
            const step = () => {
                element.scrollTop = element.scrollHeight * (left % 100) / 100;
                left-- > 0 ? requestAnimationFrame(step) : done();
            };
            step();
        })"""
    )
    jumps = taken(page)
    page.evaluate(FRAMES)
    box = rows.bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + 300, box["y"] + 200)
    for _ in range(200):
        page.mouse.wheel(0, 240)
    steps = taken(page)
    in_page = page.locator(ROW).count()
    page.close()
    return {
        "rows": count,
        "rows_in_the_page": in_page,
        "loading_s": round(loaded_s, 1),
        "jumps_frame_ms": quantiles(jumps, 1) | {"over_50_ms": sum(f > 50 for f in jumps)},
        "wheel_frame_ms": quantiles(steps, 1) | {"over_50_ms": sum(f > 50 for f in steps)},
    }


def taken(page: Page) -> list[float]:
    frames: list[float] = page.evaluate("() => { window.going = false; return window.frames_ms.slice(1); }")
    return frames


DELAYS = """() => {
    window.delays = [];
    window.long_tasks = [];
    new PerformanceObserver(list => {
        for (const entry of list.getEntries()) window.long_tasks.push(entry.duration);
    }).observe({type: 'longtask'});
    document.addEventListener('keydown', event => window.delays.push(performance.now() - event.timeStamp), true);
}"""


def tail(context: BrowserContext, service: BenchService, seconds: int) -> dict[str, Any]:
    """TAIL_RATE events a second into a tail of everything: how long a key waits, and what the page holds.

    What the page itself keeps its thread busy with is told as well: a key also waits for a core that others have.
    """
    page = context.new_page()
    page.goto("/app/tail")
    page.locator(".live-live").wait_for()
    page.evaluate(DELAYS)
    session = context.new_cdp_session(page)
    stop = threading.Event()
    sender = threading.Thread(target=send, args=(service, stop))
    sender.start()
    heaps: list[float] = []
    resident: list[int] = []
    busy_before_s = measured(session, "TaskDuration")
    began = time.monotonic()
    try:
        while time.monotonic() - began < seconds:
            page.keyboard.press("Shift")
            page.wait_for_timeout(500)
            if time.monotonic() - began >= len(heaps) * seconds / 10:
                heaps.append(heap_mb(session))
                resident.append(renderers_mb(context))
    finally:
        stop.set()
        sender.join()
    took_s = time.monotonic() - began
    busy_s = measured(session, "TaskDuration") - busy_before_s
    delays, long_tasks = page.evaluate("() => [window.delays, window.long_tasks]")
    said = page.locator(".result-line").inner_text()
    page.close()
    return {
        "seconds": seconds,
        "input_delay_ms": quantiles(delays, 1),
        "tasks_over_50_ms_a_minute": round(len(long_tasks) * 60 / took_s, 1),
        "longest_task_ms": round(max(long_tasks, default=0.0)),
        "thread_of_the_page_busy_ms_a_second": round(busy_s * 1000 / took_s),
        "heap_mb_over_time": [round(heap, 1) for heap in heaps],
        "resident_mb_over_time": resident,  # of all pages and the worker that reads the tail
        "the_page_says": " ".join(said.split()),
    }


def send(service: BenchService, stop: threading.Event) -> None:
    headers = {"Authorization": f"Bearer {service.secrets['app_key']}"}
    number, due = 0, time.monotonic()
    with httpx.Client(headers=headers, timeout=30) as client:
        while not stop.is_set():
            batch = [
                {"session": f"tail-{n % 50}", "key": "tick", "component": "bench", "level": "info",
                 "value": f"request {n} of user u-{n % 977} answered 200 after {n % 311} ms by node-{n % 7}"}
                for n in range(number, number + TAIL_BATCH)
            ]  # fmt: skip
            client.post(f"{service.intake_url}/v1/events", json=batch)
            number += TAIL_BATCH
            due += TAIL_BATCH / TAIL_RATE
            stop.wait(max(0.0, due - time.monotonic()))


def heap_mb(session: CDPSession) -> float:
    session.send("HeapProfiler.collectGarbage")
    return measured(session, "JSHeapUsedSize") / 1e6


def renderers_mb(context: BrowserContext) -> int:
    assert context.browser is not None
    found = context.browser.new_browser_cdp_session().send("SystemInfo.getProcessInfo")["processInfo"]
    return sum(resident_mb(each["id"]) for each in found if each["type"] == "renderer")


def measured(session: CDPSession, name: str) -> float:
    session.send("Performance.enable")
    metrics = session.send("Performance.getMetrics")["metrics"]
    return float(next(each["value"] for each in metrics if each["name"] == name))


def address_of(context: BrowserContext) -> str:
    page = context.pages[0] if context.pages else context.new_page()
    if page.url == "about:blank":
        page.goto("/app/")
    parts = urlsplit(page.url)
    return f"{parts.scheme}://{parts.netloc}"


if __name__ == "__main__":
    raise SystemExit(main())
