"""Small tables and their specs, for the tests of reading, splitting and auditing."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl

from foretell.data.dataset import Column, Dataset
from foretell.spec import ColumnSpec, DataSpec, Spec

SHARED = Path(__file__).parents[2] / "shared" / "data"
FRAUD = SHARED / "fraud" / "transactions.parquet"
TABULAR = SHARED / "tabular"


def spec_of(
    source: object, target: str = "y", columns: dict[str, ColumnSpec] | None = None, **data: Any
) -> Spec:
    return Spec(data=DataSpec(source=str(source), target=target, **data), columns=columns or {})


def csv_of(folder: Path, text: str | bytes, name: str = "rows.csv") -> Path:
    path = folder / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def payments(rows: int = 60) -> pl.DataFrame:
    start = datetime(2024, 1, 1, tzinfo=UTC)
    return pl.DataFrame(
        {
            "payment_id": [f"p{row}" for row in range(rows)],
            "paid_at": [start + timedelta(hours=row) for row in range(rows)],
            "customer_id": [row % 7 for row in range(rows)],
            "amount": [row * 1.5 for row in range(rows)],
            "channel": ["web" if row % 3 else "shop" for row in range(rows)],
            "y": [int(row % 5 == 0) for row in range(rows)],
        }
    )


def by_name(dataset: Dataset) -> dict[str, Column]:
    return {column.name: column for column in dataset.columns}


def rules(dataset: Dataset) -> dict[tuple[str, str], int]:
    return {(repair.column, repair.rule): repair.rows for repair in dataset.repairs}
