"""State of a proxy's faults: of each way (times, damage, cuts) and of new connections. Set by `FaultProxy.fault`."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TypeAlias

from gwcore.rest import HttpResponse
from gwcore.testing.proxy.units import Unit
from gwcore.testing.seeds import SeededRandom

#: What was done how often: connects, cut, stalled ways, corrupted, truncated, duplicated, reordered units, answers, ...
ProxyCounts: TypeAlias = Counter[str]
#: Chances of damage, in the order in which they are drawn.
DAMAGES = ("corrupt", "truncate", "duplicate", "reorder")
#: How a cut at a byte ends the connection.
CUTS = ("close", "reset", "half_close", "silence")

CHALLENGE = (
    b"<!DOCTYPE html><html><head><title>Just a moment...</title></head>"
    b"<body>Checking your browser. Ray ID: 0</body></html>"
)


@dataclass(slots=True)
class WayFaults:
    """Faults of one way, for all connections, those that are open included. Times in seconds, chances 0 to 1."""

    delay_s: float = 0.0  # each unit is held for this long
    jitter_s: float = 0.0  # and up to this longer; the order is kept
    drip_bytes: int = 0  # written in pieces of so many bytes; 0: whole
    drip_s: float = 0.0  # pause after each piece
    corrupt: float = 0.0  # one byte of a unit's body is another
    truncate: float = 0.0  # a unit's body loses its end
    duplicate: float = 0.0  # a unit comes twice
    reorder: float = 0.0  # a unit comes after the next one
    damages_left: int = -1  # so many more are damaged; negative: no limit
    cut_at: int = -1  # a connection is cut when so many bytes of it went this way; negative: never
    cut_how: str = "reset"
    cuts_left: int = 0
    going: asyncio.Event = field(default_factory=asyncio.Event)  # not set: stalled

    def __post_init__(self) -> None:
        self.going.set()


@dataclass(slots=True)
class AcceptFault:
    """What becomes of new connections. `count`: so many; negative: until restored."""

    kind: str  # close, reset, answer
    count: int
    answer: HttpResponse | None = None

    def take(self) -> bool:
        """Use it once; false where it is used up."""
        if self.count == 0:
            return False
        self.count -= 1
        return True


class Damager:
    """Does the damage of one way of one connection. Gives the bytes to be sent instead of each unit."""

    def __init__(self, faults: WayFaults, rng: SeededRandom, counts: ProxyCounts) -> None:
        self._faults = faults
        self._random = rng
        self._counts = counts
        self._held: Unit | None = None  # comes after the next one

    def damage(self, unit: Unit) -> Iterator[bytes]:
        """What is sent for a unit: nothing for now, once, twice, or with another one behind it."""
        chosen = self._choose(unit) if unit.is_message else ""
        if chosen == "reorder" and self._held is None:
            self._held = unit
            return
        if chosen == "corrupt":
            unit = self._corrupted(unit)
        elif chosen == "truncate":
            unit = unit.shortened(self._random.integer(0, max(0, len(unit.body) - 1)))
        yield unit.joined()
        if chosen == "duplicate":
            yield unit.joined()
        if unit.is_message:
            yield from self.flush()

    def flush(self) -> Iterator[bytes]:
        """What was held back."""
        held, self._held = self._held, None
        if held is not None:
            yield held.joined()

    def _choose(self, unit: Unit) -> str:
        faults = self._faults
        if not faults.damages_left or not unit.body:
            return ""
        for name in DAMAGES:
            chance: float = getattr(faults, name)
            if chance and self._random.chance(chance):
                faults.damages_left -= faults.damages_left > 0
                self._counts[name] += 1
                return name
        return ""

    def _corrupted(self, unit: Unit) -> Unit:
        body = bytearray(unit.body)
        body[self._random.integer(0, len(body) - 1)] ^= self._random.integer(1, 255)
        return unit._replace(body=bytes(body))
