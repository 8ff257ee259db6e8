"""PostgreSQL as a source: the same rows as from a file, and errors that keep the password."""

import polars as pl
import pytest
import sqlalchemy as sa

from data_samples import payments, rules, spec_of
from foretell.data.reading import read
from foretell.errors import DataError

pytest_plugins = ("case_fixtures",)


@pytest.fixture
def source(server) -> str:
    """The URL of a database that holds the payments."""
    url = server()
    engine = sa.create_engine(sa.make_url(url).set(drivername="postgresql+psycopg"))
    with engine.begin() as connection:
        columns = (
            "payment_id text, paid_at timestamptz, customer_id int, amount numeric, channel text, y bool"
        )
        connection.exec_driver_sql(f"create table payment ({columns})")
        connection.exec_driver_sql("create view seen as select * from payment")
        row = "(:payment_id, :paid_at, :customer_id, :amount, :channel, :y)"
        frame = payments().with_columns(pl.col("y") == 1)
        connection.execute(sa.text(f"insert into payment values {row}"), frame.to_dicts())
    engine.dispose()
    return url


def test_tables_views_and_statements_give_the_rows_of_a_file(source, tmp_path):
    payments().with_columns(pl.col("y") == 1).write_parquet(tmp_path / "rows.parquet")
    expected = read(spec_of(tmp_path / "rows.parquet")).fingerprint
    statement = "select *, paid_at::date as day from payment where channel like '%o%' or channel like 'w%:b'"
    assert read(spec_of(source, table="payment")).fingerprint == expected
    schema = source.rpartition("%3D")[2]
    assert read(spec_of(source, table=f"{schema}.seen")).fingerprint == expected
    assert len(read(spec_of(source, table=statement))) == 20


def test_infinite_numbers_are_counted(source):
    statement = "select 'infinity'::float8 * (y::int * 2 - 1) as sum, amount, y from payment"
    assert rules(read(spec_of(source, table=statement, exclude=("amount",)))) == {}
    statement = "select case when amount < 3 then 'infinity'::float8 else amount end as sum, y from payment"
    assert rules(read(spec_of(source, table=statement))) == {("sum", "infinite"): 2}


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ("paymnt", "did you mean 'payment'"),
        ("select 1/0 as y", "division by zero"),
        ("", "`data.table` does not say what to read"),
    ],
)
def test_what_cannot_be_read_is_told(source, table, message):
    with pytest.raises(DataError, match=message):
        read(spec_of(source, table=table))
