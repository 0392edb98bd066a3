"""The newest records of a class in memory, so that readers near the end never touch the disk.

It belongs to the loop's thread. Records that are not synced yet are always kept (they are nowhere else).
"""

from __future__ import annotations

from typing import Final

from gwcore.model import Record

#: The tail of one class holds no more payload than this, whatever the number of records.
TAIL_BYTES_MAX: Final = 64 * 1024 * 1024
#: Trimming is put off until this many records (and a quarter of the limit) can go at once, to make it cheap.
_TRIM_RECORDS: Final = 256
_new_record = tuple.__new__


class Tail:
    """Records `first_position` and on."""

    __slots__ = ("_bytes_max", "_records_max", "first_position", "records", "size", "trim_records")

    def __init__(self, first_position: int, records_max: int, bytes_max: int = TAIL_BYTES_MAX) -> None:
        self.first_position = first_position
        self.records: list[Record] = []  # as appended: their position is not set
        self.size = 0  # bytes of payload
        self._records_max = records_max
        self._bytes_max = bytes_max
        self.trim_records = records_max + max(_TRIM_RECORDS, records_max // 4)

    def read(self, position: int, count: int) -> list[Record]:
        """Up to `count` records from `position` on, which must not lie before the tail; positions set."""
        start = position - self.first_position
        return [
            _new_record(Record, (*record[:9], number))
            for number, record in enumerate(self.records[start : start + count], position)
        ]

    def is_full(self) -> bool:
        """Whether `trim` is due."""
        return len(self.records) > self.trim_records or self.size > self._bytes_max

    def trim(self, synced_position: int) -> None:
        """Drop the oldest records above the limits, but none behind `synced_position`."""
        free = min(synced_position + 1 - self.first_position, len(self.records))
        drop = max(0, min(free, len(self.records) - self._records_max))
        size = self.size - sum(len(record.payload) for record in self.records[:drop])
        low = self._bytes_max - self._bytes_max // 4
        if size > self._bytes_max:
            while drop < free and size > low:
                size -= len(self.records[drop].payload)
                drop += 1
        if drop > 0:
            del self.records[:drop]
            self.first_position += drop
            self.size = size
