"""Laws of the report in a browser: whole and legible on any screen, by keyboard, and on paper."""

import re
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

import report_samples as samples
from foretell import report as r

CHROMIUM = Path("/usr/bin/chromium")
SWITCHES = (
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"),
    *("--disable-component-update", "--disable-sync"),
)
PAGES = {"full": samples.full, "bare": samples.bare}


@pytest.fixture(scope="module")
def browser():
    if not CHROMIUM.exists():
        pytest.skip(f"no browser at {CHROMIUM}")
    playwright = pytest.importorskip("playwright.sync_api")
    with playwright.sync_playwright() as started:
        running = started.chromium.launch(executable_path=str(CHROMIUM), args=list(SWITCHES))
        yield running
        running.close()


CONTRAST = """() => {
  const parse = (colour) => {
    const parts = colour.match(/[\\d.]+/g).map(Number);
    return parts.length < 4 ? [...parts, 1] : parts;
  };
  const light = ([red, green, blue]) => {
    const [r, g, b] = [red, green, blue].map((part) => {
      const share = part / 255;
      return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const behind = (element) => {
    for (let at = element; at; at = at.parentElement) {
      const colour = parse(getComputedStyle(at).backgroundColor);
      if (colour[3] === 1) return colour;
    }
    return [255, 255, 255, 1];
  };
  const faint = [];
  let seen = 0;
  for (const element of document.querySelectorAll("body *")) {
    const own = [...element.childNodes].some((node) => node.nodeType === 3 && node.data.trim());
    if (!own || element.closest("title") || !element.getClientRects().length) continue;
    seen += 1;
    const style = getComputedStyle(element);
    const text = parse(element.closest("svg") ? style.fill : style.color);
    const [high, low] = [light(text), light(behind(element))].sort((a, b) => b - a);
    const ratio = (high + 0.05) / (low + 0.05);
    if (ratio < 4.5) faint.push([element.tagName, element.className, element.textContent, ratio]);
  }
  return { seen, faint };
}"""


@pytest.mark.parametrize("make", PAGES.values(), ids=PAGES)
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1280])
def test_a_browser_shows_it_whole_and_legible_without_any_request(browser, tmp_path, make, scheme, width):
    r.write(make(), tmp_path / "report.html")
    address = (tmp_path / "report.html").as_uri()
    tab = browser.new_page(viewport={"width": width, "height": 800}, color_scheme=scheme)
    said, asked = [], []
    tab.on("console", lambda message: said.append(message.text))
    tab.on("pageerror", lambda error: said.append(str(error)))
    tab.on("request", lambda request: asked.append(request.url))
    tab.goto(address)
    tab.evaluate("document.querySelectorAll('details').forEach((item) => { item.open = true })")
    assert tab.evaluate("document.documentElement.scrollWidth") <= width
    contrast = tab.evaluate(CONTRAST)
    dark = tab.evaluate("getComputedStyle(document.body).backgroundColor") != "rgb(253, 253, 251)"
    tab.close()
    assert contrast["seen"] > 50 and contrast["faint"] == []
    assert dark == (scheme == "dark")
    assert said == [] and asked == [address]


def test_a_sentence_opens_by_keyboard_with_the_facts_it_rests_on(browser, tmp_path):
    made = samples.full()
    r.write(made, tmp_path / "report.html")
    context = browser.new_context(java_script_enabled=False)
    tab = context.new_page()
    tab.goto((tmp_path / "report.html").as_uri())
    claim = tab.locator("details.claim").first
    assert not claim.locator(".basis").is_visible()
    claim.locator("summary").focus()
    tab.keyboard.press("Enter")
    assert claim.locator(".basis").is_visible()
    assert "69.9%" in claim.locator(".basis").inner_text()
    context.close()


def test_paper_is_light_and_shows_the_whole_evidence(browser, tmp_path):
    r.write(samples.full(), tmp_path / "report.html")
    tab = browser.new_page(color_scheme="dark")
    tab.goto((tmp_path / "report.html").as_uri())
    tab.emulate_media(media="print", color_scheme="dark")
    assert tab.evaluate("getComputedStyle(document.documentElement).getPropertyValue('--ink')") == "#1b1e22"
    assert tab.locator("table.evidence").first.is_visible()
    assert not tab.locator("nav").is_visible()
    tab.close()


def longer(example: r.Example, times: int) -> r.Example:
    """Return the same case with some of its sentences told again and again."""
    case = example.case
    claims = case.narrative.claims + case.narrative.claims[1:3] * times
    return replace(example, case=replace(case, narrative=replace(case.narrative, claims=claims)))


@pytest.mark.parametrize("times", range(0, 8, 2))
def test_no_printed_page_is_empty_or_holds_headings_alone(browser, tmp_path, times):
    reader = shutil.which("pdftotext")
    if reader is None:
        pytest.skip("no pdftotext to read the print with")
    made = samples.full()
    made = replace(made, examples=tuple(longer(example, times) for example in made.examples[:2]))
    r.write(made, tmp_path / "report.html")
    tab = browser.new_page()
    tab.goto((tmp_path / "report.html").as_uri())
    tab.pdf(path=tmp_path / "report.pdf", prefer_css_page_size=True)
    tab.close()
    text = subprocess.run([reader, tmp_path / "report.pdf", "-"], capture_output=True, text=True, check=True)
    pages = text.stdout.split("\f")[:-1]
    headings = re.findall(r"<h[234][^>]*>(?:<bdi>)?([^<]+)", r.render(made))
    assert len(pages) > 6
    for number, page in enumerate(pages, 1):
        lines = [line for line in page.splitlines() if line.strip() and line != str(number)]
        assert len(lines) > 4, f"page {number} is all but empty: {lines}"
        assert lines[-1] not in headings, f"page {number} ends with the heading {lines[-1]}"
    assert any("Example cases" in page and "Case 1: " in page for page in pages)
