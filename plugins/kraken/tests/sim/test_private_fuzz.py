"""Whatever JSON a client sends in place of a parameter, it gets an answer, and the truth still adds up."""

from __future__ import annotations

import json
from decimal import Decimal

from gw_sim_kraken.orders.ws_parsing import ADD_FIELDS, EDIT_FIELDS
from gw_sim_kraken.rest.private_methods import TABLE
from gw_sim_kraken.signing import api_sign
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from gwcore.rest import HttpRequest

FIELDS = sorted(
    {
        *ADD_FIELDS, *EDIT_FIELDS,
        "price2", "displayvol", "trigger", "stptype", "close[ordertype]", "close[price]",
        "asset", "pair", "type", "ordertype", "volume", "price", "txid", "id", "start", "end", "ofs", "trades",
        "userref", "leverage", "oflags", "timeinforce", "expiretm", "starttm", "orders", "cl_ord_ids", "timeout",
        "closetime", "docalcs", "order_id", "channel", "snap_orders", "close",
    }
    - {"token"}
)  # fmt: skip
WORDS = (
    "BTC/USD",
    "XBTUSD",
    "ZUSD",
    "buy",
    "sell",
    "limit",
    "market",
    "gtc",
    "GTC",
    "GTD",
    "executions",
    "0.001",
    "70000.0",
    "iceberg",
    "stop-loss",
    "trailing-stop-limit",
    "settle-position",
    "+1%",
    "#5",
    "pct",
)
SCALARS = st.one_of(
    st.sampled_from(WORDS), st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=8), st.just("1e400")
)
VALUES = st.one_of(
    SCALARS, st.lists(SCALARS, max_size=3), st.dictionaries(st.sampled_from(FIELDS), SCALARS, max_size=3)
)
PARAMS = st.dictionaries(st.sampled_from(FIELDS), VALUES, max_size=8)
ORDER = {"pair": "XBTUSD", "type": "buy", "ordertype": "limit", "volume": "0.001", "price": "70000.0"}
WS_ORDER = {"symbol": "BTC/USD", "side": "buy", "order_type": "limit", "order_qty": 0.001, "limit_price": 70000.0}
QUIET = settings(
    max_examples=150, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


def check_sums(simulator) -> None:
    truth = simulator.account()
    for asset, balance in truth["balances"].items():
        entries = [entry for entry in truth["ledger"] if entry["asset"] == asset]
        assert sum(Decimal(entry["amount"]) - Decimal(entry["fee"]) for entry in entries) == Decimal(balance)


def test_rest_answers_everything(private) -> None:
    client = private(rest_limits=False, engine_limits=False)

    @QUIET
    @given(st.sampled_from(sorted(TABLE)), PARAMS, st.booleans())
    @example("Ledgers", {"asset": []}, False)
    def ask(method: str, params: dict, is_order: bool) -> None:
        client.nonce += 1
        body = json.dumps({**(ORDER if is_order else {}), **params, "nonce": client.nonce}).encode()
        path = f"/0/private/{method}"
        signature = api_sign(path, str(client.nonce), body, client.secret)
        headers = {"API-Key": client.key, "API-Sign": signature, "Content-Type": "application/json"}
        request = HttpRequest(method="POST", url=path, headers=headers, body=body)
        answer = client.driver.simulator.http(request, client.driver.now)
        assert answer.status == 200
        assert {"error"} <= json.loads(answer.body).keys() <= {"error", "result"}

    ask()
    check_sums(client.driver.simulator)


def test_the_websocket_answers_everything(private) -> None:
    client = private(rest_limits=False, engine_limits=False)
    token = client.token()
    connection = client.driver.open("/auth/v2")
    methods = (
        "subscribe",
        "unsubscribe",
        "add_order",
        "amend_order",
        "cancel_order",
        "cancel_all",
        "batch_add",
        "edit_order",
    )

    @QUIET
    @example("add_order", {"symbol": []}, False)
    @given(st.sampled_from((*methods, "batch_cancel", "cancel_all_orders_after")), PARAMS, st.booleans())
    def ask(method: str, params: dict, is_order: bool) -> None:
        message = {**(WS_ORDER if is_order else {}), **params, "token": token}
        client.driver.send(connection, method, message, req_id=3)
        frames = client.driver.run(0.02)
        assert any(b'"req_id":3' in frame or b"Malformed request" in frame for frame in frames)

    ask()
    check_sums(client.driver.simulator)
