"""Oracle of numbers: positions and sequences without a hole, headers that agree with what they describe."""

from __future__ import annotations

from collections.abc import Iterable
from hashlib import blake2b

from gwcore.model import KIND_OF_TYPE, OWNED_KINDS, Record
from gwcore.wire import decode_envelope

#: How many violations of one run are worth reading.
VIOLATIONS_MAX = 20


def check_sequences(records: Iterable[Record]) -> list[str]:
    """All records of the journal, class by class in order: positions, sequences and topic sequences rise by one, event
    ids are never used twice, a session belongs to one partition, and the record header says what the envelope says."""
    found: list[str] = []
    positions: dict[str, int] = {}
    sequences: dict[str, int] = {}
    topics: dict[tuple[str, str, str | None, str | None], int] = {}
    partitions: dict[str, str] = {}
    for record in records:
        if len(found) >= VIOLATIONS_MAX:
            break
        name, journal_class = record.event_id, record.journal_class
        before = positions.get(journal_class)
        if before is not None and record.position != before + 1:
            found.append(f"{name}: position {record.position} of {journal_class} follows {before}")
        positions[journal_class] = record.position
        last = sequences.get(record.session_id, 0)
        if record.sequence != last + 1:
            found.append(f"{name}: the sequence follows {last}")
        sequences[record.session_id] = record.sequence
        if partitions.setdefault(record.session_id, record.partition) != record.partition:
            found.append(f"{name}: its session is that of {partitions[record.session_id]}, not of {record.partition}")
        found += _check_header(record, topics)
    return found


def _check_header(record: Record, topics: dict[tuple[str, str, str | None, str | None], int]) -> list[str]:
    envelope = decode_envelope(record.payload)
    header, event = envelope.header, envelope.event
    kind = KIND_OF_TYPE[type(event)]
    said = (
        header.partition,
        header.session_id,
        header.sequence,
        kind,
        getattr(event, "symbol", None),
        getattr(event, "account", None),
        getattr(event, "update_type", None),
        header.published_ns,
    )
    if said != tuple(record[:8]):
        return [f"{record.event_id}: the record says {tuple(record[:8])}, its payload {said}"]
    about = record.account if record.symbol is None else record.symbol
    topic = (record.session_id, kind, about, getattr(event, "user", None) if kind in OWNED_KINDS else None)
    last = topics.get(topic, 0)
    topics[topic] = header.topic_sequence or 0
    if header.topic_sequence != last + 1:
        return [f"{record.event_id}: topic sequence {header.topic_sequence} of {topic[1:]} follows {last}"]
    return []


def journal_hash(records: Iterable[Record]) -> str:
    """One hash over all that the journal holds: equal runs, equal hash."""
    total = blake2b(digest_size=16)
    for record in records:
        total.update(b"%d %d " % (record.position, len(record.payload)))
        total.update(record.payload)
    return total.hexdigest()
