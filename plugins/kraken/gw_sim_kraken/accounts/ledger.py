"""One line of an account's ledger (sheet 2.6, 4.13): the balance after it is that of the asset."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal


@dataclass(frozen=True, slots=True)
class LedgerEntry:
    """`amount` is signed and without the fee; the balance changed by amount - fee. Digits: the asset's precision."""

    ledger_id: str
    ref_id: str  # of what caused it: both legs of a trade have its exec_id
    time_ns: int
    kind: str  # deposit, withdrawal, trade, margin
    category: str
    asset: str  # v2 name
    amount: Decimal
    fee: Decimal
    balance: Decimal
