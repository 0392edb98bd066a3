"""Oracle of one client: it got the journal's events, each once and in order, and a Gap with bounds for what it did not."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

from gwcore.model import Envelope, Gap, Record
from gwcore.testing.oracles.sequences import VIOLATIONS_MAX


class ClientLog:
    """What one client that asked for everything received, in order, over all its connections.

    `add` takes each delivery: the envelope and its bytes as received (empty for a notice the client made itself).
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.received: dict[str, list[tuple[int, bytes]]] = defaultdict(list)  # by session: (sequence, payload)
        self.gaps: dict[str, list[tuple[int, int]]] = defaultdict(list)  # by session: inclusive bounds
        self.events = 0
        self.notices = 0

    def add(self, envelope: Envelope, payload: bytes) -> None:
        """One event arrived."""
        self.events += 1
        header, event = envelope.header, envelope.event
        if header.sequence is not None and payload:
            self.received[header.session_id].append((header.sequence, payload))
        elif isinstance(event, Gap):
            self.notices += 1
            if event.session_id and event.first_sequence is not None and event.last_sequence is not None:
                self.gaps[event.session_id].append((event.first_sequence, event.last_sequence))


def check_client(log: ClientLog, records: Iterable[Record], *, from_start: bool) -> list[str]:
    """Against all records: bytes are the journal's, sequences rise, and those missing up to the end of each session that
    the client saw (from its start, or from the first received) are inside the bounds of a Gap."""
    payloads: dict[str, dict[int, bytes]] = defaultdict(dict)
    for record in records:
        payloads[record.session_id][record.sequence] = record.payload
    found: list[str] = []
    for session_id, received in log.received.items():
        place = f"client {log.name}, session {session_id}"
        known = payloads.get(session_id, {})
        last = 0
        for sequence, payload in received:
            if sequence <= last:
                found.append(f"{place}: {sequence} after {last}")
            if known.get(sequence) != payload:
                found.append(f"{place}: {sequence} is not what the journal holds")
            last = sequence
        first = 1 if from_start else received[0][0]
        missing = sorted(set(range(first, max(known, default=0) + 1)) - {sequence for sequence, _ in received})
        gaps = log.gaps.get(session_id, [])
        unmarked = [one for one in missing if not any(low <= one <= high for low, high in gaps)]
        if unmarked:
            found.append(
                f"{place}: {len(unmarked)} missing and no Gap says so, first {unmarked[0]}, last {unmarked[-1]}"
            )
        if len(found) >= VIOLATIONS_MAX:
            break
    if from_start:
        # Sessions of which nothing at all arrived are missing as a whole.
        found += [f"client {log.name}: nothing of session {one}" for one in payloads if one not in log.received]
    return found[:VIOLATIONS_MAX]
