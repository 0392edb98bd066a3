"""Rows of the `balances` channel as JSON text (sheet 4.13): a snapshot by asset, updates by ledger line."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal

from gw_sim_kraken.accounts.amounts import fixed
from gw_sim_kraken.accounts.ledger import LedgerEntry
from gw_sim_kraken.market.listing import Asset
from gw_sim_kraken.texts import time_text


def frame(kind: str, rows: Iterable[str], sequence: int) -> bytes:
    """A snapshot or an update with its place in the subscription."""
    return f'{{"channel":"balances","type":"{kind}","data":[{",".join(rows)}],"sequence":{sequence}}}'.encode()


def asset_row(asset: Asset, balance: Decimal) -> str:
    """One asset of the snapshot. All of it is in the main spot wallet: nobody earns here."""
    amount = fixed(balance, asset.precision)
    return (
        f'{{"asset":"{asset.name}","asset_class":"currency",'
        f'"wallets":[{{"type":"spot","id":"main","balance":{amount}}}],"balance":{amount}}}'
    )


def entry_row(entry: LedgerEntry, decimals: int) -> str:
    """One ledger line. There is no hold on this channel: orders alone change nothing."""
    return (
        f'{{"ledger_id":"{entry.ledger_id}","ref_id":"{entry.ref_id}","timestamp":"{time_text(entry.time_ns)}",'
        f'"type":"{entry.kind}","asset":"{entry.asset}","asset_class":"currency","category":"{entry.category}",'
        f'"wallet_type":"spot","wallet_id":"main","amount":{fixed(entry.amount, decimals)},'
        f'"fee":{fixed(entry.fee, decimals)},"balance":{fixed(entry.balance, decimals)}}}'
    )
