"""What a table's generator tells of given rows: how odd they are and why, and what a column probably is.

N: rows, C: columns, K: values of a column.
"""

from dataclasses import dataclass

import numpy as np
import polars as pl
import torch

from foretell.data.codecs.tables import Floats, Names, Numbers
from foretell.errors import SpecError
from foretell.generation.tables import AT_ONCE, TableGenerator


@dataclass(frozen=True, slots=True, kw_only=True)
class Oddity:
    """How odd one value of a row is, all others of the row given."""

    column: str
    value: str | float | None
    surprise: float
    """Its negative log-probability, in nats."""
    usual: str | float | None
    """The value that is likeliest in its place; of a number, the middle of what is likeliest."""


def predicted(generator: TableGenerator, frame: pl.DataFrame, column: str) -> tuple[tuple[str, ...], Floats]:
    """Return a column's values, and how probable each is, given all other columns of a row [N, K].

    Probabilities are those of the net, corrected by the trees; they add up to 1. A missing value counts as
    none, and names that are rare share the last place under the name of the first of them.

    Args:
        frame: rows in canonical dtypes; the column itself may be missing, and is not looked at.

    Raises:
        SpecError: when the column holds no names.
    """
    codec = generator.codec
    column = codec.twins[column][0] if column in codec.twins else column
    coder = codec.coders.get(column)
    if not isinstance(coder, Names):
        held = [name for name, each in codec.coders.items() if isinstance(each, Names)]
        raise SpecError(f"'{column}' is no column of names", f"name one of {', '.join(held)}")
    whole = frame.with_columns(pl.lit(coder.values[0], pl.String).alias(column))
    tokens_NT, place = codec.encode(whole), codec.span(column).start
    known = [k for k, value in enumerate((*coder.values, *coder.rare[:1])) if value is not None]
    parts = torch.from_numpy(tokens_NT).split(AT_ONCE)
    chance_NK = torch.cat([generator.net.chances(part, place) for part in parts]).double().numpy()
    odds = np.ones_like(chance_NK)
    for k in known:
        tokens_NT[:, place] = k
        odds[:, k] = generator.odds(tokens_NT)
    told_NK = (chance_NK * odds)[:, known]
    words = (*coder.values, *coder.rare[:1])
    return tuple(str(words[k]) for k in known), told_NK / told_NK.sum(axis=1, keepdims=True)


def explained(generator: TableGenerator, frame: pl.DataFrame) -> list[tuple[Oddity, ...]]:
    """Return how odd each value of each row is, the oddest first."""
    codec = generator.codec
    surprise_NC = generator.surprise(frame, given_all=True)
    usual = {name: _usual(generator, frame, name) for name in codec.drawn}
    found = []
    for row in range(len(frame)):
        order = np.argsort(-surprise_NC[row], kind="stable")
        found.append(
            tuple(
                Oddity(
                    column=codec.drawn[c],
                    value=frame[codec.drawn[c]][row],
                    surprise=float(surprise_NC[row, c]),
                    usual=usual[codec.drawn[c]][row],
                )
                for c in order
            )
        )
    return found


def _usual(generator: TableGenerator, frame: pl.DataFrame, name: str) -> list[str | float | None]:
    """Return the likeliest value of a column in each row."""
    codec, coder = generator.codec, generator.codec.coders[name]
    span = codec.span(name)
    hidden = range(span.start + 1, span.stop)
    parts = torch.from_numpy(codec.encode(frame)).split(AT_ONCE)
    chance = torch.cat([generator.net.chances(part, span.start, hidden=list(hidden)) for part in parts])
    best = chance.argmax(dim=1).numpy()
    if isinstance(coder, Names):
        words = np.array([*coder.values, *coder.rare[:1]], dtype=object)
        return words[best].tolist()
    middles = [*coder.atoms, *[None] * coder.missing, *_middles(coder)]
    return np.array(middles, dtype=object)[best].tolist()


def _middles(coder: Numbers) -> list[float]:
    """Return the middle of each coarse bin."""
    ends = np.array(coder.edges)[:: coder.fine]
    return ((ends[:-1] + ends[1:]) / 2).tolist()
