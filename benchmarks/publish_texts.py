"""The published tables of texts: narratives, writers, styles, truth, passages, answers."""

from collections.abc import Mapping
from typing import Any

from publish_parts import source, table


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
