"""Reading: what a dataset promises, whatever it is read from."""

import sqlite3
from datetime import UTC, datetime
from typing import Any

import numpy as np
import polars as pl
import pytest

from data_samples import FRAUD, TABULAR, by_name, csv_of, payments, rules, spec_of
from foretell.data.inference import readable_name
from foretell.data.reading import read
from foretell.errors import DataError, SpecError
from foretell.spec import ColumnSpec, Spec, TaskSpec

# sources


def test_one_content_has_one_fingerprint_whatever_it_is_stored_in(tmp_path):
    frame = payments()
    frame.write_parquet(tmp_path / "rows.parquet")
    frame.write_csv(tmp_path / "rows.csv")
    frame.write_csv(tmp_path / "semicolons.csv", separator=";")
    frame[:25].write_csv(tmp_path / "part1.csv")
    frame[25:].write_csv(tmp_path / "part2.csv")
    with sqlite3.connect(tmp_path / "rows.db") as database:
        database.execute("create table payment (payment_id, paid_at, customer_id, amount, channel, y)")
        texts = frame.with_columns(pl.col("paid_at").dt.to_string("iso"))
        database.executemany("insert into payment values (?,?,?,?,?,?)", texts.rows())
    database.close()
    url = f"sqlite:///{tmp_path / 'rows.db'}"
    read_ones = [
        *(
            read(spec_of(tmp_path / name))
            for name in ("rows.parquet", "rows.csv", "semicolons.csv", "part*.csv")
        ),
        read(spec_of(url, table="payment")),
        read(spec_of(url, table="select * from payment")),
    ]
    assert len({dataset.fingerprint for dataset in read_ones}) == 1
    changed = frame.with_columns(
        amount=pl.when(pl.col("amount") == 3.0).then(3.1).otherwise(pl.col("amount"))
    )
    changed.write_csv(tmp_path / "changed.csv")
    assert read(spec_of(tmp_path / "changed.csv")).fingerprint != read_ones[0].fingerprint


def test_roles_and_kinds_are_told_with_their_reasons(tmp_path):
    payments().write_csv(tmp_path / "rows.csv")
    dataset = read(spec_of(tmp_path / "rows.csv", label_delay="1d"))
    found = {column.name: (column.kind, column.role) for column in dataset.columns}
    assert found == {
        "payment_id": ("entity", "id"),
        "paid_at": ("time", "time"),
        "customer_id": ("entity", "input"),
        "amount": ("number", "input"),
        "channel": ("category", "input"),
        "y": ("category", "target"),
    }
    assert "7 values return over 60 rows" in by_name(dataset)["customer_id"].reason
    assert by_name(dataset)["y"].facts["positive"] == "1"
    assert dataset.frame.dtypes == [
        pl.String,
        pl.Datetime("us", "UTC"),
        pl.String,
        pl.Float64,
        pl.String,
        pl.String,
    ]
    assert dataset.target.dtype == np.int8
    assert dataset.ids[3] == "p3"
    assert (dataset.known_at_us - dataset.at_us == 86_400_000_000).all()
    assert [column.name for column in dataset.inputs("number")] == ["amount"]


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (["1,234.5", "12", " ", "7"] * 10, "number"),
        (["01234", "09999", "10000", "20000"] * 10, "category"),
        (["yes", "no"] * 20, "category"),
        (["2024-01-31T10:00:00Z", "2024-02-01", "2024-02-01 08:30", "2024/02/01 08:30:01"] * 10, "time"),
        ([f"the driver of order {row} called twice" for row in range(40)], "text"),
    ],
)
def test_text_columns_are_read_for_what_they_hold(tmp_path, values, expected):
    frame = pl.DataFrame({"thing": values, "y": [row % 2 for row in range(40)], "z": range(40)})
    frame.write_csv(tmp_path / "rows.csv")
    assert by_name(read(spec_of(tmp_path / "rows.csv")))["thing"].kind == expected


@pytest.mark.parametrize("factor", [1, 1_000, 1_000_000, 1_000_000_000])
def test_epoch_numbers_are_instants_whatever_their_unit(tmp_path, factor):
    frame = payments(40).with_columns(paid_at=(pl.int_range(40) * 60 + 1_700_000_000) * factor)
    frame.write_parquet(tmp_path / "rows.parquet")
    dataset = read(spec_of(tmp_path / "rows.parquet"))
    assert by_name(dataset)["paid_at"].role == "time"
    assert dataset.frame["paid_at"][0] == datetime.fromtimestamp(1_700_000_000, UTC)


def test_what_the_spec_states_overrules_what_is_inferred(tmp_path):
    payments().write_csv(tmp_path / "rows.csv")
    stated = {"customer_id": ColumnSpec(kind="category"), "amount": ColumnSpec(unit="EUR", text="sum paid")}
    dataset = read(spec_of(tmp_path / "rows.csv", columns=stated, exclude=("channel",)))
    columns = by_name(dataset)
    assert columns["customer_id"].kind == "category"
    assert (columns["amount"].unit, columns["amount"].text) == ("EUR", "sum paid")
    assert columns["channel"].role == "excluded"
    wrong = {"amount": ColumnSpec(kind="numbr")}
    with pytest.raises(SpecError, match="did you mean 'number'"):
        read(spec_of(tmp_path / "rows.csv", columns=wrong))


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("TX_AMOUNT", "tx amount"),
        ("CUSTOMER_ID", "customer"),
        ("customerID", "customer"),
        ("id", "id"),
        ("§", "§"),
    ],
)
def test_names_are_made_readable(name, text):
    assert readable_name(name) == text


# repairs


def test_every_missing_or_wrong_value_is_counted(tmp_path):
    frame = payments().with_columns(
        amount=pl.Series([None, float("nan"), float("inf"), *[2.0] * 57]),
        channel=pl.Series(["?", "NA", *["web"] * 30, *["shop"] * 28]),
    )
    frame.write_parquet(tmp_path / "rows.parquet")
    dataset = read(spec_of(tmp_path / "rows.parquet"))
    assert rules(dataset) == {("amount", "missing"): 2, ("amount", "infinite"): 1, ("channel", "missing"): 2}
    assert dataset.frame["amount"].null_count() == 3
    with pytest.raises(DataError, match=r"column 'amount': missing in 2 rows"):
        read(spec_of(tmp_path / "rows.parquet", missing="refuse"))


def test_a_word_among_numbers_is_set_to_missing_and_counted(tmp_path):
    frame = payments().with_columns(amount=pl.Series(["abc", *map(str, range(59))]))
    frame.write_csv(tmp_path / "rows.csv")
    dataset = read(spec_of(tmp_path / "rows.csv"))
    assert rules(dataset) == {("amount", "not a number"): 1}
    assert dataset.repairs[0].example == "'abc'"
    assert dataset.repairs[0].action == "set to missing"


def test_unsorted_rows_are_sorted_ties_stay_in_order_and_future_times_are_reported(tmp_path):
    frame = payments().with_columns(
        paid_at=pl.Series(["2024-01-02", "2024-01-01", *["2024-01-03"] * 57, "2999-01-01"])
    )
    frame.write_csv(tmp_path / "rows.csv")
    dataset = read(spec_of(tmp_path / "rows.csv"))
    assert rules(dataset) == {("paid_at", "unsorted time"): 1, ("paid_at", "future time"): 1}
    assert list(dataset.ids[:4]) == ["p1", "p0", "p2", "p3"]
    assert (np.diff(dataset.at_us) >= 0).all()
    assert list(dataset.ids[2:59]) == [f"p{row}" for row in range(2, 59)]


def test_rows_without_an_instant_are_left_out_and_counted(tmp_path):
    frame = payments().with_columns(paid_at=pl.Series(["soon", *["2024-01-03"] * 59]))
    frame.write_csv(tmp_path / "rows.csv")
    dataset = read(spec_of(tmp_path / "rows.csv"))
    assert len(dataset) == 59
    assert rules(dataset)["paid_at", "no instant"] == 1


def test_a_repeated_row_is_left_out_but_two_rows_of_one_name_are_refused(tmp_path):
    frame = payments()
    pl.concat([frame, frame[:3]]).write_csv(tmp_path / "twice.csv")
    dataset = read(spec_of(tmp_path / "twice.csv", id="payment_id"))
    assert len(dataset) == 60
    assert rules(dataset)["payment_id", "repeated row"] == 3
    pl.concat([frame, frame[:1].with_columns(amount=99.0)]).write_csv(tmp_path / "clash.csv")
    with pytest.raises(
        DataError, match=r"'p0' in column 'payment_id' names rows that differ: amount is '0.0' and"
    ):
        read(spec_of(tmp_path / "clash.csv", id="payment_id"))


def test_constant_and_empty_columns_are_excluded_with_the_value(tmp_path):
    frame = payments().with_columns(land=pl.lit("DE"), void=pl.lit(None, pl.Float64))
    frame.write_parquet(tmp_path / "rows.parquet")
    columns = by_name(read(spec_of(tmp_path / "rows.parquet")))
    assert columns["land"].role == columns["void"].role == "excluded"
    assert "'DE' in each of 60 rows" in columns["land"].reason


def test_ragged_rows_are_counted_with_their_line_and_refused_when_many(tmp_path):
    lines = ["a,y", *[f"{row},{row % 2}" for row in range(40)]]
    lines[7] += ",9"
    dataset = read(spec_of(csv_of(tmp_path, "\n".join(lines))))
    assert len(dataset) == 39
    assert dataset.repairs[0].example == "line 8 has 3 fields instead of 2"
    with pytest.raises(DataError, match="line 8 has 3 fields"):
        read(spec_of(tmp_path / "rows.csv", missing="refuse"))
    lines[20:25] = ["5"] * 5
    with pytest.raises(DataError, match=r"line 8 .* and so have 5 more of 40 rows"):
        read(spec_of(csv_of(tmp_path, "\n".join(lines))))


def test_undecodable_bytes_are_replaced_and_counted(tmp_path):
    rows = b"".join(
        b"%d,%s,%d\n" % (row, [b"caf\xe9", b"bar", b"inn"][row % 3], row % 2) for row in range(30)
    )
    dataset = read(spec_of(csv_of(tmp_path, b"n,place,y\n" + rows)))
    assert rules(dataset) == {("", "undecodable bytes"): 10}
    assert dataset.frame["place"][0] == "caf�"


def test_utf16_and_marked_utf8_are_read(tmp_path):
    text = "n,ort,y\n" + "".join(f"{row},{'Köln' if row % 3 else 'Ulm'},{row % 2}\n" for row in range(30))
    plain = read(spec_of(csv_of(tmp_path, text))).fingerprint
    assert read(spec_of(csv_of(tmp_path, text.encode("utf-16")))).fingerprint == plain
    assert read(spec_of(csv_of(tmp_path, text.encode("utf-8-sig")))).fingerprint == plain


def test_quoted_cells_may_hold_separators_quotes_and_line_ends(tmp_path):
    rows = "".join(f'{row},"a,\n""{row % 3}""",{row % 2}\n' for row in range(30))
    dataset = read(spec_of(csv_of(tmp_path, "n,note,y\n" + rows)))
    assert len(dataset) == 30
    assert dataset.frame["note"][0] == 'a,\n"0"'


def test_columns_of_lists_are_left_out_and_reported(tmp_path):
    payments().with_columns(basket=pl.Series([[1, 2]] * 60)).write_parquet(tmp_path / "rows.parquet")
    dataset = read(spec_of(tmp_path / "rows.parquet"))
    assert rules(dataset) == {("basket", "unreadable type"): 60}
    assert "basket" not in dataset.frame.columns


# targets


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (["1"] * 40, "has only one value, '1'"),
        ([f"v{n}" for n in range(40)], "has 40 values, of which 0 stand in 5 rows or more"),
        (["?"] * 40, "no known value"),
    ],
)
def test_a_target_needs_two_values_of_some_rows(tmp_path, labels, message):
    frame = pl.DataFrame({"n": range(40), "y": labels})
    frame.write_csv(tmp_path / "rows.csv")
    with pytest.raises(DataError, match=message):
        read(spec_of(tmp_path / "rows.csv"))


def test_a_trailing_dot_is_taken_off_only_where_that_leaves_two_values(tmp_path):
    labels = [">50K", ">50K.", "<=50K", "<=50K."] * 10
    pl.DataFrame({"n": range(40), "y": labels}).write_csv(tmp_path / "rows.csv")
    dataset = read(spec_of(tmp_path / "rows.csv"))
    assert rules(dataset) == {("y", "trailing dot"): 20}
    assert dataset.target.sum() == 20
    pl.DataFrame({"n": range(40), "y": ["a.", "b."] * 20}).write_csv(tmp_path / "dots.csv")
    assert by_name(read(spec_of(tmp_path / "dots.csv")))["y"].facts["positive"] in ("a.", "b.")


def test_rows_of_unknown_target_are_kept_and_counted(tmp_path):
    pl.DataFrame({"n": range(40), "y": ["", *["yes", "no", "no"] * 13]}).write_csv(tmp_path / "rows.csv")
    dataset = read(spec_of(tmp_path / "rows.csv"))
    assert list(dataset.target[:4]) == [-1, 1, 0, 0]
    assert rules(dataset) == {("y", "missing"): 1}
    with pytest.raises(DataError, match="did you mean 'yes'"):
        read(
            Spec(
                data=spec_of(tmp_path / "rows.csv").data,
                task=TaskSpec(positive="yess"),
            )
        )


# refusals


def test_a_missing_file_is_told_with_the_nearest_name(tmp_path):
    csv_of(tmp_path, "a,y\n1,2\n", "payments.csv")
    with pytest.raises(DataError, match=r"did you mean .*payments\.csv"):
        read(spec_of(tmp_path / "paymnets.csv"))
    with pytest.raises(DataError, match="does not exist"):
        read(spec_of(tmp_path / "nowhere" / "payments.csv"))
    with pytest.raises(DataError, match="no file matches"):
        read(spec_of(tmp_path / "*.parquet"))
    csv_of(tmp_path, "a\ty\n1\t2\n", "payments.tsv")
    with pytest.raises(DataError, match="holds files of several endings"):
        read(spec_of(tmp_path))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty"),
        (b"\n \n", "is empty"),
        (b"a,y\n", "has column names but no rows"),
        (b"a,a,y\n1,2,3\n", "column 'a' appears twice"),
        (b"\x89PNG\0\0\0\n1,2", "is not text"),
        (b"PAR1 and no more", "cannot be read"),
        (b'a,y\n1,"2', "y"),
        (b"39,private,0\n40,state,1\n", "whose first line looks like data: 39, private, 0"),
        (b"39,private,39\n40,state,1\n", "looks like data: 39, private, 39"),
    ],
)
def test_a_file_that_is_no_table_is_refused(tmp_path, content, message):
    with pytest.raises(DataError, match=message):
        read(spec_of(csv_of(tmp_path, content)))


def test_a_parquet_file_cut_short_is_refused(tmp_path):
    payments().write_parquet(tmp_path / "rows.parquet")
    whole = (tmp_path / "rows.parquet").read_bytes()
    for share in (0.1, 0.5, 0.9, 0.999):
        csv_of(tmp_path, whole[: int(share * len(whole))], "cut.parquet")
        with pytest.raises(DataError, match="cannot be read"):
            read(spec_of(tmp_path / "cut.parquet"))


@pytest.mark.parametrize("field", ["target", "time", "group", "id", "exclude", "columns"])
def test_a_missing_column_is_told_with_the_nearest_name(tmp_path, field):
    payments().write_csv(tmp_path / "rows.csv")
    named: dict[str, dict[str, Any]] = {
        "exclude": {"exclude": ("amuont",)},
        "columns": {"columns": {"amuont": ColumnSpec()}},
    }
    with pytest.raises(DataError, match=r"(?s)unknown column 'amuont' .*did you mean 'amount'") as caught:
        read(spec_of(tmp_path / "rows.csv", **named.get(field, {field: "amuont"})))
    assert field in caught.value.message


def test_a_database_that_cannot_be_read_is_refused(tmp_path):
    with sqlite3.connect(tmp_path / "rows.db") as database:
        database.execute("create table payments (a, y)")
    database.close()
    url = f"sqlite:///{tmp_path / 'rows.db'}"
    for source, table, message in [
        (f"sqlite:///{tmp_path / 'no.db'}", "payments", "there is no database"),
        (url, "paymnts", "did you mean 'payments'"),
        (url, "select amount from payments", "no such column"),
        (url, "payments", "holds no rows"),
        (
            "postgresql://someone:secret@127.0.0.1:1/x",
            "payments",
            r"someone:\*\*\*@127.0.0.1:1/x cannot be read",
        ),
        ("nosuchbase://x", "payments", "cannot be opened"),
    ]:
        with pytest.raises(DataError, match=message) as caught:
            read(spec_of(source, table=table))
        assert "secret" not in str(caught.value)
    assert not (tmp_path / "no.db").exists()


@pytest.mark.parametrize("count", [0, 1, 10, 12])
def test_a_database_without_a_table_is_told_with_the_tables_it_has(tmp_path, count):
    with sqlite3.connect(tmp_path / "rows.db") as database:
        for number in range(count):
            database.execute(f"create table t{number:02} (a, y)")
    database.close()
    with pytest.raises(DataError, match=r"`data\.table` does not say") as caught:
        read(spec_of(f"sqlite:///{tmp_path / 'rows.db'}"))
    named = [number for number in range(count) if f"t{number:02}" in caught.value.hint]
    assert named == [*range(min(count, 10))]
    assert ("2 more" in caught.value.hint) == (count == 12)
    assert ("none is there" in caught.value.hint) == (count == 0)


def test_sql_columns_of_mixed_types_are_read_as_text(tmp_path):
    with sqlite3.connect(tmp_path / "rows.db") as database:
        database.execute("create table t (mixed, big, y)")
        database.executemany(
            "insert into t values (?, ?, ?)",
            [([1, 2.5, "three", None, b"\xff"][row % 5], 2.0**62 + row, row % 2) for row in range(40)],
        )
    database.close()
    dataset = read(spec_of(f"sqlite:///{tmp_path / 'rows.db'}", table="t"))
    assert by_name(dataset)["mixed"].kind == "category"
    assert rules(dataset) == {("mixed", "missing"): 8}


# real data


@pytest.mark.skipif(not FRAUD.exists(), reason="the card transactions are not here")
def test_a_million_transactions_are_read_without_a_repair():
    dataset = read(spec_of(FRAUD, "TX_FRAUD", exclude=("TX_FRAUD_SCENARIO",), label_delay="7d"))
    assert len(dataset) == 1_303_778
    assert not dataset.repairs
    assert [column.name for column in dataset.inputs("entity")] == ["CUSTOMER_ID", "TERMINAL_ID"]
    assert [column.name for column in dataset.inputs("number")] == ["TX_AMOUNT"]


@pytest.mark.skipif(not TABULAR.exists(), reason="the tables are not here")
def test_churn_is_read_with_its_blanks_counted_and_headless_files_are_told():
    dataset = read(spec_of(TABULAR / "telco_churn.csv", "Churn"))
    assert rules(dataset) == {("TotalCharges", "missing"): 11}
    assert by_name(dataset)["customerID"].role == "id"
    for name in ("adult-train.csv", "german_credit.csv"):
        with pytest.raises(DataError, match=r"first line .*looks like data") as caught:
            read(spec_of(TABULAR / name, "income"))
        assert caught.value.hint == "write the column names into its first line"


def test_a_column_that_repeats_another_is_left_out_unless_the_spec_names_it(tmp_path):
    rows = pl.DataFrame({"n": range(40), "m": range(40), "k": [*range(39), 0], "y": [0, 1] * 20})
    rows.write_csv(tmp_path / "rows.csv")
    roles = {column.name: column for column in read(spec_of(tmp_path / "rows.csv")).columns}
    assert (roles["n"].role, roles["m"].role, roles["k"].role) == ("input", "excluded", "input")
    assert roles["m"].reason == "it repeats column 'n' in every row"
