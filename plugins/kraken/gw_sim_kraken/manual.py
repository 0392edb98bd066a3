"""What can be switched and done while it runs, in words: shown by `gw sim kraken --help`. A test holds it to the code."""

from __future__ import annotations

import textwrap

FAULTS = {
    "corrupt_level": "symbol count snapshots depth: another quantity in book frames",
    "wrong_checksum": "symbol count snapshots depth: another checksum in book frames",
    "drop_update": "symbol count depth: book updates are withheld",
    "duplicate_update": "symbol count depth: book updates are sent twice",
    "freeze": "the market and the accounts' traders stand still",
    "silence": "channel symbol: acked and heard no more; executions and balances too, which use up their numbers",
    "starve": "symbol: acked and never fed",
    "reject": "symbol text: subscriptions are refused",
    "close": "connection abort: connections are closed",
    "refuse": "count status: the next handshakes are refused",
    "status": "system upcoming: maintenance, cancel_only, post_only, online",
    "http": "status body error path count after: what REST answers instead (503 with HTML, 429, an error text, a torn body); "
    "after=true: the request is carried out first; status=0: no answer, the line is cut",
    "stop_heartbeats": "no heartbeats",
    "unknown_channel": "count: frames of a channel that nobody knows",
    "malformed": "count: frames that can't be read",
    "cross": "symbol locked: a crossed book",
    "empty_side": "symbol side: a side of a book without orders",
    "precision": "symbol price_precision qty_precision: other decimals",
    "pair_status": "symbol status: of one pair",
    "list_pair": "symbol: one more pair",
    "rename": "symbol to: a pair under another name",
    "refuse_token": "where error: GetWebSocketsToken answers an error (where=rest), or no token is good (where=websocket)",
    "expire_tokens": "account: all tokens handed out so far end; subscriptions go on",
    "end_session": "account abort: tokens end, private connections are closed",
    "revoke_key": "account closes: EAPI:Invalid key, sessions end (closes=false: they go on)",
    "key_permissions": "account permissions: other rights, words with commas between",
    "lockout": "account seconds: EGeneral:Temporary lockout",
    "duplicate_executions": "count same_sequence: the next fills are sent twice",
    "drop_executions": "count gap channel: the next private frames are withheld; gap=false: no number is missing either",
    "replay_fills": "account count kind: the last fills once more, as kind=snapshot or kind=update",
    "rest_lag": "ms: private REST knows nothing of what is newer",
    "lose_replies": "count: the next trading requests on a WebSocket are carried out and not answered; for REST see http",
    "skew_clock": "ms: the venue's clock in Time, time_in and time_out is off",
    "restore": "ends all of them",
}
ACTIONS = {
    "order": "symbol side quantity price order_type time_in_force expire_in_s post_only reduce_only leverage fee_in_base "
    "userref cl_ord_id: an order from another interface; without a price a market order",
    "amend": "order_id quantity price",
    "restate": "order_id quantity price reason: the engine changes an order by itself",
    "report_status": "order_id: a report of the kind status",
    "cancel": "order_id reason",
    "cancel_all": "",
    "fills": "count symbol side maker: so many fills at once, by market orders, or (maker=true) of one resting order",
    "deposit": "asset amount",
    "withdraw": "asset amount",
    "add_key": "permissions nonce_window: one more key; the answer shows its secret",
}


def manual() -> str:
    """The text, a paragraph for each."""
    return (
        "Faults, by `gw sim fault NAME KEY=VALUE` or POST /sim/fault; lasting ones end with on=false:\n\n"
        + _list(FAULTS)
        + "\n\nActions, by `gw sim do NAME KEY=VALUE` or POST /sim/do, each with account=NAME (left out: the first):\n\n"
        + _list(ACTIONS)
        + "\n\nThe truth about an account: `gw sim account NAME` or GET /sim/account?account=NAME."
    )


def _list(rows: dict[str, str]) -> str:
    lines = [
        textwrap.fill(f"{name}  {text}".rstrip(), 100, initial_indent="  ", subsequent_indent="      ")
        for name, text in rows.items()
    ]
    return "\n".join(lines)
