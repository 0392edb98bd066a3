"""A gateway in a marimo notebook: the book as it is, an hour of trades, an incident.

marimo edit examples/notebook.py -- --state-dir DIR [--symbol BTC/USD] [--address nats://HOST:4222/ENV/VENUE]
python examples/notebook.py -- --state-dir DIR          # the same as a script
"""

import marimo

__generated_with = "0.25.2"
app = marimo.App(width="medium")


@app.cell
def _():
    import time
    from pathlib import Path

    import marimo as mo
    import polars as pl

    from gwcore.capture import read_frames, read_head
    from gwcore.client import BookNotLive, connect_sync, frames

    return BookNotLive, Path, connect_sync, frames, mo, pl, read_frames, read_head, time


@app.cell
def _(Path, mo):
    arguments = mo.cli_args()
    state = Path(arguments.get("state-dir") or Path.home() / ".local/state/gw/kraken")
    address = arguments.get("address") or state / "run" / "gw.sock"
    symbol = arguments.get("symbol") or "BTC/USD"
    mo.md(f"# {symbol} of `{state}`")
    return address, state, symbol


@app.cell
def _(mo):
    mo.md("""
    ## The book, live

    A book that nobody vouches for is not shown: reading it raises `BookNotLive` with the reason.
    """)
    return


@app.cell
def _(BookNotLive, address, connect_sync, frames, mo, pl, symbol):
    def read_depth(levels):
        """Cumulative quantities of both sides, and how the best levels moved in two seconds."""
        with connect_sync(address, name="notebook", reconnect_s=10.0) as client:
            client.subscribe([symbol], ["market_by_price"])
            moves = frames.levels(frames.collect_sync(client, seconds=2.0), levels=1, every_s=0)
            sides = client.call(lambda c: (c.books[symbol].bids(levels), c.books[symbol].asks(levels)))
        rows = [
            (side, level.price, level.quantity)
            for side, found in zip(("BID", "ASK"), sides, strict=True)
            for level in found
        ]
        # Scale and digits are those of the venue: `Decimal` in, `Decimal` out.
        table = pl.DataFrame(rows, schema=["side", "price", "quantity"], orient="row")
        return table.with_columns(total=pl.col("quantity").cum_sum().over("side")), moves

    try:
        depth, moves = read_depth(10)
        print(f"live: {len(depth)} levels, {moves['sequence'].n_unique()} changes in two seconds")
    except BookNotLive as error:
        depth, moves = pl.DataFrame(), pl.DataFrame()
        print(f"live: {error}")
    mo.hstack([mo.ui.table(depth), mo.ui.table(moves)])
    return


@app.cell
def _(mo):
    mo.md("""
    ## An hour of trades

    Read from the journal, while the gateway goes on writing it. `frames.archive(state / "sinks" / "file")` gives the same
    of the file archive.
    """)
    return


@app.cell
def _(frames, mo, pl, state, symbol, time):
    trades = frames.trades(frames.journal(state, symbols=[symbol], from_ns=time.time_ns() - 3_600 * 10**9))
    minutes = (
        trades.sort("time")
        .group_by_dynamic("time", every="1m")
        .agg(
            trades=pl.len(),
            volume=pl.col("quantity").sum(),
            low=pl.col("price").min(),
            high=pl.col("price").max(),
        )
    )
    print(f"trades: {len(trades)} in {len(minutes)} minutes, volume {trades['quantity'].sum()}")
    mo.ui.table(minutes)
    return


@app.cell
def _(mo):
    mo.md("""
    ## An incident

    When a book goes bad, the frames that led there are kept. The newest one: what the venue said last, and the book around
    the moment.
    """)
    return


@app.cell
def _(frames, mo, pl, read_frames, read_head, state):
    files = sorted((state / "incidents").glob("*.frames.jsonl"))
    incident, around = pl.DataFrame(), pl.DataFrame()
    if files:
        with files[-1].open("rb") as lines:
            head = read_head(lines.readline())
            said = [one for one in read_frames(lines, files[-1].name) if not one.synthetic][-8:]
        incident = pl.DataFrame(
            {
                "time": pl.Series([one.time_ns for one in said], dtype=pl.Int64).cast(pl.Datetime("ns", "UTC")),
                "direction": [one.direction for one in said],
                "frame": [one.frame.decode(errors="replace") for one in said],
            }
        )
        span = {"from_ns": head.time_ns - 2 * 10**9, "to_ns": head.time_ns + 5 * 10**9}
        book = frames.levels(frames.journal(state, symbols=head.symbols, **span), levels=1, every_s=0)
        first_stale = book["stale"].is_not_null().arg_max() or 0
        around = book[max(0, first_stale - 4) : first_stale + 5]
        print(f"incident: {head.reason} of {', '.join(head.symbols)}: {head.detail}; {len(files)} in all")
    else:
        print("incident: none")
    mo.vstack([mo.ui.table(incident), mo.ui.table(around)])
    return


if __name__ == "__main__":
    app.run()
