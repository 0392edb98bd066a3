"""What an account pays in each market: REST TradeVolume (API sheet §2.6, §3.9). Pure: flows, no I/O."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from gw_venue_kraken.accounts import private_messages as wire
from gw_venue_kraken.rest_names import RestNames
from gwcore.errors import DecodeError, VenueRejected
from gwcore.model import FeesUpdate, Instrument
from gwcore.numbers import optional_text
from gwcore.rest import HttpFlow

#: Pairs in one question: the sheet names no limit; this is 2 KB of names.
PAIRS_MAX = 200
#: Questions in one round. One pair that TradeVolume does not know spoils its whole question, which is then halved; beyond
#: this number the rest is left untold.
QUESTIONS_MAX = 60

Ask = Callable[[str], HttpFlow[wire.RestTradeVolume]]


def account_fees(
    account: str, instruments: Sequence[Instrument], ask: Ask, names: RestNames
) -> HttpFlow[tuple[FeesUpdate, ...]]:
    """Fees of these pairs; `ask` calls TradeVolume with a list of pairs. Raises VenueError."""
    found: list[FeesUpdate] = []
    batches = [list(instruments[first : first + PAIRS_MAX]) for first in range(0, len(instruments), PAIRS_MAX)]
    for _ in range(QUESTIONS_MAX):
        if not batches:
            break
        batch = batches.pop(0)
        try:
            answer = yield from ask(",".join(one.venue_symbol or one.symbol for one in batch))
        except VenueRejected as error:
            if "Unknown asset pair" not in str(error):
                raise
            if len(batch) > 1:
                batches += [batch[: len(batch) // 2], batch[len(batch) // 2 :]]
            continue
        found += fees(account, batch, answer, names)
    return tuple(found)


def fees(
    account: str, instruments: Sequence[Instrument], answer: wire.RestTradeVolume, names: RestNames
) -> list[FeesUpdate]:
    """What one answer tells of these pairs, in their order. Raises DecodeError."""
    taker, maker = answer.fees or {}, answer.fees_maker or {}
    currency = None if answer.currency is None else names.asset(answer.currency)
    rows = []
    for instrument in instruments:
        keys = (instrument.venue_symbol or instrument.symbol, instrument.symbol, *instrument.aliases)
        try:
            of_maker, of_taker = _fee(maker, keys), _fee(taker, keys)
            volume = optional_text(answer.volume)
        except (ValueError, ArithmeticError) as error:
            raise DecodeError(f"TradeVolume: {instrument.symbol}: {error}") from None
        if of_maker is None and of_taker is None:
            continue
        rows.append(
            FeesUpdate(
                account=account,
                symbol=instrument.symbol,
                maker_fee=of_maker,
                taker_fee=of_taker,
                volume=volume,
                volume_currency=currency,
            )
        )
    return rows


def _fee(rows: Mapping[str, wire.RestFee], keys: Sequence[str]) -> str | None:
    row = next((rows[key] for key in keys if key in rows), None)
    return None if row is None else optional_text(row.fee)
