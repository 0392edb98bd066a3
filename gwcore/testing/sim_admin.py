"""The control paths of a served simulator: switch faults, read the truth and the counts, from another process.

POST /sim/fault {"name": ..., options}   GET /sim/truth?symbol=&depth=   GET /sim/trades?symbol=   GET /sim/stats
With accounts also: POST /sim/do {"name": ..., options}   GET /sim/account?account=
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import msgspec

from gwcore.rest import HttpRequest, HttpResponse
from gwcore.simulator import Simulator

PREFIX = "/sim/"


#: Numbers of an action keep their digits as text.
_decode_action = msgspec.json.Decoder(dict[str, Any], float_hook=str).decode


def handle(
    simulator: Simulator, request: HttpRequest, stats: Callable[[], Mapping[str, Any]], now_ns: int = 0
) -> HttpResponse:
    """Answer one control request. `stats` gives the server's own counts, `now_ns` is its time."""
    run_to = getattr(simulator, "run_to", None)
    if run_to is not None and now_ns:
        run_to(now_ns)
    parts = urlsplit(request.url)
    name = parts.path[len(PREFIX) :]
    query = dict(parse_qsl(parts.query))
    if name == "fault":
        return _fault(simulator, request)
    if name == "stats":
        own = getattr(simulator, "stats", dict)
        return _json(200, {**stats(), "simulator": own()})
    if name in ("truth", "trades"):
        return _truth(simulator, name, query)
    if name == "do":
        return _do(simulator, request)
    if name == "account":
        return _account(simulator, query.get("account", ""))
    known = "/sim/fault, /sim/do, /sim/truth, /sim/trades, /sim/account and /sim/stats"
    return _json(404, {"error": f"no {parts.path}; there are {known}"})


def _fault(simulator: Simulator, request: HttpRequest) -> HttpResponse:
    if request.method != "POST":
        return _json(405, {"error": "POST a JSON object with the fault's name and options"})
    try:
        options = msgspec.json.decode(request.body, type=dict[str, Any])
        name = options.pop("name", "")
        return _json(200, {"done": simulator.fault(name, **options)})
    except (msgspec.DecodeError, ValueError, TypeError) as error:
        return _json(400, {"error": str(error)})


def _do(simulator: Simulator, request: HttpRequest) -> HttpResponse:
    act = getattr(simulator, "act", None)
    if act is None:
        return _json(404, {"error": "this simulator has no accounts"})
    if request.method != "POST":
        return _json(405, {"error": "POST a JSON object with the action's name and options"})
    try:
        options = _decode_action(request.body)
        name = options.pop("name", "")
        return _json(200, {"done": act(name, **options)})
    except (msgspec.DecodeError, ValueError, TypeError) as error:
        return _json(400, {"error": str(error)})


def _account(simulator: Simulator, name: str) -> HttpResponse:
    account = getattr(simulator, "account", None)
    if account is None:
        return _json(404, {"error": "this simulator has no accounts"})
    try:
        return _json(200, account(name))
    except ValueError as error:
        return _json(404, {"error": str(error)})


def _truth(simulator: Simulator, name: str, query: Mapping[str, str]) -> HttpResponse:
    symbol, depth = query.get("symbol", ""), query.get("depth", "10")
    truth = getattr(simulator, "book" if name == "truth" else "trades", None)
    if truth is None:
        return _json(404, {"error": "this simulator does not tell the truth"})
    if not depth.isdigit():
        return _json(400, {"error": f"depth {depth!r:.20} is no number"})
    try:
        found = truth(symbol, int(depth)) if name == "truth" else truth(symbol)
    except KeyError:
        return _json(404, {"error": f"no symbol {symbol!r:.40} here"})
    if name == "truth":
        return _json(200, {"symbol": symbol, "book": found})
    rows = [row._asdict() if hasattr(row, "_asdict") else row for row in found]
    return _json(200, {"symbol": symbol, "trades": rows})


def _json(status: int, body: Any) -> HttpResponse:
    return HttpResponse(status=status, headers={"content-type": "application/json"}, body=msgspec.json.encode(body))
