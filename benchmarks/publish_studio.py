"""The published tables of the studio: rows, texts and images that were generated."""

import statistics
from collections.abc import Mapping, Sequence
from typing import Any

from publish_parts import MISSING, source, table

ROWS = ("shapes", "trends", "c2st", "tstr", "discriminator", "nearer", "membership")


def _told(cells: Sequence[Mapping[str, Any]], figure: str, places: int = 3) -> str:
    """Return the mean of a figure over seeds, and its spread."""
    held = [cell[figure] for cell in cells if figure in cell]
    if not held:
        return MISSING
    apart = f" ± {statistics.stdev(held):.{places}f}" if len(held) > 1 else ""
    return f"{statistics.mean(held):.{places}f}{apart}"


def generation(results: Mapping[str, Any]) -> str:
    """Return what was measured of generated rows, ours, those of peers, and real ones."""
    cells, rows = results["cells"], []
    for name in dict.fromkeys(cell["name"] for cell in cells):
        mine = [cell for cell in cells if cell["name"] == name]
        spent = [c["fit_seconds"] + c["draw_seconds"] for c in mine if "fit_seconds" in c]
        paid = f"{statistics.mean(spent):.0f}" if spent else MISSING
        seeds = f", {len(mine)} seed{'s' * (len(mine) > 1)}"
        rows.append([f"{name}{seeds}", *(_told(mine, figure) for figure in ROWS), paid])
    goals = results["goals"]
    rows.append(
        ["goal", *(f"{goals[figure]:g}" if figure in goals else MISSING for figure in ROWS), "60 to 90"]
    )
    head = (
        "adult",
        "shapes",
        "trends",
        "C2ST",
        "TSTR AUC",
        "discriminator AUC",
        "nearer",
        "membership",
        "CPU-s",
    )
    words = (
        "Rows drawn after the training part of the census table taught. Shapes, trends and C2ST (by XGBoost) "
        "are SDMetrics' own, against the training rows: copies would score best. TSTR: AUC on test "
        "rows of trees that the drawn rows taught. Discriminator: AUC of boosted trees that tell drawn rows "
        "from test rows, .5 is chance. Nearer: share nearer to training rows than to as many test "
        "rows. Membership: pairs of which the likelihood tells the training row. As they come, TVAE and "
        "CTGAN have 300 epochs."
    )
    asked = {cell["command"]: {**results, **cell} for cell in cells}
    return "\n\n".join([table(head, rows), words, *map(source, asked.values())])


def text(*results: Mapping[str, Any]) -> str:
    """Return nats per character of Shakespeare, by CPU time."""
    rows = []
    for held in sorted(results, key=lambda each: each["mean"]["cpu_seconds"]):
        runs = held["runs"]
        rows.append(
            [
                f"{held['mean']['cpu_seconds']:.0f} CPU-s, {len(runs)} seed{'s' * (len(runs) > 1)}",
                _told(runs, "nats", 4),
                _told(runs, "nats_by_blocks", 3),
                _told(runs, "nats_of_counts", 4),
                f"{held['mean']['characters_per_cpu_second']:,.0f}",
            ]
        )
    head = (
        "tiny Shakespeare, last tenth",
        "nats a character",
        "in blocks of 256",
        "counts alone",
        "characters drawn a CPU-s",
    )
    words = (
        "The mean over all characters of the last tenth, each given what stands before it; by random blocks, "
        "as nanoGPT evaluates, whose recipe for graphics cards is published with 1.4697."
    )
    return "\n\n".join([table(head, rows), words, *map(source, results)])


def images(results: Mapping[str, Any]) -> str:
    """Return what was measured of generated digits, family by family."""
    cells, rows = results["cells"], []
    for family in dict.fromkeys(cell["family"] for cell in cells):
        mine = [cell for cell in cells if cell["family"] == family]
        rows.append(
            [
                f"{family}, {len(mine)} seed{'s' * (len(mine) > 1)}",
                _told(mine, "frechet", 1),
                _told(mine, "ratio", 1),
                _told(mine, "accuracy"),
                _told(mine, "coverage"),
                _told(mine, "nearer"),
                f"{statistics.mean(cell['fit_seconds'] for cell in mine):.0f}",
            ]
        )
    head = ("digits", "Fréchet", "over real", "right class", "coverage", "nearer", "CPU-s")
    real = statistics.mean(cell["accuracy_real"] for cell in cells)
    words = (
        "Fréchet distance in the features of a classifier of the same digits, and as a multiple of that of "
        f"real ones from each other; the classifier is right about {100 * real:.1f} % of real test digits."
    )
    return "\n\n".join([table(head, rows), words, source(results)])
