"""Rows as they were asked for: as is given, constrained, and as often of one kind as of another."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import polars as pl

from foretell.data.codecs.tables import Names
from foretell.errors import SpecError
from foretell.generation.steering import Steer
from foretell.generation.tables import TableGenerator


def rows_asked(
    generator: TableGenerator,
    count: int,
    *,
    given: Mapping[str, Any] | None = None,
    constraints: Sequence[str] = (),
    balance: str = "",
    temperature: float = 1.0,
    seed: int = 0,
) -> pl.DataFrame:
    """Return new rows in canonical dtypes, all of which are as asked.

    Args:
        given: column -> its value, a list of values, ends as {"from": 18, "to": 65}, or None: missing.
        constraints: expressions that hold in each row.
        balance: a column of names whose values, as far as they are possible, are drawn equally often.

    Raises:
        SpecError: for what is no such column or expression.
        DataError: when no row can be as asked; it names what contradicts each other.
    """
    given = given or {}
    if not balance:
        steer = Steer.of(generator.codec, constraints, given) if given or constraints else None
        return generator.draw(count, seed=seed, steer=steer, temperature=temperature)
    coder = generator.codec.coders.get(balance)
    if not isinstance(coder, Names):
        held = [name for name, each in generator.codec.coders.items() if isinstance(each, Names)]
        raise SpecError(f"`balance: {balance}` is no column of names", f"name one of {', '.join(held)}")
    values = [value for value in coder.values if value is not None]
    if balance in given:
        asked = given[balance]
        values = list(asked) if isinstance(asked, list | tuple) else [asked]
    shares = np.bincount(np.arange(count) % len(values), minlength=len(values))
    parts = [
        generator.draw(
            share,
            seed=seed + place,
            steer=Steer.of(generator.codec, constraints, {**given, balance: value}),
            temperature=temperature,
        )
        for place, (value, share) in enumerate(zip(values, shares.tolist(), strict=True))
    ]
    return pl.concat(parts)[np.random.default_rng(seed).permutation(count)]
