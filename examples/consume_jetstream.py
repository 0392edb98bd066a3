"""A checked book out of JetStream with plain nats-py. Usage: consume_jetstream.py URL STREAM SUBJECT STATE_FILE

    consume_jetstream.py nats://HOST:4222 gw-prod-kraken-md gw.prod.kraken.md.market_by_price.BTC-USD btc.json

The state file holds the book together with its place in the stream, so an event is in the book exactly when it is not behind
that place: after kill -9 nothing is missing and nothing is in twice. Nothing of gwcore is used: this is all that a
consumer has to know, and docs/nats.md says it in words.
"""

import asyncio
import json
import os
import sys
from decimal import Decimal
from pathlib import Path
from zlib import crc32

import nats
from nats.js.api import ConsumerConfig, DeliverPolicy

EMPTY = {"bids": [], "asks": []}
NEW = {"stream_sequence": 0, "session_id": "", "topic_sequence": 0, "events": 0, "not_live": "NO_SNAPSHOT", **EMPTY}
RULE = ("depth", "price_decimals", "quantity_decimals")
SAVE_EVERY = 100  # events, while more are waiting; else each is saved at once, and so is each change of `not_live`


def apply(book: dict, header: dict, event: dict) -> None:
    """Take the next event of the subject. The book may be used while `not_live` is empty."""
    ahead = header["topic_sequence"] - book["topic_sequence"] if header["session_id"] == book["session_id"] else None
    if ahead is not None and ahead <= 0:
        return  # a stream that was filled again after a loss says things twice
    book |= {
        "session_id": header["session_id"],
        "topic_sequence": header["topic_sequence"],
        "events": book["events"] + 1,
    }
    if event["update_type"] == "SNAPSHOT":
        book |= EMPTY | {"not_live": ""} | {name: event.get(name) for name in RULE}
    elif event["update_type"] == "STALE":
        book["not_live"] = event["reason"]
    elif ahead != 1 and not book["not_live"]:
        book["not_live"] = "GAP"  # the stream no longer had what came between
    if not book["not_live"]:
        book["not_live"] = change(book, event)
    if book["not_live"]:
        book |= EMPTY  # until the next SNAPSHOT


def change(book: dict, event: dict) -> str:
    """Last level of a price wins, quantity zero removes it, each side is cut to depth; returns what is wrong then."""
    for side in EMPTY:
        news = [[level["price"], level["quantity"]] for level in event.get(side, [])]
        levels = {Decimal(level[0]): level for level in book[side] + news}
        best_first = sorted(levels, reverse=side == "bids")
        book[side] = [levels[price] for price in best_first if Decimal(levels[price][1])][: book["depth"]]
    if "checksum" in event and event["checksum"] != checksum(book):
        return "CHECKSUM"
    is_crossed = book["bids"] and book["asks"] and Decimal(book["bids"][0][0]) >= Decimal(book["asks"][0][0])
    return "CROSSED" if is_crossed else ""


def checksum(book: dict) -> int:
    """Kraken's rule (another venue has its own, or none): the ten best asks, then bids, each as a whole number."""
    text = ""
    for price, quantity in book["asks"][:10] + book["bids"][:10]:
        text += str(int(Decimal(price).scaleb(book["price_decimals"])))
        text += str(int(Decimal(quantity).scaleb(book["quantity_decimals"])))
    return crc32(text.encode())


def load(file: Path) -> dict:
    return json.loads(file.read_text()) if file.exists() else dict(NEW)


def save(book: dict, file: Path) -> None:
    """All or nothing, wherever the process ends; `fsync` is for the power."""
    new = file.with_suffix(".new")
    with new.open("w") as out:
        json.dump(book, out)
        out.flush()
        os.fsync(out.fileno())
    new.replace(file)


async def main(url: str, stream: str, subject: str, file: Path) -> None:
    book = load(file)
    user = os.environ.get("NATS_USER")  # a user may read his own inbox and no other's
    inbox = f"_INBOX.{user}" if user else "_INBOX"
    client = await nats.connect(
        url, user=user, password=os.environ.get("NATS_PASSWORD"), inbox_prefix=inbox, max_reconnect_attempts=-1
    )
    jetstream = client.jetstream()
    if (await jetstream.stream_info(stream)).state.last_seq < book["stream_sequence"]:
        book = dict(NEW)  # another stream by the same name
    start = ConsumerConfig(deliver_policy=DeliverPolicy.BY_START_SEQUENCE, opt_start_seq=book["stream_sequence"] + 1)
    # Without a heartbeat for twice that long, an ordered consumer is made anew behind what was last received.
    subscription = await jetstream.subscribe(
        subject, stream=stream, config=start, ordered_consumer=True, idle_heartbeat=2.0
    )
    async for message in subscription.messages:
        place = message.metadata
        if place.sequence.stream <= book["stream_sequence"]:
            continue  # an ordered consumer that is made anew may start too early
        envelope = json.loads(message.data)
        before = book["not_live"]
        apply(book, envelope["header"], envelope["event"])
        book["stream_sequence"] = place.sequence.stream
        if not place.num_pending or book["events"] % SAVE_EVERY == 0 or book["not_live"] != before:
            save(book, file)
            print(book["not_live"] or f"bid {book['bids'][:1]} ask {book['asks'][:1]}", flush=True)


if __name__ == "__main__":
    if len(sys.argv) != 5:
        sys.exit(__doc__)
    asyncio.run(main(sys.argv[1], sys.argv[2], sys.argv[3], Path(sys.argv[4])))
