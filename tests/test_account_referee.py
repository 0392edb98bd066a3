"""What is between the shows and another client on an account: a command a line, an answer or the client's refusal."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path
from typing import Any

import pytest

REFEREES = Path(__file__).parents[1] / "bench" / "referees"


@pytest.fixture(scope="module")
def module() -> Any:
    sys.path.insert(0, str(REFEREES))
    import account_referee

    return account_referee


@pytest.fixture
def referee(module: Any) -> Any:
    class Broke(Exception):
        pass

    class ByHand(module.Way):  # type: ignore[misc,name-defined]
        refusals = (Broke,)

        async def place(self, wish: Any) -> Any:
            if wish["quantity"] == "0":
                raise Broke("too small")
            return {"ids": [wish["symbol"] * int(wish["quantity"])]}

    referee = module.AccountReferee("ws", "rest", "key", "secret")
    referee.distribution = "pytest"
    referee.ways = {"hand": ByHand()}
    return referee


def ask(referee: Any, **request: Any) -> Any:
    return asyncio.run(referee.answer(f"trade {json.dumps(request)}"))


def test_it_tells_what_each_way_can(referee: Any) -> None:
    assert asyncio.run(referee.answer("state"))["ways"] == {"hand": ["place", "fee_asset"]}


def test_an_order_is_placed_or_refused_in_the_clients_words(referee: Any) -> None:
    assert ask(referee, way="hand", verb="place", order={"symbol": "A", "quantity": "2"}) == {"ids": ["AA"]}
    refused = ask(referee, way="hand", verb="place", order={"symbol": "A", "quantity": "0"})
    assert refused == {"refused": "Broke: too small"}


def test_what_is_no_refusal_ends_it(referee: Any) -> None:
    with pytest.raises(ValueError, match="invalid literal"):
        ask(referee, way="hand", verb="place", order={"symbol": "A", "quantity": "much"})
    with pytest.raises(AttributeError):
        ask(referee, way="hand", verb="amend", order={})
