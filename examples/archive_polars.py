"""Questions to a file archive with polars: trades by hour, VWAP, spread over time. Usage: archive_polars.py ARCHIVE [SYMBOL].

Prices are text in the archive; they become Decimal here and stay exact until they are averaged.
"""

import sys
from pathlib import Path

import polars as pl

PRICE = pl.Decimal(38, 10)
TRADE = pl.Struct(
    {"trade_id": pl.String, "price": pl.String, "quantity": pl.String, "side": pl.String, "venue_time_ns": pl.Int64}
)
TRADES = {
    "header": pl.Struct({"sequence": pl.Int64, "published_ns": pl.Int64}),
    "event": pl.Struct({"symbol": pl.String, "update_type": pl.String, "trades": pl.List(TRADE)}),
}
TOPS = {
    "header": pl.Struct({"published_ns": pl.Int64}),
    "event": pl.Struct({"symbol": pl.String, "bid_price": pl.String, "ask_price": pl.String, "reason": pl.String}),
}


def read(archive: str, kind: str, schema: dict[str, pl.DataType]) -> pl.DataFrame:
    """All files of a kind, in the order of their days. With a schema no file decides by itself what a column is."""
    files = sorted(Path(archive, kind).glob("date=*/*.jsonl.zst"))
    return pl.concat([pl.read_ndjson(file, schema=schema) for file in files])


def trades(archive: str, symbol: str) -> pl.DataFrame:
    """One row a trade."""
    return (
        read(archive, "trade_summary", TRADES)
        .unnest("event")
        .filter(pl.col("symbol") == symbol, pl.col("update_type").fill_null("INCREMENTAL") == "INCREMENTAL")
        .explode("trades")
        .unnest("trades")
        .with_columns(pl.col("price", "quantity").cast(PRICE), at=pl.from_epoch("venue_time_ns", "ns"))
        .sort("at")
    )


def tops(archive: str, symbol: str) -> pl.DataFrame:
    """One row a change of the best prices; without prices where the book was not to be trusted."""
    return (
        read(archive, "top_of_book", TOPS)
        .unnest("header", "event")
        .filter(pl.col("symbol") == symbol)
        .with_columns(pl.col("bid_price", "ask_price").cast(PRICE), at=pl.from_epoch("published_ns", "ns"))
        .sort("at")
    )


def main(archive: str, symbol: str) -> None:
    price, quantity = pl.col("price").cast(pl.Float64), pl.col("quantity").cast(pl.Float64)
    hours = (
        trades(archive, symbol)
        .group_by_dynamic("at", every="1h")
        .agg(trades=pl.len(), volume=pl.col("quantity").sum(), vwap=(price * quantity).sum() / quantity.sum())
    )
    for hour, count, volume, vwap in hours.iter_rows():
        print(f"{hour:%Y-%m-%d %H}h  {count} trades, volume {volume.normalize():f}, vwap {vwap:.4f}")
    spread = (pl.col("ask_price") - pl.col("bid_price")).cast(pl.Float64)
    minutes = (
        tops(archive, symbol)
        .group_by_dynamic("at", every="1m")
        .agg(spread=spread.mean(), stale=pl.col("reason").is_not_null().sum())
    )
    for minute, mean, stale in minutes.iter_rows():
        print(f"{minute:%Y-%m-%d %H:%M}  mean spread {mean:.4f}, {stale} times STALE")


if len(sys.argv) < 2:
    sys.exit(__doc__)
main(sys.argv[1], sys.argv[2] if len(sys.argv) > 2 else "BTC/USD")
