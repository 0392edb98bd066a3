"""Questions to a file archive with DuckDB: trades by hour, VWAP, spread over time. Usage: archive_duckdb.py ARCHIVE [SYMBOL].

Prices are text in the archive; they become DECIMAL here and stay exact.
"""

import sys

import duckdb

#: One row a trade. `origin` is there where a trade was fetched later to fill a gap.
TRADES = """
create view trades as
select event.symbol as symbol, trade.trade_id::bigint as trade_id, make_timestamp_ns(trade.venue_time_ns) as time,
       trade.price::decimal(38, 10) as price, trade.quantity::decimal(38, 10) as quantity, trade.side as side
from (
    select event, unnest(event.trades) as trade
    from read_json('{archive}/trade_summary/*/*.jsonl.zst', format = 'newline_delimited', columns = {{
        header: 'struct(sequence bigint, published_ns bigint)',
        event: 'struct(symbol varchar, update_type varchar, trades struct(trade_id varchar, price varchar,
                quantity varchar, side varchar, venue_time_ns bigint)[])'
    }})
    where coalesce(event.update_type, 'INCREMENTAL') = 'INCREMENTAL'
)
"""

#: One row a change of the best prices; without prices where the book was not to be trusted.
TOPS = """
create view tops as
select event.symbol as symbol, make_timestamp_ns(header.published_ns) as time,
       event.bid_price::decimal(38, 10) as bid, event.ask_price::decimal(38, 10) as ask, event.reason as stale
from read_json('{archive}/top_of_book/*/*.jsonl.zst', format = 'newline_delimited', columns = {{
    header: 'struct(published_ns bigint)',
    event: 'struct(symbol varchar, bid_price varchar, ask_price varchar, reason varchar)'
}})
"""

HOURS = """
select date_trunc('hour', time) as hour, count(*) as trades, sum(quantity) as volume,
       sum(price * quantity)::decimal(38, 10) / sum(quantity) as vwap
from trades where symbol = ? group by hour order by hour
"""

SPREADS = """
select date_trunc('minute', time) as minute, avg(ask - bid) as spread, count(*) filter (where stale is not null) as stale
from tops where symbol = ? group by minute order by minute
"""


def main(archive: str, symbol: str) -> None:
    database = duckdb.connect()
    database.execute("set timezone = 'UTC'")
    database.execute(TRADES.format(archive=archive))
    database.execute(TOPS.format(archive=archive))
    for hour, trades, volume, vwap in database.execute(HOURS, [symbol]).fetchall():
        print(f"{hour:%Y-%m-%d %H}h  {trades} trades, volume {volume.normalize():f}, vwap {vwap:.4f}")
    for minute, spread, stale in database.execute(SPREADS, [symbol]).fetchall():
        print(f"{minute:%Y-%m-%d %H:%M}  mean spread {spread:.4f}, {stale} times STALE")


if len(sys.argv) < 2:
    sys.exit(__doc__)
main(sys.argv[1], sys.argv[2] if len(sys.argv) > 2 else "BTC/USD")
