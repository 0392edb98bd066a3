"""What can be switched on, for `gw sim kraken --help` and for those who plan tests: names, what they do, their options."""

from __future__ import annotations

#: `symbol` and `channel` may be "*" where they are not required; a lasting fault ends with on=false, every one with restore.
FAULTS = {
    "corrupt_level": "a book message has another quantity and the true checksum: symbol, count, snapshots, depth",
    "wrong_checksum": "a book message has another checksum: symbol, count, snapshots, depth",
    "drop_update": "a book update does not come: symbol, count, depth",
    "duplicate_update": "a book update comes twice: symbol, count, depth",
    "blank_book": "books are told to be empty, or without a side: symbol, sides=both, bids or asks, snapshot",
    "old_time": "a book message has an old time stamp: symbol, count, snapshots, depth",
    "old_book": "the book as it is now comes again later, as a snapshot nobody asked for: symbol, after_s",
    "cross": "the true book is crossed, or locked: symbol, locked",
    "empty_side": "the true book loses a side: symbol, side=bids, asks",
    "jump": "the asks of a symbol are so many times as dear: symbol, times",
    "precision": "a pair changes its decimals: symbol, price_precision, qty_precision",
    "pair_status": "a pair has another status: symbol, status",
    "list_pair": "a pair is listed: symbol",
    "rename": "a pair has another name: symbol, to",
    "freeze": "the market and the accounts' traders stand still",
    "silence": "nothing of a channel or symbol comes, heartbeats do; executions and balances use up their numbers: "
    "channel, symbol",
    "starve": "a symbol is acked and not fed while this lasts: symbol",
    "unfed": "the next `count` subscriptions are acked and never fed, also after this ends: channel, count",
    "reject": "subscriptions of a symbol are rejected: symbol, text",
    "reject_from": "subscriptions of a connection from this number on are rejected: number, text",
    "rate_limit": "messages beyond so many in a window (0: for ever) get answer=error, ignore or close: messages, window_s",
    "status": "the mode of the exchange (maintenance, cancel_only, post_only, online) is another: system, upcoming",
    "maintenance": "a whole maintenance, step by step: announce_s, down_s, cancel_only_s, post_only_s, closes",
    "downtime": "no data: sockets=open, close, abort; books=zeroed, no_bids, no_asks; said=false: no status tells it; "
    "trading: the market goes on unseen; heartbeats; connects: they are refused with this status; "
    "resend=new, old, none: the books that come when it is over",
    "close": "connections are closed, or cut: connection, abort",
    "refuse": "the next connects are refused: count, status",
    "http": "REST answers something else: status (0: no answer, the line is cut), body=html, torn or empty, error, path, "
    "count; after=true: the request is carried out first",
    "stop_heartbeats": "no heartbeats",
    "unknown_channel": "frames of a channel that nobody knows: count",
    "malformed": "frames that can't be read: count",
    "refuse_token": "where error: GetWebSocketsToken answers an error (where=rest), or no token is good (where=websocket)",
    "expire_tokens": "account: all tokens handed out so far end; subscriptions go on",
    "end_session": "account abort: tokens end, private connections are closed",
    "revoke_key": "account closes: EAPI:Invalid key, sessions end (closes=false: they go on)",
    "key_permissions": "account permissions: other rights, words with commas between",
    "lockout": "account seconds: EGeneral:Temporary lockout",
    "duplicate_executions": "count same_sequence kind: the next fills are sent twice, or reports of exec_type=kind (*: any)",
    "drop_executions": "count gap channel: the next private frames are withheld; gap=false: no number is missing either",
    "replay_fills": "account count kind: the last fills once more, as kind=snapshot or kind=update",
    "rest_lag": "ms: private REST knows nothing of what is newer",
    "delay_executions": "ms: frames of executions come late, in order; replies do not",
    "swap_executions": "count: the next frames of executions come behind the one that follows, numbers out of order",
    "lose_replies": "count method way=websocket, rest, * account: trading requests are carried out and not answered. "
    "`method`, of REST too: add_order, amend_order, edit_order, cancel_order, cancel_all, cancel_all_orders_after, "
    "batch_add, batch_cancel or *; this and the next ones are counted: `gw sim account` shows it",
    "lose_requests": "count method way account status: trading requests never reach the engine; REST answers `status` (0: "
    "nothing), the WebSocket nothing",
    "fill_first": "percent count method way account: the order that a request names trades just before it is taken",
    "late_replies": "ms count method account: carried out at once, answered late (WebSocket)",
    "double_replies": "ms count method account: answered twice (WebSocket)",
    "reply_order": "first: replies come before the reports of what they did, or (first=false) after them",
    "take_late": "ms count method way account status: the engine gets the request late; REST answers `status` (0: nothing) "
    "at once, the WebSocket once it is done",
    "live_late": "ms count account: the next orders are accepted, and pending_new for so long",
    "refuse_orders": "error count method way account after: trading requests are answered this error, as by a rate limit; "
    "after=true: and carried out all the same",
    "close_after": "count method account abort reply reports: carried out, then the connection is closed; reply=true: it is "
    "answered before, reports=false: without a report",
    "mode_on_order": "system count method way account: the mode of the exchange changes just before the request is taken",
    "index": "symbol price: what triggers with reference=index look at; it is the last price otherwise",
    "skew_clock": "ms: the venue's clock in Time, time_in and time_out is off",
    "restore": "all of these are over",
}
