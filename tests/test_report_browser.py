"""The page in a real browser: nothing missing, nothing fetched, nothing cut off."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from toy_runs import ToyRun, film

from vla_bench import report

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    if chromium is None:
        pytest.skip("no chromium: apt install chromium")
    with playwright.sync_playwright() as started:
        browser = started.chromium.launch(executable_path=chromium, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def html(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Long names, five policies, an incomplete one, an error and videos."""
    folder = tmp_path_factory.mktemp("runs")
    task = "put_the_extraordinarily_long_eggplant_in_the_yellow_basket"
    events = ["reached", "grasped", "lifted", "over_target", "placed_on_target"]
    card = {"tasks": {name: {"events": events} for name in (task, "lift")}, "source": "x" * 90}
    runs = []
    for i, letters in enumerate(("SSSS", "SSff", "fffS", "ffff", "SE..")):
        name = f"policy-with-a-name-of-some-length-{i}"
        session = {"command": "vla-bench eval " + "override=" * 30, "dirty": True}
        run = ToyRun({task: letters, "lift": "SfSf"}, name, card=card, session=session)
        runs.append(run.write(folder / name))
    film(runs[1], [f"{task}-0{i}-s0" for i in range(4)])
    return report.write(runs, folder / "out").html


def open_page(browser: Browser, html: Path, width: int, scheme: str = "light") -> Page:
    """The page as a person without a network sees it; fails when the console has errors."""
    context = browser.new_context(viewport={"width": width, "height": 900}, offline=True)
    page = context.new_page()
    page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
    troubles: list[str] = []
    page.on("console", lambda message: troubles.append(message.text))
    page.on("pageerror", lambda error: troubles.append(str(error)))
    page.on("requestfailed", lambda request: troubles.append(request.url[:80]))
    fetched: list[str] = []
    page.on("request", lambda request: fetched.append(request.url[:80]))
    page.goto(html.as_uri(), wait_until="load")
    assert troubles == []
    assert [url for url in fetched if not url.startswith("data:")] == [html.as_uri()[:80]]
    return page


@pytest.mark.parametrize("width", [390, 1280])
@pytest.mark.parametrize("opened", [False, True])
def test_nothing_is_wider_than_the_window(
    browser: Browser, html: Path, width: int, opened: bool
) -> None:
    page = open_page(browser, html, width)
    if opened:
        page.evaluate("document.querySelectorAll('details').forEach(d => d.open = true)")
    assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_table_and_figures_are_visible(browser: Browser, html: Path) -> None:
    page = open_page(browser, html, 1280)
    assert page.locator("#success table").first.is_visible()
    assert page.get_by_text("incomplete: 2 missing, 1 error").first.is_visible()
    boxes = [svg.bounding_box() for svg in page.locator(".wide svg").all()]
    assert boxes
    assert all(box and box["width"] > 600 and box["height"] > 100 for box in boxes)


def test_a_phone_gets_figures_of_its_own_width(browser: Browser, html: Path) -> None:
    page = open_page(browser, html, 390)
    assert not page.locator(".wide").first.is_visible()
    svg = page.locator(".narrow svg").first
    assert svg.is_visible()
    assert svg.evaluate("e => e.getBoundingClientRect().width / e.viewBox.baseVal.width") > 0.95


def test_labels_stay_inside_their_figures(browser: Browser, html: Path) -> None:
    for width, kind in ((1280, ".wide"), (390, ".narrow")):
        page = open_page(browser, html, width)
        outside = page.evaluate(
            """kind => [...document.querySelectorAll(kind + ' svg')].flatMap(svg => {
                const frame = svg.getBoundingClientRect();
                return [...svg.querySelectorAll('text')].filter(text => {
                    const box = text.getBoundingClientRect();
                    return box.left < frame.left - 1 || box.right > frame.right + 1;
                }).map(text => text.textContent);
            })""",
            kind,
        )
        assert outside == []


@pytest.mark.parametrize(("width", "kind"), [(1280, ".wide"), (390, ".narrow")])
def test_labels_do_not_lie_on_each_other(
    browser: Browser, html: Path, width: int, kind: str
) -> None:
    page = open_page(browser, html, width)
    overlapping = page.evaluate(
        """kind => [...document.querySelectorAll(kind + ' svg')].flatMap(svg => {
            const boxes = [...svg.querySelectorAll('text')].map(
                text => [text.textContent, text.getBoundingClientRect()]);
            return boxes.flatMap(([a, p], i) => boxes.slice(i + 1).filter(([, q]) =>
                Math.min(p.right, q.right) - Math.max(p.left, q.left) > 1 &&
                Math.min(p.bottom, q.bottom) - Math.max(p.top, q.top) > 4
            ).map(([b]) => [a, b]));
        })""",
        kind,
    )
    assert overlapping == []


def test_videos_decode(browser: Browser, html: Path) -> None:
    page = open_page(browser, html, 1280)
    videos = page.locator("video")
    assert videos.count() == 4
    for video in videos.all():
        assert video.get_attribute("poster", timeout=1000)
        page.wait_for_function("v => v.readyState >= 1", arg=video.element_handle())
        assert video.evaluate("v => [v.videoWidth, v.videoHeight]") == [64, 64]
        assert video.evaluate("v => [v.controls, v.muted, v.loop]") == [True, True, True]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_contrasts_with_its_ground(browser: Browser, html: Path, scheme: str) -> None:
    page = open_page(browser, html, 1280, scheme)
    ratios = page.evaluate(
        """() => {
            const light = color => {
                const [r, g, b] = color.match(/[0-9.]+/g).slice(0, 3).map(x => {
                    const v = x / 255;
                    return v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4;
                });
                return 0.2126 * r + 0.7152 * g + 0.0722 * b;
            };
            const ground = light(getComputedStyle(document.body).backgroundColor);
            return ['p', '.note', 'td', '.limits', '.incomplete .limits', 'a', '.wide text'].map(
                selector => {
                    const style = getComputedStyle(document.querySelector(selector));
                    const ink = light(selector.endsWith('text') ? style.fill : style.color);
                    const [low, high] = [ink, ground].sort((a, b) => a - b);
                    return [selector, (high + 0.05) / (low + 0.05)];
                });
        }"""
    )
    assert [(name, ratio) for name, ratio in ratios if ratio < 4.5] == []  # WCAG 2.1, level AA
