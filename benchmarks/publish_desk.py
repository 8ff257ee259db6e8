"""The published tables of the desk: cases, proofs, pages."""

from collections.abc import Iterable, Mapping
from typing import Any

from publish_parts import source, table


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
