"""Take the README's pictures from the demo's report: `make demo`, then run this with .venv/bin/python."""

from pathlib import Path

from playwright.sync_api import sync_playwright

ROOT = Path(__file__).parents[1]
REPORT = ROOT / "runs" / "demo" / "report.html"
PICTURES = ROOT / "docs" / "pictures"
ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"]


def main() -> None:
    """Write docs/pictures/case.png and report.png, with Debian's chromium or the one on the path."""
    PICTURES.mkdir(parents=True, exist_ok=True)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=ARGUMENTS)
        page = browser.new_page(viewport={"width": 1180, "height": 1000})
        page.goto(REPORT.as_uri())
        case = page.locator("article").nth(1).bounding_box()
        assert case is not None, "the report shows no cases"
        margin = 24
        page.screenshot(
            path=PICTURES / "case.png",
            clip={
                "x": case["x"] - margin,
                "y": case["y"],
                "width": case["width"] + 2 * margin,
                "height": case["height"],
            },
            full_page=True,
        )
        page.evaluate("for (const id of ['data', 'leaderboard']) document.getElementById(id).hidden = true")
        height = page.locator("#factors").bounding_box()
        assert height is not None, "the report has no section on factors"
        page.screenshot(
            path=PICTURES / "report.png",
            clip={"x": 0, "y": 0, "width": 1180, "height": height["y"]},
            full_page=True,
        )
        browser.close()


if __name__ == "__main__":
    main()
