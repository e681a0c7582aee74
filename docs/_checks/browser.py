"""Opens every page of the built site, wide and as on a phone, light and dark.

Fails if a page scrolls sideways, an image or a formula is not shown, or the browser complains.

Usage: python browser.py [--shots FOLDER] SITE [PAGE ...]
"""

import argparse
import shutil
import sys
from pathlib import Path

from selenium import webdriver
from selenium.webdriver.chrome.service import Service

SIZES = {"wide": (1280, 900), "phone": (390, 844)}
# What is not right about the page that is open; [] if all is.
_LOOK = """
const done = arguments[0];
const look = async () => {
  if (window.MathJax?.startup?.promise) await MathJax.startup.promise;
  const found = [];
  const page = document.documentElement;
  if (page.scrollWidth > window.innerWidth)
    found.push(`scrolls sideways: ${page.scrollWidth} > ${window.innerWidth} pixels`);
  for (const image of document.images) {
    image.loading = "eager";
    await image.decode().catch(() => found.push(`does not show ${image.src}`));
  }
  for (const formula of document.querySelectorAll(".math"))
    if (!formula.querySelector("mjx-container")) found.push(`does not set ${formula.textContent}`);
  for (const error of document.querySelectorAll("[data-mjx-error]"))
    found.push(`cannot set a formula: ${error.dataset.mjxError}`);
  return found;
};
look().then(done, error => done([`${error}`]));
"""


def _driver():
    options = webdriver.ChromeOptions()
    for argument in ("--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu"):
        options.add_argument(argument)
    # Whatever is not in the site is not there.
    options.add_argument("--host-resolver-rules=MAP * ~NOTFOUND")
    options.set_capability("goog:loggingPrefs", {"browser": "SEVERE"})
    service = Service(shutil.which("chromedriver"))
    driver = webdriver.Chrome(options=options, service=service)
    driver.set_script_timeout(30)
    return driver


def _emulate(driver, width, height, scheme):
    metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600}
    driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    feature = {"name": "prefers-color-scheme", "value": scheme}
    driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [feature]})


def complaints(driver, site: Path, pages: list[Path], shots: Path | None) -> list[str]:
    """Returns a sentence for everything that is not right."""
    # Colours move nothing: without pictures, either scheme once says all.
    looks = [("wide", "light"), ("phone", "dark")]
    if shots:
        looks += [("wide", "dark"), ("phone", "light")]
    found = []
    for page in pages:
        name = page.relative_to(site).as_posix()
        driver.get(page.resolve().as_uri())
        for size, scheme in looks:
            _emulate(driver, *SIZES[size], scheme)
            found += [f"{name}, {size}: {what}" for what in driver.execute_async_script(_LOOK)]
            if shots:
                folder = shots / f"{size}-{scheme}"
                folder.mkdir(parents=True, exist_ok=True)
                path = folder / f"{name.replace('/', '.').removesuffix('.html')}.png"
                driver.save_screenshot(str(path))
        found += [f"{name}: {entry['message']}" for entry in driver.get_log("browser")]
    return found


def main() -> int:
    """Looks at the pages that are named, or at all but the source code."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("site", type=Path)
    parser.add_argument("pages", nargs="*")
    parser.add_argument("--shots", type=Path)
    asked = parser.parse_args()
    if not (shutil.which("chromium") and shutil.which("chromedriver")):
        print("No chromium here: the site was not opened in a browser.")
        return 0
    pages = [asked.site / page for page in asked.pages] or [
        path for path in sorted(asked.site.rglob("*.html")) if "_modules" not in path.parts
    ]
    if absent := [str(page) for page in pages if not page.is_file()]:
        parser.error(f"PAGE must be a page of SITE; there is no {', '.join(absent)}")
    driver = _driver()
    try:
        found = complaints(driver, asked.site, pages, asked.shots)
    finally:
        driver.quit()
    print("\n".join(found), file=sys.stderr)
    print(f"Opened {len(pages)} pages in a browser.")
    return bool(found)


if __name__ == "__main__":
    sys.exit(main())
