"""Rows of the `balances` channel as our funds (API sheet §4.13). Pure functions.

There is nothing of holds on this channel: they come from BalanceEx.
"""

from __future__ import annotations

from collections.abc import Sequence

from gw_venue_kraken.accounts.private_messages import BalanceFrame, BalanceRow
from gw_venue_kraken.times import time_ns
from gwcore.model import FundsUpdate, UpdateType
from gwcore.numbers import decimal_text
from gwcore.venue import AccountMessage, AccountSnapshot

#: The wallet that trades; a snapshot's row may name no wallet at all.
MAIN_WALLET = "spot/main"


def read_balances(account: str, frame: BalanceFrame) -> Sequence[AccountMessage]:
    """All of a frame. Raises ValueError for numbers and times that are none."""
    if frame.type == "snapshot":
        return [AccountSnapshot(funds=tuple(each for row in frame.data for each in _wallets(account, row)))]
    return [
        FundsUpdate(
            account=account,
            asset=row.asset,
            update_type=UpdateType.INCREMENTAL,
            total=decimal_text(row.balance),
            wallet=f"{row.wallet_type}/{row.wallet_id}",
            venue_time_ns=None if row.timestamp is None else time_ns(row.timestamp),
        )
        for row in frame.data
    ]


def _wallets(account: str, row: BalanceRow) -> list[FundsUpdate]:
    named = [(f"{wallet.type}/{wallet.id}", wallet.balance) for wallet in row.wallets]
    return [
        FundsUpdate(account=account, asset=row.asset, total=decimal_text(balance), wallet=wallet)
        for wallet, balance in named or [(MAIN_WALLET, row.balance)]
    ]
