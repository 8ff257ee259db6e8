"""Write the tables of figures into README.md, between markers, from the stored results alone.

python benchmarks/publish.py
"""

import json
import statistics
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "benchmarks" / "results"
MISSING = "–"
SPREAD = "± is the standard deviation over seeds of the mean over weeks."


def table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """Return a Markdown table; all columns but the first are figures."""
    head = list(head)
    lines = [head, ["---", *["---:"] * (len(head) - 1)], *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def fraud(results: Mapping[str, Any]) -> str:
    """Return peers, product and ceiling side by side."""
    means = results["means"]
    every, book = means["all"], means.get("book", {})
    weeks = sorted({cell["week"] for cell in results["cells"]})
    seeds = sorted({cell["seed"] for cell in results["cells"]})
    head = ("", "AP", "AUC", "CP@100", "CP@100, kept", "AP, 7 days of labels", "CPU-s to fit", "rows / CPU-s")
    rows = []
    whole = {name: line for name, line in every.items() if len(line["ap_weeks"]) == len(weeks)}
    for name, line in sorted(whole.items(), key=lambda item: item[1]["ap"]):
        few = book.get(name, {})
        cost = f"{line['fit_cpu_seconds']:.1f}" if "fit_cpu_seconds" in line else MISSING
        pace = f"{round(line['rows_per_cpu_second'], -3):,.0f}" if "rows_per_cpu_second" in line else MISSING
        figures = [spread(line, metric) for metric in ("ap", "auc", "cp", "cp_kept")]
        rows.append([name, *figures, spread(few, "ap"), cost, pace])
    intro = (
        "Card fraud, the handbook's simulated stream and protocol: means over the test weeks from "
        f"{', '.join(weeks)} (the last is the published one), seeds {', '.join(map(str, seeds))}; settings "
        f"were chosen on earlier weeks. {SPREAD} AP: average precision on the rows of cards not known to be "
        "compromised. CP@100: share of compromised cards among the 100 reviewed a day, where found cards are "
        "forgotten (the handbook's way) or kept. All labels that had arrived teach, or the last 7 days of "
        "them. Peers run with the settings they come with; *fine* means 4095 bins. The CPU-s of what is "
        "delivered count everything from rows to the calibrated model; of all others the fit alone."
    )
    notes = [
        intro,
        table(head, rows),
        *_road(results),
        source(results),
    ]
    return "\n\n".join(notes)


def _road(results: Mapping[str, Any]) -> list[str]:
    """Return sentences on the whole road and on what was checked for leaks."""
    said = []
    if "road_warm" in results and "road_cold" in results:
        warm, cold = results["road_warm"], results["road_cold"]
        said.append(
            f"From the raw file to {warm['narratives']} verified narratives in the store: "
            f"{warm['cpu_seconds']:.0f} CPU-s, {cold['cpu_seconds']:.0f} when the kernels are compiled first."
        )
    if "leaks" in results:
        found = results["leaks"]
        turned = [found[name] for name in found if name.startswith("labels_after_")]
        moved = sum(check["features_moved_before"] for check in turned)
        chance = found["labels_shuffled"]
        said.append(
            f"Leaks: turning every label that arrives after the test's start, middle or end moved {moved} "
            f"rows before that instant; with shuffled labels the AUC is {chance['auc']:.3f} and the AP "
            f"{chance['ap']:.4f} at a base rate of {chance['base_rate']:.4f}."
        )
    return said


def spread(line: Mapping[str, Any], metric: str) -> str:
    """Return a mean, with its spread where several seeds were run."""
    if metric not in line:
        return MISSING
    several = line["seeds"] > 1
    return f"{line[metric]:.4f}" + (f" ± {line[f'{metric}_seeds_std']:.4f}" if several else "")


def narratives(results: Mapping[str, Any]) -> str:
    """Return what the writer and the verifier were held to."""
    spoken = results.get("languages", ["en"])
    tongues = f" in {len(spoken)} languages" if len(spoken) > 1 else ""
    rows = [
        ["narratives written", f"{results['narratives']:,}"],
        ["of them not supported by their evidence, or denied wrongly", f"{results['unsupported']:,}"],
        [f"false mutants in {results['classes']} classes{tongues}", f"{results['mutants']:,}"],
        ["of them not caught", f"{results['missed']:,}"],
        *(
            [
                ["texts that a second checker read too", f"{results['read_twice']:,}"],
                ["of them judged otherwise by it", f"{results['checkers_apart']:,}"],
            ]
            if "read_twice" in results
            else []
        ),
        ["narratives written per CPU-s", f"{results['written_per_cpu_second']:,.0f}"],
        ["narratives verified per CPU-s", f"{results['verified_per_cpu_second']:,.0f}"],
    ]
    return f"{table(('Narratives', ''), rows)}\n\n{source(results)}"


def writers(results: Mapping[str, Any]) -> str:
    """Return what writers that learn from approved texts reach, the floor first."""
    rows = []
    for editor in dict.fromkeys(cell["editor"] for cell in results["cells"]):
        cells = [cell for cell in results["cells"] if cell["editor"] == editor]
        for name, text in (("grammar", "weighted grammar"), ("lm", "the same and a language model")):
            held = {
                part: [cell[f"{name}_{part}"] for cell in cells]
                for part in ("bits_per_choice", "told_as_editor", "training_cpu_seconds", "denied")
            }
            milliseconds = [1000 * cell[f"{name}_cpu_seconds_per_narrative"] for cell in cells]
            means = {part: sum(values) / len(values) for part, values in held.items()}
            rows.append(
                [
                    f"{text}, {editor} editor",
                    f"{means['bits_per_choice']:.3f}",
                    f"{means['told_as_editor']:.1%}",
                    f"{means['training_cpu_seconds']:,.1f}",
                    f"{sum(milliseconds) / len(milliseconds):,.1f}",
                    f"{sum(held['denied'])}",
                    f"{sum(cell['lm_won'] for cell in cells)} of {len(cells)}" if name == "lm" else "",
                ]
            )
    first = results["cells"][0]
    head = (
        f"Writers after {first['texts']} approved texts",
        "bits per choice",
        "told as the editor did",
        "CPU-s to learn",
        "CPU-ms per narrative",
        "denied",
        "wins",
    )
    seeds = sorted({cell["seed"] for cell in results["cells"]})
    notes = (
        f"Means over seeds {', '.join(map(str, seeds))}, each another house; {first['later']} later texts "
        "each. Editors are simulated: `house` has firm tastes, in wordings and order; `whole` has a taste "
        "for each sentence as a whole; of `attentive` it depends on the case. A win: the 95 % interval of "
        "the bits saved lies above 0, and no fewer first choices are the editor's. The language model "
        "stays off unless it wins on the approved texts of its own house (`foretell style train`); then "
        "`narrate.writer: lm:<folder>` asks for it."
    )
    return "\n\n".join([table(head, rows), notes, source(results)])


def small_writer(results: Mapping[str, Any]) -> str:
    """Return who told rows whose writer was a small checkpoint behind a real server."""
    tries = results["tries"]
    told = [
        [f"told by the model, draft {name}", f"{tries[name]}"] for name in sorted(tries) if name.isdigit()
    ]
    rows = [
        *told,
        ["told by the embedded writer instead", f"{tries.get('embedded', 0)}"],
        ["requests per row", f"{results['calls'] / results['rows']:.2f}"],
        ["tokens per row", f"{results['tokens'] / results['rows']:,.0f}"],
    ]
    head = (f"A checkpoint of 300,000 weights behind `transformers serve`, {results['rows']} rows", "")
    return f"{table(head, rows)}\n\n{source(results)}"


def style(results: Mapping[str, Any]) -> str:
    """Return how fast the writer learns how a house words, orders and chooses."""
    rows = [
        [
            f"{point['approvals']} approved texts",
            f"{point['in_style']:.1%} ± {point['in_style_std']:.1%}",
            f"{point['least']:.1%}",
            f"{point['denied']}",
            f"{point['cpu_seconds'] * 1000:,.0f}",
        ]
        for point in results["curve"]
    ]
    head = ("House style", "sentences in style", "least of the houses", "texts denied", "CPU-ms to learn")
    notes = (
        f"{len(results['seeds'])} simulated houses, each with firm tastes among all true wordings, an "
        f"order, groups that it never tells, and a sentence of its own; {results['held_out']} held-out rows "
        f"each, of a run with {results['rows']:,} cases. A sentence counts when it is the house's, letter "
        "for letter, and stands where the house has it. The curve is of English texts of medium length."
    )
    cells = {(cell["language"], cell["length"]): cell for cell in results["cells"]}
    lengths = [*dict.fromkeys(length for _, length in cells)]
    settled = [
        [name, *(f"{cells[code, length]['in_style']:.1%}" for length in lengths)]
        for code, name in (("en", "English"), ("de", "German"))
    ]
    number = results["cells"][0]["approvals"]
    other = table((f"In style after {number} approved texts", *lengths), settled)
    return "\n\n".join([table(head, rows), other, notes, source(results)])


def truth(results: Mapping[str, Any]) -> str:
    """Return how many claims are false where the world's formula is known."""
    rows = []
    for name, cells in (*results["worlds"].items(), ("all", results["all"])):
        held, loose = cells["licensed"], cells["unlicensed"]
        shares = [f"{each['share_false']:.1%} ± {each['deviation']:.1%}" for each in (held, loose)]
        rows.append([name, f"{held['made']:,}", shares[0], f"{loose['made']:,}", shares[1]])
    head = ("Worlds of known truth", "claims", "of them false", "claims without licences", "of them false")
    seeds = sorted({cell["seed"] for cell in results["cells"]})
    worst = max(cell["licensed"]["share_false"] for cell in results["cells"])
    turned = results["inverted"]
    notes = (
        "Claims that a factor raises or lowers the score, is the strongest, or lies outside the usual, "
        f"held against the formula that made the rows; seeds {', '.join(map(str, seeds))}, ± the standard "
        f"deviation over them, {worst:.1%} at most. Without licences: the same writer takes each estimate "
        f"at its word. The settings were chosen on other seeds. With inverted labels, {turned['prior']:,} "
        f"of {turned['claims']:,} claims in {turned['cases']:,} cases still said what was said before, and "
        f"{turned['passed']:,} of the old texts still passed."
    )
    return "\n\n".join([table(head, rows), notes, source(results)])


def cases(*stores: Mapping[str, Any]) -> str:
    """Return the case store's figures, a column for each database."""
    names = {
        "opened_one_by_one": "cases opened, each durable on return",
        "opened_in_one_transaction": "cases opened in one transaction",
        "decisions_1_thread": "decisions, one thread",
        "decisions_32_threads": "decisions, 32 threads",
        "events_verified": "events of the log verified",
    }
    rows = [
        [text, *(f"{store['figures'][name]['per_second']:,.0f}" for store in stores)]
        for name, text in names.items()
    ]
    rows.append(["fsyncs of the disk", *(f"{store['fsyncs_per_second']:,.0f}" for store in stores)])
    head = ("Cases, per second", *(store["database"] for store in stores))
    return "\n\n".join([table(head, rows), *(source(store) for store in stores)])


def proofs(results: Mapping[str, Any]) -> str:
    """Return how often the desk was attacked, and what got through."""
    names = {
        "kills": "`kill -9` over the deciding server: decisions lost or doubled",
        "cuts": "power cuts: acknowledged events lost, erased content back, a damaged store",
        "walk": "random acts of nine accounts beside a plain model of the rules: disagreements",
        "faults": "planted faults of authorisation: not found by that walk",
        "tampering": "edits of a store behind its back: missed by a check of its log",
    }
    held = results["proofs"]
    rows = [
        [text, f"{held[name]['count']:,}", f"{len(held[name]['failures']):,}"]
        for name, text in names.items()
        if name in held
    ]
    return f"{table(('Proofs of the desk', 'tried', 'got through'), rows)}\n\n{source(results)}"


def desk(results: Mapping[str, Any]) -> str:
    """Return what a page costs, what people wait, and what the desk takes in."""

    def figure(rounds: Iterable[Mapping[str, float]], name: str) -> str:
        """Return the middle one of the rounds, and between which ends they lie."""
        held = sorted(each[name] for each in rounds)
        ends = (held[len(held) // 2], held[0], held[-1])
        middle, low, high = (f"{value:,.0f}" if value >= 100 else f"{value:.3g}" for value in ends)
        return middle if low == high else f"{middle} ({low}–{high})"

    pages, loads, server = results["pages"], results["load"], results["server"]
    queues = [name for name in pages if name != "case page"]
    dearest = max(queues, key=lambda name: max(each["p99_ms"] for each in pages[name]))
    rows = [
        [f"{text}, without HTTP", "", figure(pages[name], "p50_ms"), figure(pages[name], "p99_ms"), ""]
        for text, name in (
            ("queue page, oldest first", "oldest first"),
            (f"queue page, the dearest of {len(queues)} kinds ({dearest})", dearest),
            *((name, name) for name in pages if name not in queues),
        )
    ]
    for name, rounds in loads.items():
        closed = "per_second" in rounds[0]
        ends = [figure(rounds, part) if closed else "" for part in ("per_second", "server_cpu_ms")]
        rows.append([name, ends[0], figure(rounds, "p50_ms"), figure(rounds, "p99_ms"), ends[1]])
    head = (
        f"The desk with {results['cases']:,} cases",
        "per second",
        "median, ms",
        "99th percentile, ms",
        "CPU-ms of the server",
    )
    notes = (
        "People who ask at once ask again as soon as they are answered; people who think click at random "
        "instants, 5 s apart on average, and their waits count from when a click was due. The clients share "
        "the machine with the desk. A decision counts once it is durable. In brackets: the least and the "
        f"most of the rounds, {len(server)} in all. Memory of the server under load: "
        f"{figure(server, 'memory_mb')} MB, at most {figure(server, 'most_memory_mb')} MB."
    )
    return "\n\n".join([table(head, rows), notes, source(results)])


def live(results: Mapping[str, Any]) -> str:
    """Return what one event costs, and whether the stream equals the batch."""
    batch, one, gap = results["batch"], results["one_event"], results["stream_against_batch"]
    rows = [
        ["events replayed into states, per CPU-s", f"{batch['replay_events_per_cpu_second']:,}"],
        ["rows scored by what is delivered, per CPU-s", f"{batch['delivered_rows_per_cpu_second']:,}"],
        ["one event with its state update, median", f"{one['wall']['p50_us']} µs"],
        ["one event with its state update, 99th percentile", f"{one['wall']['p99_us']} µs"],
        ["one late label, median", f"{one['label_wall']['p50_us']} µs"],
        ["state of an entity", f"{results['bytes_per_entity']} bytes"],
        [
            f"largest difference from the batch over {results['events']:,} events, in log-odds",
            f"{gap['largest_logit_difference']:g}",
        ],
        ["restart from a snapshot half-way", "bit for bit" if results["restart_exact"] else "differs"],
    ]
    return f"{table(('One event at a time', ''), rows)}\n\n{source(results)}"


def retrieval(results: Mapping[str, Any]) -> str:
    """Return how often the right passage is found, and what a query costs."""
    rows = []
    for name, cells in results["cells"].items():
        figures = [
            f"{sum(held) / len(held):.3f} ({min(held):.3f}–{max(held):.3f})"
            for kind in ("sentence", "heading")
            for held in (
                [cell[kind][metric] for cell in cells] for metric in ("recall_1", "recall_10", "mrr")
            )
        ]
        times = [f"{max(cell[name] for cell in cells):.1f}" for name in ("p50_cpu_ms", "p99_cpu_ms")]
        rows.append([name, *figures, *times])
    head = (
        "",
        *(f"{kind}: {what}" for kind in ("sentence", "heading") for what in ("R@1", "R@10", "MRR@10")),
    )
    cost, passages = results["costs"], next(iter(results["cells"].values()))[0]["passages"]
    intro = (
        f"Finding passages: the documentation strings of Python and nine libraries, {passages:,} passages, "
        f"{results['queries']:,} queries of each kind and seed; in brackets the least and the most of the "
        "seeds. *Sentence*: half of the words of a sentence that was taken out of the passage. *Heading*: "
        "the heading that a passage stands under, which is not indexed. Peers run with the settings they "
        "come with. CPU-ms are those of one query, of the worst seed."
    )
    costs = (
        f"An index of {cost['passages']:,} passages of {cost['documents']:,} documents: "
        f"{cost['file_mb']:.0f} MB, built in {cost['build_cpu_seconds']:.0f} CPU-s, opened in "
        f"{cost['open_cpu_seconds']:.1f}, brought up to date after one document changed in "
        f"{cost['update_cpu_seconds']:.1f}."
    )
    columns = (*head, "median, CPU-ms", "99th percentile, CPU-ms")
    return "\n\n".join([intro, table(columns, rows), costs, source(results)])


def asking(results: Mapping[str, Any]) -> str:
    """Return what attacked questions, answers and acts, and what got through; parts not run are left out."""
    tried = {"attacked": "payloads", "planned": "episodes", "acted": "episodes"}
    rows = [
        ("attacked", "hostile texts in every field: decisions changed", "changed"),
        ("attacked", "the same: false claims told as verified", "forged"),
        ("attacked", "the same: markup alive on a page", "live"),
        ("attacked", "the same: crashes", "crashed"),
        ("planned", "episodes of a planner with random weights: crashes", "crashes"),
        ("planned", "the same: anything written", "unauthorised"),
        ("planned", "the same: another replay", "other_replays"),
        ("acted", "episodes of an agent with random weights: crashes", "crashes"),
        ("acted", "the same: acts that nobody had permitted", "unauthorised"),
    ]
    lines = [
        [text, f"{results[part][tried[part]]:,}", f"{results[part][kind]['count']:,}"]
        for part, text, kind in rows
        if part in results
    ]
    told = [table(("Questions and agents", "tried", "got through"), lines)]
    if plans := results.get("planned"):
        told.append(
            "Random weights: a small transformer that learned nothing, decoded under the JSON schema of a "
            f"plan. The planner's answers had {plans['claims']:,} sentences, {plans['unverified']} of them "
            "unverified."
        )
    if agents := results.get("acted"):
        told.append(
            f"The agent called the protocol's tools {agents['steps']:,} times: {agents['suggestions']:,} "
            f"suggestions, and {agents['acts']:,} of the acts that a person had permitted."
        )
    return "\n\n".join([*told, source(results)])


DEFAULTS = ("LightGBM", "XGBoost", "CatBoost", "scikit-learn HGB")


def tables(results: Mapping[str, Any]) -> str:
    """Return each contestant's loss on each table, as a share of the best default's, and its CPU time."""
    cells = results["cells"]
    names = sorted(dict.fromkeys(cell["name"] for cell in cells), key=_place)
    rows, ratios = [], []
    for each in dict.fromkeys(cell["table"] for cell in cells):
        mine = {(cell["name"], cell["seed"]): cell for cell in cells if cell["table"] == each}
        best = min(DEFAULTS, key=lambda name: _mean(mine, name, "loss"))
        figures = [_share(mine, name, best) for name in names]
        drawn = len({seed for name, seed in mine if name == "Foretell"})
        size = next(iter(mine.values()))["rows"]
        label = f"{each}, {size:,} rows, {drawn} seed{'s' * (drawn > 1)}"
        rows.append([label, f"{_mean(mine, best, 'loss'):.4f}, {best}", *figures])
        ratios.append(_ratio(mine, "Foretell", best))
    words = (
        "Loss on test rows (log-loss; of diabetes, a number, the root mean squared error) as a share of the "
        "best default's of the same seeds, and the share's standard deviation over seeds; below 1 is better "
        f"than every library as it comes. Foretell's is {statistics.mean(ratios):.3f} in the mean of the "
        "tables. In brackets CPU-seconds on one thread: Foretell's from file to scored file, with choice and "
        "calibration; the others' to search, fit and score. Tuned: 40 trials of Optuna over five folds, or "
        "300 CPU-s. A fifth of the rows, drawn by the seed, tests; of adult the official test rows."
    )
    paced = [cell for cell in cells if "row_ms" in cell]
    for name in dict.fromkeys(cell["name"] for cell in paced):
        alone, explained = (
            max(cell[figure] for cell in paced if cell["name"] == name) for figure in ("row_ms", "reasons_ms")
        )
        words += (
            f" {name} takes {alone:.2g} ms of CPU at most, in the median, from the cells of a row that comes "
            f"alone to its probability, and {explained:.2g} ms for its reasons."
        )
    return "\n\n".join([table(("Tables", "best default", *names), rows), words, source(results)])


def _place(name: str) -> tuple[int, str]:
    """Sort contestants: Foretell, the libraries as they come, tuned ones, AutoGluon."""
    kinds = (name.startswith("Foretell"), name in DEFAULTS, name.endswith("tuned"), True)
    return kinds.index(True), name


def _mean(cells: Mapping[tuple[str, int], Mapping[str, Any]], name: str, figure: str) -> float:
    return statistics.mean(cell[figure] for (each, _), cell in cells.items() if each == name)


def _pairs(
    cells: Mapping[tuple[str, int], Mapping[str, Any]], name: str, best: str
) -> list[tuple[float, float]]:
    """Return the losses of one and of the best default on the seeds that both have."""
    return [
        (cell["loss"], cells[best, seed]["loss"])
        for (each, seed), cell in cells.items()
        if each == name and (best, seed) in cells
    ]


def _ratio(cells: Mapping[tuple[str, int], Mapping[str, Any]], name: str, best: str) -> float:
    mine, theirs = zip(*_pairs(cells, name, best), strict=True)
    return sum(mine) / sum(theirs)


def _share(cells: Mapping[tuple[str, int], Mapping[str, Any]], name: str, best: str) -> str:
    """Return a contestant's loss as a share of the best default's, its spread and its CPU-seconds."""
    pairs = _pairs(cells, name, best)
    if not pairs:
        return MISSING
    shares = [mine / theirs for mine, theirs in pairs]
    apart = f" ± {statistics.stdev(shares):.3f}" if len(shares) > 1 and name != best else ""
    return f"{_ratio(cells, name, best):.3f}{apart} ({_mean(cells, name, 'cpu_seconds'):.1f} s)"


PEERS = {
    "ks": "a test a day at 5 % over all columns",
    "psi": "population stability index above 0.2",
    "page_hinkley": "Page-Hinkley of `river`",
}

CHANGED = {
    "mean": "mean by 0.2 sd",
    "spread": "sd by a fifth",
    "share": "5 % of rows in another category",
    "missing": "2 % missing",
}


def monitor(*results: Mapping[str, Any]) -> str:
    """Return false alarms while nothing changes, and days until a change is found."""
    quiet, changes = ([cell for held in results for cell in held[part]] for part in ("quiet", "changes"))
    rows = []
    for weekly, words in ((True, "weekdays and days that differ"), (False, "days alike")):
        mine = [cell for cell in quiet if cell["weekly"] == weekly]
        if mine:
            years = sum(cell["years"] for cell in mine)
            told = f"{sum(cell['false_alarms'] for cell in mine)} in {years:,} years"
            days = sum(cell["peer_days"] for cell in mine)
            usual = [sum(cell["peer_alarm_days"][rule] for cell in mine) / days for rule in PEERS]
            rows.append([f"false alarms, {words}", told, *(f"{share:.1%} of days" for share in usual)])
    for cell in changes:
        where = f"{CHANGED[cell['change']]}, {cell['size']:,} rows a day"
        where += ", weekdays" if cell["weekly"] else ""
        days = [_delay(cell["days"].get(rule, [])) for rule in ("foretell", *PEERS)]
        rows.append([f"days to find: {where}", *days])
    trials = len(changes[0]["days"]["foretell"])
    wrong = sum(cell["alarms_in_other_columns"] for cell in changes)
    named = sum(cell["named_for_what_changed"] for cell in changes)
    numbers = ", ".join(str(cell) for cell in sorted({cell["seed"] for cell in quiet}))
    words = (
        "Simulated daily batches of 30 correlated columns, a score and outcomes, after a reference of 90 "
        f"days; 500 rows a day while nothing changes; seeds {numbers}. Days to find: median (worst) of "
        f"{trials} changes of one column on a random day; – where not found within 30 days. Of all "
        f"{trials * len(changes)} changes {named} alarms say rightly what changed; {wrong} more were about "
        "others, the score included, which follows three of the columns. The peers look at one column at a "
        "time and keep no account of how often they asked; their false alarms are days of the first year on "
        "which at least one column rings."
    )
    head = ("Watching", "Foretell", *PEERS.values())
    return "\n\n".join([table(head, rows), words, *map(source, results)])


def _delay(days: list[float]) -> str:
    """Return the median and the worst."""
    if not days:
        return ""
    middle, worst = (
        f"{value:.0f}" if value < float("inf") else MISSING for value in (statistics.median(days), max(days))
    )
    return f"{middle} ({worst})"


def source(results: Mapping[str, Any]) -> str:
    """Return where the figures come from."""
    machine = results["machine"]
    if isinstance(machine, Mapping):
        load = f", load {machine['load']}" if "load" in machine else ""
        machine = f"{machine['processor']}, {machine['cores']} cores{load}"
    return f"`{results['command']}` at {results['commit'][:12]} on {machine}."


TABLES: Mapping[str, Callable[..., str]] = {
    "fraud": fraud,
    "tables": tables,
    "live": live,
    "narratives": narratives,
    "truth": truth,
    "style": style,
    "writers": writers,
    "small_writer": small_writer,
    "cases": cases,
    "desk": desk,
    "proofs": proofs,
    "retrieval": retrieval,
    "asking": asking,
    "monitor": monitor,
}
"""Marker -> what is written there, given the results of `<marker>.json` and `<marker>_*.json`."""


def published(text: str, results: Path = RESULTS) -> str:
    """Return the text with every marked part that has results written anew."""
    for name, write in TABLES.items():
        files = sorted({*results.glob(f"{name}.json"), *results.glob(f"{name}_*.json")}, reverse=True)
        begins, ends = f"<!-- results:{name} -->", f"<!-- /results:{name} -->"
        if not files or begins not in text:
            continue
        before, rest = text.split(begins, 1)
        after = rest.split(ends, 1)[1]
        held = [json.loads(file.read_text()) for file in files]
        text = f"{before}{begins}\n{write(*held)}\n{ends}{after}"
    return text


def main() -> None:
    readme = ROOT / "README.md"
    readme.write_text(published(readme.read_text()))


if __name__ == "__main__":
    main()
