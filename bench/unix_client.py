"""The gateway's one client: takes all bytes as they come, and looks into them only when the stream is over.

    python unix_client.py ADDRESS

So it costs the machine little while the gateway is measured. Prints "ready" when subscribed and, once standard input ends,
one JSON object: events by kind, what was wrong (holes in the sequences, gaps told, books that are not live), and every book
as `gwcore.client` keeps it.
"""

from __future__ import annotations

import json
import select
import socket
import sys
import time
from collections import Counter
from typing import Any

from gwcore.client.book import Books, BookState
from gwcore.model import Gap, MarketByPriceUpdate
from gwcore.wire import (
    FRAME_BYTES_MAX,
    TYPE_EVENT,
    FrameParser,
    Hello,
    Ping,
    Subscribe,
    decode_envelope,
    frame_request,
)

READ_BYTES = 4 * 1024 * 1024
#: Well within the three heartbeats after which a silent client is cut.
PING_S = 4.0
#: Nothing for this long after the end was announced: all is here.
QUIET_S = 0.3


def receive(address: str) -> list[bytes]:
    """All that the gateway sends until our standard input ends and it is quiet."""
    chunks = []
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(address.removeprefix("unix:"))
        connection.sendall(frame_request(Hello(name="bench")) + frame_request(Subscribe(request_id=1)))
        chunks.append(connection.recv(READ_BYTES))
        print("ready", flush=True)
        listening: list[Any] = [connection, sys.stdin]
        ping_at_s = time.monotonic() + PING_S
        while True:
            readable, _, _ = select.select(listening, [], [], QUIET_S)
            if connection in readable:
                chunk = connection.recv(READ_BYTES)
                if not chunk:
                    raise ConnectionError("the gateway closed the connection")
                chunks.append(chunk)
            elif readable:
                listening = [connection]
            elif len(listening) == 1:
                return chunks
            if time.monotonic() >= ping_at_s:
                connection.sendall(frame_request(Ping()))
                ping_at_s += PING_S


def judge(chunks: list[bytes]) -> dict[str, Any]:
    """Decode all of it; see the module."""
    parser, kinds, bad = FrameParser(FRAME_BYTES_MAX), Counter(), 0
    books = Books(time.monotonic_ns)
    books.hold = ""
    sequences: dict[str, int] = {}
    for chunk in chunks:
        for frame_type, body in parser.feed(chunk):
            if frame_type != TYPE_EVENT:
                continue
            envelope = decode_envelope(body)
            header, event = envelope.header, envelope.event
            kinds[str(event.__struct_config__.tag)] += 1
            if header.sequence is not None:
                bad += header.sequence != sequences.get(header.partition, header.sequence - 1) + 1
                sequences[header.partition] = header.sequence
            bad += isinstance(event, Gap)
            if isinstance(event, MarketByPriceUpdate):
                books.apply(event, header)
    found = {}
    for symbol in books:
        book = books[symbol]
        bad += book.state is not BookState.LIVE
        reader = book.peek()
        found[symbol] = [[(str(p), str(q)) for p, q in side] for side in (reader.bids(), reader.asks())]
    return {"kinds": kinds, "bad": bad, "books": found}


if __name__ == "__main__":
    print(json.dumps(judge(receive(sys.argv[1]))))
