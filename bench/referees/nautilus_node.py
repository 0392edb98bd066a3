"""nautilus_trader 2.0: a live node with an actor, its Kraken adapter checking (its default). Replaced: the two addresses."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path
from typing import Any

from nautilus_trader.adapters.kraken import KrakenDataClientConfig, KrakenDataClientFactory, KrakenProductType
from nautilus_trader.common import DataActor, DataActorConfig, Environment, LoggerConfig, LogLevel
from nautilus_trader.live import LiveNode
from nautilus_trader.model import ActorId, BookType, InstrumentId, TraderId
from referee import Referee, Side

#: The adapter is native code and tells of a wrong checksum by a line of its log.
_COMPLAINT = re.compile(r"L2 book checksum mismatch: symbol=([^,]+),.*")
_OWNER: list[NautilusReferee] = []


class _Actor(DataActor):
    def on_start(self) -> None:
        owner = _OWNER[0]
        for symbol in owner.symbols:
            instrument = InstrumentId.from_str(f"{symbol}.KRAKEN")
            owner.symbol_of[instrument] = symbol
            self.subscribe_book_deltas(instrument, BookType.L2_MBP, depth=owner.depth, managed=True)
            self.subscribe_trades(instrument)
            self.subscribe_quotes(instrument)

    def on_book_deltas(self, deltas: Any) -> None:
        owner = _OWNER[0]
        owner.books_heard += 1
        owner.held[owner.symbol_of[deltas.instrument_id]] = self.cache.order_book(deltas.instrument_id)

    def on_trade(self, tick: Any) -> None:
        _OWNER[0].trades_heard += 1

    def on_quote(self, quote: Any) -> None:
        _OWNER[0].tickers_heard += 1


class NautilusReferee(Referee):
    distribution = "nautilus-trader"

    async def run(self) -> None:
        _OWNER.append(self)
        self.symbol_of: dict[Any, str] = {}
        config = KrakenDataClientConfig(
            product_type=KrakenProductType.SPOT, base_url=self.rest_url, ws_public_url=self.ws_url
        )
        assert config.validate_l2_checksum
        node = (
            LiveNode.builder("REFEREE", TraderId.from_str("REFEREE-001"), Environment.LIVE)
            .with_timeout_connection(20)
            .with_delay_post_stop_secs(0)
            .with_logging(LoggerConfig(stdout_level=LogLevel.WARNING, is_colored=False))
            .add_data_client(None, KrakenDataClientFactory(), config)
            .build()
        )
        node.add_actor(_Actor(DataActorConfig(actor_id=ActorId.from_str("REFEREE-ACTOR"))))
        await asyncio.ensure_future(node.run_async())

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.held: dict[str, Any] = {}

    def reports(self) -> list[dict[str, Any]]:
        lines = Path(self.log_path).read_text(errors="replace").splitlines()
        found = filter(None, map(_COMPLAINT.search, lines))
        # It takes no update between a complaint and the next snapshot, so each complaint is about a loss of its own.
        return [
            {"symbol": match[1], "words": match[0][:200], "snapshots_before": number}
            for number, match in enumerate(found)
        ]

    def book(self, symbol: str) -> tuple[Side, Side] | None:
        held = self.held.get(symbol)
        if held is None:
            return None
        # `BookLevel.size` is a binary float; these are decimals.
        sides = (held.bids_to_dict(), held.asks_to_dict())
        bids, asks = ([(f"{price:f}", f"{size:f}") for price, size in side.items()] for side in sides)
        return (bids, asks) if bids or asks else None


REFEREE = NautilusReferee
