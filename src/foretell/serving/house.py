"""What the routes work with: one store and all that stands on it."""

from dataclasses import dataclass

from foretell.cases.accounts import Accounts
from foretell.cases.desk import Desk
from foretell.cases.governance import Governance
from foretell.cases.permits import Permits
from foretell.cases.planted import Planting
from foretell.cases.store import Store


@dataclass(frozen=True, slots=True)
class House:
    """One store, its accounts, its desk, its policy, its planted cases, and what programs suggest."""

    store: Store
    accounts: Accounts
    desk: Desk
    governance: Governance
    planting: Planting
    permits: Permits

    @classmethod
    def of(cls, store: Store) -> "House":
        return cls(store, Accounts(store), Desk(store), Governance(store), Planting(store), Permits(store))
