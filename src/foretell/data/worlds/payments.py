"""A world of card payments: customers on shopping trips, terminals, four fraud schemes, honest look-alikes.

C: customers, T: terminals, D: days, N: transactions. Three amounts are told apart: small (below 5), round (a
multiple of 10), ordinary (the rest). No customer makes an honest ordinary payment directly after a small and
then a round one; probing fraud does just that. Each probed triple is an honest one (round, small, ordinary)
in which the first two amounts changed places, so sums, counts and extremes of a window over it tell nothing:
about one such triple in ten is a fraud, and only its order says which.
"""

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import polars as pl

STARTS_AT = datetime(2024, 1, 1, tzinfo=UTC)
DAY = 86_400
REGION_KM = 100.0
REACH_KM = 6.0
"""Distance over which a terminal's appeal falls to 1/e."""
FAR_KM = 30.0
WEEK = np.array([0.9, 0.9, 0.95, 1.0, 1.25, 1.4, 0.6])
HOURS = np.array([1, 1, 1, 1, 1, 3, 8, 20, 30, 35, 40, 50, 60, 50, 40, 42, 55, 70, 65, 45, 25, 14, 7, 3])
SMALL_SHARE = 0.2
ROUND_SHARE = 0.2
PROBE_SECONDS = 2_700
"""Longest time a probed triple takes; a shopping trip's payments follow each other faster."""
SPEC = """\
# Card payments of a simulated region. causes.parquet says why each fraud is one; no model may see it.
data:
  source: transactions.parquet
  target: fraud
  id: transaction_id
  time: at
  label_delay: 7d
  row_text: transaction
columns:
  transaction_id: {kind: entity, text: transaction}
  at: {kind: time, text: time}
  customer: {kind: entity, text: customer}
  terminal: {kind: entity, text: terminal}
  amount: {kind: number, unit: EUR, text: amount}
task:
  positive_text: fraud
narrate:
  glossary:
    amount: Stolen card details are often used for one purchase far above what the customer usually spends.
    terminal: A terminal with recent frauds may be compromised, and then copies the cards used at it.
    customer: Several payments in a few hours at unusual places are typical of a stolen card.
  checks:
    amount: Ask the customer whether they made this purchase.
    terminal: Look at the other payments at this terminal over the last four weeks.
    customer: Look at the order and the places of the customer's payments over the last two days.
review:
  capacity: 10          # reviews a day
  cost_review: 5
  cost_miss: 150        # below 5 / 150 a transaction is not worth a review
"""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class World:
    """What happened, and why. All frames are in the order of time or of names."""

    events: pl.DataFrame
    """transaction_id, at (UTC), customer, terminal, amount, fraud (0 or 1): all that a model may see."""
    causes: pl.DataFrame
    """One row a fraud: transaction_id, scheme, started_at (of its window, burst or probing), and which
    factors are responsible: by_amount (against the customer's past), by_terminal (its past labels),
    by_pace and by_order (of the customer's payments)."""
    customers: pl.DataFrame
    """customer, x, y in km, usual_amount, trips_per_day."""
    terminals: pl.DataFrame
    """terminal, x, y in km."""


SCHEMES = ("", "large_amount", "compromised_terminal", "stolen_card", "probe")
LARGE, COMPROMISED, STOLEN, PROBE = range(1, 5)
FACTORS = {
    "by_amount": ("large_amount", "stolen_card"),
    "by_terminal": ("compromised_terminal",),
    "by_pace": ("stolen_card",),
    "by_order": ("probe",),
}
"""Which schemes a factor is responsible for."""


@dataclass(slots=True)
class _People:
    """Who pays, where: the fixed part of a world."""

    homes: np.ndarray
    """[C, 2] km."""
    shops: np.ndarray
    """[T, 2] km."""
    usual: np.ndarray
    """[C] median of an ordinary payment."""
    spread: np.ndarray
    """[C] standard deviation of the logarithm of an ordinary payment."""
    trips: np.ndarray
    """[C] trips a day."""
    hour_shift: np.ndarray
    """[C] hours by which a customer lives later than others."""
    appeal: np.ndarray
    """[T] how much a terminal draws, distance apart."""


@dataclass(slots=True)
class _Payments:
    """Transactions in any order; `scheme` is 0 for honest ones."""

    seconds: np.ndarray
    customer: np.ndarray
    terminal: np.ndarray
    amount: np.ndarray
    scheme: np.ndarray
    started: np.ndarray
    """Seconds at which the payment's scheme began; 0 for honest payments."""

    def __len__(self) -> int:
        return len(self.seconds)

    def columns(self) -> tuple[np.ndarray, ...]:
        return self.seconds, self.customer, self.terminal, self.amount, self.scheme, self.started

    def take(self, order: np.ndarray) -> "_Payments":
        return _Payments(*(column[order] for column in self.columns()))

    def join(self, other: "_Payments") -> "_Payments":
        return _Payments(*map(np.concatenate, zip(self.columns(), other.columns(), strict=True)))


def simulate(
    *, num_days: int = 120, num_customers: int = 800, num_terminals: int = 400, seed: int = 0
) -> World:
    """Return a world; the same arguments give the same world.

    About 1.1 payments per customer and day, of which about 0.8 % are frauds.
    """
    assert min(num_days, num_customers, num_terminals) > 0
    rngs = np.random.default_rng(seed).spawn(8)
    people = _settle(num_customers, num_terminals, rngs[0])
    payments = _trips(people, num_days, rngs[1]).join(_sales(people, num_days, rngs[2]))
    payments = payments.take(np.argsort(payments.seconds, kind="stable"))
    _overspend(people, payments, rngs[3])
    _compromise(payments, num_terminals, num_days, rngs[4])
    payments = payments.join(_steal(people, num_days, rngs[5]))
    payments = payments.take(np.argsort(payments.seconds, kind="stable"))
    _probe(payments, rngs[6])
    return _world(people, payments)


def _settle(num_customers: int, num_terminals: int, rng: np.random.Generator) -> _People:
    return _People(
        homes=rng.uniform(0, REGION_KM, (num_customers, 2)),
        shops=rng.uniform(0, REGION_KM, (num_terminals, 2)),
        usual=np.exp(rng.normal(3.4, 0.5, num_customers)),
        spread=rng.uniform(0.35, 0.6, num_customers),
        trips=np.exp(rng.normal(-0.85, 0.45, num_customers)),
        hour_shift=rng.normal(0, 1.2, num_customers),
        appeal=rng.gamma(2.0, 1.0, num_terminals) + 0.1,
    )


def _pick(weights_RT: np.ndarray, row: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Draw one terminal for each entry of `row`, by the weights of that row."""
    cumulative = np.cumsum(weights_RT, axis=1)
    cumulative /= cumulative[:, -1:]
    ladder = (cumulative + np.arange(len(cumulative))[:, None]).ravel()
    found = np.searchsorted(ladder, row + rng.random(len(row)), side="right")
    return np.minimum(found - row * weights_RT.shape[1], weights_RT.shape[1] - 1)


def _distance(from_R2: np.ndarray, to_T2: np.ndarray) -> np.ndarray:
    return np.hypot(*(from_R2[:, None, :] - to_T2[None, :, :]).transpose(2, 0, 1))


def _near(people: _People, from_R2: np.ndarray) -> np.ndarray:
    return people.appeal * np.exp(-_distance(from_R2, people.shops) / REACH_KM) + 1e-12


def _time_of_day(people: _People, customer: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    cumulative = np.cumsum(HOURS) / HOURS.sum()
    hour = np.searchsorted(cumulative, rng.random(len(customer)), side="right") + rng.random(len(customer))
    return ((hour + people.hour_shift[customer]) % 24 * 3600).astype(np.int64)


def _amounts(people: _People, customer: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Draw honest amounts: small, round or ordinary, independently of all but the customer."""
    ordinary = np.exp(
        np.log(people.usual[customer]) + people.spread[customer] * rng.normal(size=len(customer))
    )
    rounded = 10.0 * np.ceil(people.usual[customer] * rng.uniform(0.5, 1.5, len(customer)) / 10)
    small = np.round(rng.uniform(0.5, 4.99, len(customer)), 2)
    kind = rng.random(len(customer))
    amount = np.where(kind < SMALL_SHARE + ROUND_SHARE, rounded, _ordinary(ordinary))
    return np.where(kind < SMALL_SHARE, small, amount)


def _ordinary(amount: np.ndarray) -> np.ndarray:
    """Return amounts in cents, neither small nor round."""
    cents = np.round(100 * np.maximum(amount, 5.0))
    return np.where(cents % 1000 == 0, cents + 1, cents) / 100


def _trips(people: _People, num_days: int, rng: np.random.Generator) -> _Payments:
    """Honest payments, in trips of one to six; on holiday, people pay more often and somewhere else."""
    num_customers = len(people.usual)
    begins_C = rng.integers(0, num_days, num_customers)
    lasts_C = np.where(rng.random(num_customers) < num_days / 365, rng.integers(5, 13, num_customers), 0)
    days_D = np.arange(num_days)
    away_CD = (days_D >= begins_C[:, None]) & (days_D < (begins_C + lasts_C)[:, None])
    rate_CD = people.trips[:, None] * WEEK[days_D % 7] * np.where(away_CD, 1.8, 1.0)
    count_CD = rng.poisson(rate_CD)
    trip_customer, trip_day = (
        np.repeat(index, count_CD.ravel()) for index in map(np.ravel, np.indices(count_CD.shape))
    )
    size = np.minimum(1 + rng.poisson(1.3, len(trip_customer)), 6)
    trip = np.repeat(np.arange(len(size)), size)
    customer, day = trip_customer[trip], trip_day[trip]
    gap = rng.integers(120, 900, len(trip))
    gap[np.cumsum(size) - size] = 0
    since = np.cumsum(gap)
    since -= since[np.cumsum(size) - size][trip]
    start = trip_day * DAY + _time_of_day(people, trip_customer, rng)
    at_home = _pick(_near(people, people.homes), customer, rng)
    elsewhere = _pick(_near(people, rng.uniform(0, REGION_KM, people.homes.shape)), customer, rng)
    terminal = np.where(away_CD[customer, day], elsewhere, at_home)
    honest = np.zeros(len(trip), np.int64)
    amount = _amounts(people, customer, rng)
    return _Payments(start[trip] + since, customer, terminal, amount, honest, honest.copy())


def _sales(people: _People, num_days: int, rng: np.random.Generator) -> _Payments:
    """Honest payments at terminals that are busy for a week."""
    num_terminals = len(people.appeal)
    num_sales = round(num_terminals * num_days / 5_000)
    where = rng.integers(0, num_terminals, num_sales)
    when = rng.integers(0, max(num_days - 6, 1), num_sales)
    sale = np.repeat(np.arange(num_sales), 60)
    drawn_ST = np.exp(-_distance(people.homes, people.shops)[:, where].T / (3 * REACH_KM)) + 1e-12
    customer = _pick(drawn_ST, sale, rng)
    day = np.minimum(when[sale] + rng.integers(0, 7, len(sale)), num_days - 1)
    seconds = day * DAY + _time_of_day(people, customer, rng)
    honest = np.zeros(len(sale), np.int64)
    return _Payments(seconds, customer, where[sale], _amounts(people, customer, rng), honest, honest.copy())


def _overspend(people: _People, payments: _Payments, rng: np.random.Generator) -> None:
    """Large amounts: honest big purchases, and fraudulent ones that are mostly larger still."""
    chance = rng.random(len(payments))
    is_honest = chance < 0.0025
    is_fraud = (chance >= 0.0025) & (chance < 0.0040)
    times = np.where(is_fraud, rng.uniform(8, 20, len(payments)), rng.uniform(3, 9, len(payments)))
    large = _ordinary(people.usual[payments.customer] * times)
    payments.amount[:] = np.where(is_honest | is_fraud, large, payments.amount)
    payments.scheme[is_fraud] = LARGE
    payments.started[is_fraud] = payments.seconds[is_fraud]


def _compromise(payments: _Payments, num_terminals: int, num_days: int, rng: np.random.Generator) -> None:
    """Compromised terminals: for two to four weeks half of the payments are frauds, whatever the amounts."""
    num_windows = round(num_terminals * num_days / 3_500)
    for terminal in rng.permutation(num_terminals)[:num_windows]:
        start = rng.integers(0, max(num_days - 14, 1)) * DAY
        end = start + rng.integers(14, 29) * DAY
        inside = (payments.terminal == terminal) & (payments.seconds >= start) & (payments.seconds < end)
        taken = inside & (payments.scheme == 0) & (rng.random(len(payments)) < 0.5)
        payments.scheme[taken] = COMPROMISED
        payments.started[taken] = start


def _steal(people: _People, num_days: int, rng: np.random.Generator) -> _Payments:
    """Stolen cards: 4 to 9 larger payments within a day, at terminals far from the customer's home."""
    num_customers = len(people.usual)
    num_cards = round(num_customers * num_days / 2_700)
    card = rng.integers(0, num_customers, num_cards)
    start = rng.integers(0, max((num_days - 1) * DAY, 1), num_cards)
    size = rng.integers(4, 10, num_cards)
    theft = np.repeat(np.arange(num_cards), size)
    seconds = start[theft] + rng.integers(0, 20 * 3600, len(theft))
    far_RT = (_distance(people.homes[card], people.shops) > FAR_KM) + 1e-12
    terminal = _pick(far_RT, theft, rng)
    amount = _ordinary(people.usual[card[theft]] * rng.uniform(1.2, 4.0, len(theft)))
    return _Payments(seconds, card[theft], terminal, amount, np.full(len(theft), STOLEN), start[theft])


def _probe(payments: _Payments, rng: np.random.Generator) -> None:
    """Forbid small, round, ordinary among honest payments; let chosen triples become just that, as frauds."""
    order = np.lexsort((payments.seconds, payments.customer))
    customer, amount = payments.customer[order], payments.amount[order]
    first, second, third = order[:-2], order[1:-1], order[2:]
    small, rounded = amount < 5, amount % 10 == 0
    same = customer[:-2] == customer[2:]
    ordinary = same & ~small[2:] & ~rounded[2:]
    _swap(payments.amount, first, second, ordinary & small[:-2] & rounded[1:-1])

    amount = payments.amount[order]
    small, rounded = amount < 5, amount % 10 == 0
    quick = payments.seconds[third] - payments.seconds[first] <= PROBE_SECONDS
    honest = (payments.scheme[first] == 0) & (payments.scheme[second] == 0) & (payments.scheme[third] == 0)
    free = np.flatnonzero(ordinary & rounded[:-2] & small[1:-1] & quick & honest)
    count = min(len(free), round(0.0012 * len(payments)))
    chosen = np.zeros(len(first), bool)
    chosen[rng.permutation(free)[:count]] = True
    _swap(payments.amount, first, second, chosen)
    payments.scheme[third[chosen]] = PROBE
    payments.started[third[chosen]] = payments.seconds[first[chosen]]


def _swap(amount: np.ndarray, first: np.ndarray, second: np.ndarray, where: np.ndarray) -> None:
    """Exchange the amounts at `first` and `second`, in place, where asked; the pairs do not overlap."""
    amount[first[where]], amount[second[where]] = amount[second[where]], amount[first[where]]


def _named(letter: str, codes: np.ndarray) -> pl.Series:
    names = pl.Series(
        [f"{letter}{code:05}" for code in range(int(codes.max(initial=-1)) + 1)], dtype=pl.String
    )
    return names.gather(codes)


def _instants(seconds: np.ndarray) -> pl.Series:
    micros = int(STARTS_AT.timestamp() * 1e6) + seconds.astype(np.int64) * 1_000_000
    return pl.Series(micros).cast(pl.Datetime("us", "UTC"))


def _world(people: _People, payments: _Payments) -> World:
    ids = np.arange(1, len(payments) + 1)
    fraud = payments.scheme > 0
    events = pl.DataFrame(
        {
            "transaction_id": ids,
            "at": _instants(payments.seconds),
            "customer": _named("C", payments.customer),
            "terminal": _named("T", payments.terminal),
            "amount": payments.amount,
            "fraud": fraud.astype(np.int8),
        }
    )
    scheme = np.array(SCHEMES)[payments.scheme[fraud]]
    responsible = {factor: np.isin(scheme, schemes) for factor, schemes in FACTORS.items()}
    started = _instants(payments.started[fraud])
    causes = pl.DataFrame(
        {"transaction_id": ids[fraud], "scheme": scheme.tolist(), "started_at": started, **responsible}
    )
    customers = pl.DataFrame(
        {
            "customer": _named("C", np.arange(len(people.usual))),
            "x": people.homes[:, 0],
            "y": people.homes[:, 1],
            "usual_amount": people.usual,
            "trips_per_day": people.trips,
        }
    )
    terminals = pl.DataFrame(
        {
            "terminal": _named("T", np.arange(len(people.appeal))),
            "x": people.shops[:, 0],
            "y": people.shops[:, 1],
        }
    )
    return World(events=events, causes=causes, customers=customers, terminals=terminals)


def write(
    folder: Path,
    *,
    num_days: int = 120,
    num_customers: int = 800,
    num_terminals: int = 400,
    seed: int = 0,
) -> Path:
    """Write transactions.parquet, causes.parquet and payments.yaml into `folder`; return the spec's path."""
    world = simulate(num_days=num_days, num_customers=num_customers, num_terminals=num_terminals, seed=seed)
    folder.mkdir(parents=True, exist_ok=True)
    world.events.write_parquet(folder / "transactions.parquet")
    world.causes.write_parquet(folder / "causes.parquet")
    spec = folder / "payments.yaml"
    spec.write_text(SPEC, encoding="utf-8")
    return spec
