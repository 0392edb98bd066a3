"""Kraken's REST by tables, for tests of what is asked and what answers mean; and a signer that signs nothing."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qs, urlsplit

from gwcore.rest import HttpRequest, HttpResponse

NAMES = {
    "Assets": {"XXBT": {"altname": "XBT"}, "ZUSD": {"altname": "USD"}},
    "AssetPairs": {"XXBTZUSD": {"altname": "XBTUSD", "wsname": "XBT/USD"}},
}
EMPTY = {
    "OpenOrders": {"open": {}},
    "ClosedOrders": {"closed": {}, "count": 0},
    "TradesHistory": {"trades": {}, "count": 0},
    "BalanceEx": {"XXBT": {"balance": "1.5", "hold_trade": "0.25"}, "ZUSD.M": {"balance": "10", "hold_trade": "0"}},
    "OpenPositions": {},
    "TradeBalance": {"e": "382.2032", "mf": "375.1678", "ml": "5432.57"},
}


class CountingSigner:
    """Nonces 1, 2, ...; signatures of no worth."""

    key = "public"
    passphrase = ""

    def __init__(self) -> None:
        self.nonces = 0

    def sign(self, algorithm: str, message: bytes) -> bytes:
        assert algorithm == "hmac-sha512-base64"
        return b"signed"

    def now_ns(self) -> int:
        return 0

    def nonce(self) -> int:
        self.nonces += 1
        return self.nonces


class Venue:
    """Answers REST requests from tables; `asked` is what was asked for."""

    def __init__(self, answers: Mapping[str, Any]) -> None:
        self.answers = {**NAMES, **EMPTY, **answers}
        self.asked: list[tuple[str, dict[str, str]]] = []

    def answer(self, request: HttpRequest) -> HttpResponse:
        name = urlsplit(request.url).path.rsplit("/", 1)[1]
        form = {key: values[0] for key, values in parse_qs(request.body.decode()).items()}
        self.asked.append((name, form))
        found = self.answers[name]
        result = found(form) if callable(found) else found
        body = result if isinstance(result, list) else None
        whole = {"error": body} if body is not None else {"error": [], "result": result}
        return HttpResponse(status=200, body=json.dumps(whole).encode())

    def run(self, flow: Any) -> Any:
        try:
            request = next(flow)
            while True:
                request = flow.send(self.answer(request))
        except StopIteration as stop:
            return stop.value
