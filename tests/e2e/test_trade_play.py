"""The play of the show of trading referees (`scripts/show/8-4`), by our own client: each step is seen as asked for."""

from __future__ import annotations

import sys
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from gwcore.client import connect_sync

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(240)]
SHOW = Path(__file__).parents[2] / "scripts" / "show"


@pytest.fixture(scope="module")
def show() -> Any:
    sys.path.insert(0, str(SHOW))
    import trade_referees

    return trade_referees


def test_our_client_plays_it_and_sees_a_strangers_order(show: Any, tmp_path: Path) -> None:
    options = {"accounts": 2, "verbs": show.VERBS, "settings": show.SETTINGS}
    with (
        show.stage(tmp_path, referees=(), **options) as on,
        connect_sync(on.gateway.socket_path, keep_events=False) as client,
    ):
        ours = show.OurHand(client.trader(show.ACCOUNT))
        table = show.Table(on)
        play = show.Play(ours, table, 1)
        play.run()
        assert play.complaints == []
        assert show.whose(on, {ours.name: play.placed}) == []
        market, processes = table.market("BTC/USD"), sys.modules["account_processes"]
        wish = {"side": "sell", "quantity": market.quantity(1), "price": market.price(market.ask * 2)}
        made = processes.do(on.sim, "order", account=show.ACCOUNT, symbol="BTC/USD", cl_ord_id="elsewhere", **wish)
        key = made["order_id"]
        assert table.wait_seen(key, {"client_id": "elsewhere", "price": Decimal(wish["price"]), "status": "open"}) == ""
        assert [text[:20] for text in show.whose(on, {ours.name: [key]})] == ["our client: order O" + key[1]]
        assert show.whose(on, {"somebody": [key]}) == []
        play.standing.append(key)
        play.cancel_all()
        assert play.complaints == []


def test_a_market_has_steps(show: Any) -> None:
    numbers = map(Decimal, ("99.9", "1", "100.1", "2", "0.1", "0.00000001", "0.0001"))
    market = sys.modules["trade_table"].Market("BTC/USD", *numbers)
    assert [market.price(Decimal(text)) for text in ("80.99", "0.15")] == ["80.9", "0.1"]
    assert [market.quantity(number) for number in (0, 1)] == ["0.00030001", "0.00030003"]
