"""Numbering: the numbers of streams and topics in the segment being written. The committing thread's own."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TypeAlias

from gwcore.journal.format import StreamDefinition, TopicDefinition
from gwcore.model import UpdateType

#: What tells topics apart: partition, session_id, kind, symbol, account, update_type.
Topic: TypeAlias = tuple[str, str, str, str | None, str | None, UpdateType | None]


class Numbering:
    """Streams and topics have numbers in the order in which they first appear; the block that has one first defines it."""

    def __init__(self, last_by_stream: dict[tuple[str, str], int]) -> None:
        self._new_streams: list[StreamDefinition] = []  # since they were last taken
        self._new_topics: list[TopicDefinition] = []
        self._previous = (
            last_by_stream  # (partition, session) -> last sequence journalled before its present definition
        )
        self._ids: dict[Topic, tuple[int, int]] = {}  # topic -> its number, its stream's
        self._streams: dict[tuple[str, str], int] = {}
        self._sequences: dict[int, int] = {}  # stream -> last sequence
        self._topic_count = 0
        self._stream_count = 0

    def number(self, topics: Iterable[Topic], sequences: Sequence[int]) -> tuple[Sequence[int], Sequence[int]]:
        """The topic's and the stream's number of each record, at least one; what is new is defined."""
        known = self._ids.get
        ids = [known(topic) or self._define(topic, sequence) for topic, sequence in zip(topics, sequences, strict=True)]
        topic_ids, stream_ids = zip(*ids, strict=True)
        self._sequences.update(zip(stream_ids, sequences, strict=True))
        return topic_ids, stream_ids

    def take_new(self) -> tuple[list[StreamDefinition], list[TopicDefinition]]:
        """What was defined since the last call."""
        streams, topics = self._new_streams, self._new_topics
        self._new_streams, self._new_topics = [], []
        return streams, topics

    def forget(self) -> None:
        """Have streams and topics defined again, each stream with the last sequence that was journalled."""
        for stream_key, stream in self._streams.items():
            self._previous[stream_key] = self._sequences[stream]
        self._streams.clear()
        self._sequences.clear()
        self._ids.clear()

    def begin_segment(self) -> None:
        """Forget, and count from zero."""
        self.forget()
        self._topic_count = self._stream_count = 0

    def _define(self, topic: Topic, sequence: int) -> tuple[int, int]:
        partition, session_id, kind, symbol, account, update_type = topic
        stream_key = (partition, session_id)
        stream = self._streams.get(stream_key)
        if stream is None:
            stream = self._streams[stream_key] = self._stream_count
            self._stream_count += 1
            self._new_streams.append(StreamDefinition(*stream_key, sequence, self._previous.get(stream_key, 0)))
        type_text = None if update_type is None else update_type.value
        self._new_topics.append(TopicDefinition(stream, kind, symbol, account, type_text))
        ids = self._ids[topic] = (self._topic_count, stream)
        self._topic_count += 1
        return ids
