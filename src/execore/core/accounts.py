"""Double entry: accounts, and movements that take from one exactly what they give to another.

Every account is kept in a unit (a currency, or what an instrument is counted in). A movement is between two
accounts of one unit, so it balances by construction: over all accounts, each unit sums to zero, always.
Assets and costs have positive balances; income and capital have negative ones.
"""

from collections.abc import Callable, Iterator, Sequence
from decimal import Decimal

import msgspec

from execore.model.errors import InvariantViolation
from execore.model.money import EXACT, ZERO, exactly


class Account(msgspec.Struct, gc=False):
    """One account: a name, the unit it is kept in, and what it holds."""

    name: str
    unit: str
    balance: Decimal = ZERO


Movement = tuple[Account, Account, Decimal]
"""From this account, to that one, so much (less than zero goes the other way)."""


class Accounts:
    """All the accounts of one book. They are opened on first use and only ever changed by ``post``.

    Attributes:
        watcher: told of all movements, before they are made: for views that look on.
    """

    def __init__(self) -> None:
        self.watcher: Callable[[Sequence[Movement]], None] | None = None
        self._accounts: dict[tuple[str, str], Account] = {}
        self._named: dict[str, list[Account]] = {}

    def open(self, name: str, unit: str) -> Account:
        """The account of this name and unit, opened empty if it is new."""
        account = self._accounts.get((name, unit))
        if account is None:
            account = self._accounts[name, unit] = Account(name, unit)
            self._named.setdefault(name, []).append(account)
        return account

    def named(self, name: str) -> list[Account]:
        """The accounts of this name: one for each unit it is kept in."""
        return self._named.get(name, [])

    def post(self, movements: Sequence[Movement]) -> None:
        """Book the movements: all of them, or none.

        Raises:
            InvariantViolation: one is between accounts of different units.
        """
        for source, target, _ in movements:
            if source.unit is not target.unit and source.unit != target.unit:
                raise InvariantViolation(
                    f"{source.name} is kept in {source.unit}, {target.name} in {target.unit}",
                    "Report this as a bug in execore",
                )
        if self.watcher is not None:
            self.watcher(movements)
        add, subtract = EXACT.add, EXACT.subtract
        for source, target, amount in movements:
            source.balance = subtract(source.balance, amount)
            target.balance = add(target.balance, amount)

    @exactly
    def trial_balance(self) -> dict[str, Decimal]:
        """The sum over all accounts for each unit. Exactly zero, for every unit, always."""
        totals: dict[str, Decimal] = {}
        for account in self._accounts.values():
            totals[account.unit] = totals.get(account.unit, ZERO) + account.balance
        return totals

    def balances(self, name: str) -> dict[str, Decimal]:
        """What the accounts of this name hold, by unit."""
        return {account.unit: account.balance for account in self.named(name)}

    def __iter__(self) -> Iterator[Account]:
        return iter(self._accounts.values())
