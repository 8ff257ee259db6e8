"""How well could anyone do? A Bayes filter that knows how the handbook's simulator commits its frauds.

It knows what no model may: rates and lengths of the schemes, each customer's true mean amount, and of every
label that has arrived which scheme it came from. It does not know the future: labels come seven days late.

Schemes: every amount over 220 is fraud; each day 2 of 10,000 terminals turn bad for 28 days, and all that
passes is fraud; each day 3 of 5,000 customers are robbed for 14 days, and a third of their payments is fraud
at five times the amount. n: transactions in order of time, R: rows asked for, S: days left, 0 when clean.

Source: Le Borgne et al. (2022), ch. 3.3, the simulator; the filter is a hidden Markov model over days left.
"""

import numpy as np
from scipy.stats import norm

from handbook import DAY, DELAY_DAYS, Floats, Rows, Stream

LIMIT = 220.0
TERMINAL_HAZARD, TERMINAL_DAYS = 2 / 10_000, 28
CUSTOMER_HAZARD, CUSTOMER_DAYS = 3 / 5_000, 14
SHARE, FACTOR = 1 / 3, 5.0
SURE = 60.0
"""Log likelihood ratio of what is certain."""


def ceiling(stream: Stream, rows: Rows) -> Floats:
    """Return the probability of fraud of each row [R], given all that had happened and arrived by then."""
    unlabelled = _log_ratio(stream)
    as_customer = np.where(stream.scenario == 3, SURE, np.log1p(-SHARE))
    as_terminal = np.where(stream.scenario == 2, SURE, -SURE)
    as_terminal[stream.scenario == 3] = 0.0  # this scheme hides the others
    robbed = _active(stream, rows, stream.customer, unlabelled, as_customer, CUSTOMER_HAZARD, CUSTOMER_DAYS)
    silent = np.zeros(len(stream.at))
    tampered = _active(stream, rows, stream.terminal, silent, as_terminal, TERMINAL_HAZARD, TERMINAL_DAYS)
    theft = SHARE * np.exp(_log_odd_amount(stream)[rows])
    stolen = robbed * theft / (1 - robbed + robbed * (1 - SHARE + theft))
    return np.where(stream.amount[rows] > LIMIT, 1.0, 1 - (1 - stolen) * (1 - tampered))


def _active(
    stream: Stream, rows: Rows, entity: Rows, unlabelled: Floats, labelled: Floats, hazard: float, length: int
) -> Floats:
    """Return how likely each row's entity is under a scheme just before the row [R].

    Args:
        unlabelled: log likelihood ratio (scheme against clean) of each transaction as it is seen [n].
        labelled: the same once its label is known [n].
    """
    num_entities, num_days = entity.max() + 1, int(stream.day.max()) + 1
    order = np.lexsort((stream.at, entity))
    # Keys that rise along an entity's transactions make every past window a pair of positions.
    span = (num_days + 1) * DAY
    keys = entity[order] * span + stream.at[order]
    seen, known = (np.append(0.0, np.cumsum(ratio[order])) for ratio in (unlabelled, labelled))

    def position(at: Floats) -> Rows:
        return np.searchsorted(keys, entity[rows] * span + np.maximum(at, 0.0), side="left")

    before = _beliefs(stream, entity, labelled, hazard, length, num_entities, num_days)
    day = stream.day[rows]
    told = np.maximum(day - DELAY_DAYS, 0)
    belief = before[told, entity[rows]].copy()
    heard = position(np.nextafter(stream.at[rows] - DELAY_DAYS * DAY, np.inf))
    first, end = position(told * DAY), position((told + 1) * DAY)
    heard = np.clip(heard, first, end)
    ratio = known[heard] - known[first] + seen[end] - seen[heard]
    for later in range(1, DELAY_DAYS + 1):
        belief = _next_day(_updated(belief, ratio), hazard)
        start = position((told + later) * DAY)
        until = position((told + later + 1) * DAY) if later < DELAY_DAYS else position(stream.at[rows])
        ratio = seen[until] - seen[start]
    return 1 - _updated(belief, ratio)[:, 0]


def _beliefs(
    stream: Stream,
    entity: Rows,
    labelled: Floats,
    hazard: float,
    length: int,
    num_entities: int,
    num_days: int,
) -> Floats:
    """Return for each day and entity the belief over days left, given the labels of the days before it."""
    belief = np.zeros((num_entities, length + 1))
    belief[:, 0] = 1.0
    found = np.empty((num_days, num_entities, length + 1), dtype=np.float32)
    for day in range(num_days):
        belief = _next_day(belief, hazard)
        found[day] = belief
        today = np.searchsorted(stream.day, [day, day + 1])
        slots = slice(*today)
        belief = _updated(belief, np.bincount(entity[slots], labelled[slots], num_entities))
    return found


def _next_day(belief: Floats, hazard: float) -> Floats:
    """Return the belief [., S] a day later: a day less is left, and any entity may be drawn anew."""
    moved = np.zeros_like(belief)
    moved[:, :-1] = belief[:, 1:]
    moved[:, 0] += belief[:, 0]
    moved *= 1 - hazard
    moved[:, -1] += hazard
    return moved


def _updated(belief: Floats, ratio: Floats) -> Floats:
    """Return the belief [., S] after evidence with the log likelihood ratio [.] of scheme against clean."""
    moved = belief.astype(np.float64)
    moved[:, 1:] *= np.exp(np.clip(ratio, -SURE, SURE))[:, None]
    return moved / moved.sum(axis=1, keepdims=True)


def _log_ratio(stream: Stream) -> Floats:
    """Return the log likelihood ratio of each amount, robbed against clean, before its label is known [n]."""
    return np.log1p(SHARE * np.expm1(np.minimum(_log_odd_amount(stream), SURE)))


def _log_odd_amount(stream: Stream) -> Floats:
    """Return how much likelier each amount is as five times a usual one than as a usual one, in logs [n]."""
    genuine = stream.scenario != 3
    count = np.bincount(stream.customer[genuine], minlength=stream.customer.max() + 1)
    total = np.bincount(stream.customer[genuine], stream.amount[genuine], minlength=len(count))
    # Negative draws are redrawn, which lifts the mean of what is seen by 2.7 %.
    mean = ((total + 50.0) / (count + 1) / 1.027)[stream.customer]
    with np.errstate(divide="ignore"):
        odd = np.log(_density(stream.amount / FACTOR, mean) / FACTOR)
        return np.clip(odd - np.log(_density(stream.amount, mean)), -SURE, SURE)


def _density(amount: Floats, mean: Floats) -> Floats:
    """Return the density of a customer's amounts: normal, and uniform up to twice the mean where negative."""
    redrawn = norm.cdf(-2.0) / (2 * mean) * (amount <= 2 * mean)
    return norm.pdf(amount, mean, mean / 2) + redrawn + 1e-300
