"""One subscription: a (channel, symbol) of one connection, its state and what it waits for."""

from __future__ import annotations

from collections import deque
from enum import Enum

from gwcore.book import OrderBook
from gwcore.model import Channel, MarketByPriceUpdate, StaleReason, StreamState
from gwcore.venue import Topic

#: Messages kept for one book while its snapshot is fetched; one more and the fetch is started over.
BUFFER_MESSAGES_MAX = 2_000

#: Failures within the quarantine window that a snapshot fetched anew is to heal, before the topic is subscribed again.
FETCHES_MAX = 3
#: After these a topic is not fed, so that no snapshot heals it for long.
NOT_FED = frozenset({StaleReason.SILENCE, StaleReason.REJECTED})

#: Channels whose subscription is only good once a snapshot came.
NEEDS_SNAPSHOT = frozenset({Channel.BOOK, Channel.ORDERS})


class Phase(Enum):
    """Where a subscription stands between us and the venue; `StreamState` is what clients are told of it."""

    OFF = "off"  # nothing asked, nothing planned
    QUEUED = "queued"  # to be subscribed when the pace allows
    SENT = "sent"  # subscribe sent, no answer yet
    DATA = "data"  # accepted, no snapshot yet
    ON = "on"  # accepted and fed
    WAIT = "wait"  # backing off before the next try
    LEAVE_QUEUED = "leave queued"  # to be unsubscribed when the pace allows
    LEAVING = "leaving"  # unsubscribe sent, no answer yet


class Subscription:
    """State of one subscription. Changed by `SubscriptionSet` (phase) and `MarketDataMachine` (state, book)."""

    __slots__ = (
        "at_venue",
        "book",
        "buffer",
        "calm_ns",
        "confirmed",
        "deadline_ns",
        "detail",
        "failures",
        "had_both_sides",
        "held",
        "high2",
        "is_late",
        "late_ns",
        "low2",
        "middle2",
        "newest_ns",
        "old_snapshots",
        "phase",
        "quarantined",
        "reason",
        "resubscribes",
        "seen_sequence",
        "since_ns",
        "state",
        "suspected",
        "suspected_ns",
        "topic",
        "traded_ns",
        "verifying",
        "wanted",
    )

    def __init__(self, topic: Topic) -> None:
        self.topic = topic
        self.phase = Phase.OFF
        self.state = StreamState.IDLE
        self.since_ns = 0  # monotonic, of the last state change
        self.reason: StaleReason | None = None  # why the state is not LIVE
        self.detail: str | None = None
        self.wanted = True  # False: leave, then forget
        self.at_venue = False  # whether the venue may be feeding it: then leave before subscribing again
        self.deadline_ns: int | None = None  # when the present phase has lasted too long
        self.failures: deque[int] = deque(maxlen=64)  # monotonic times, for back-off and quarantine
        self.resubscribes = 0
        self.book: OrderBook | None = None
        self.buffer: list[MarketByPriceUpdate] | None = None  # updates that wait for a fetched snapshot
        self.old_snapshots = 0  # fetched ones in a row that were older than these updates
        self.seen_sequence: int | None = (
            None  # of the last update that did not go into the book: no snapshot may be older
        )
        self.had_both_sides = False  # the book once had bids and asks
        self.confirmed: StaleReason | None = None  # a suspicion that a fresh snapshot proved to be the truth
        self.calm_ns: int | None = None  # monotonic, since when the confirmed oddity is gone; None: it lasts
        self.suspected: StaleReason | None = None  # what the last snapshot looked like, not confirmed yet
        self.suspected_ns = 0  # monotonic, since when
        self.newest_ns: int | None = None  # the venue's time of what was published before the book went bad
        self.low2 = self.high2 = 0  # bounds of best bid plus best ask, in ticks, that trades allow; 0: no fresh trade
        self.middle2 = 0  # best bid plus best ask when they were last good; 0: not known
        self.traded_ns = 0  # monotonic, of the trade they come from
        self.verifying = False  # a live book is subscribed anew, only to see whether it is still the venue's
        self.quarantined = False  # put in quarantine and not live since
        self.is_late = False  # a book that is stale because what comes of it is too old
        self.late_ns = 0  # monotonic, of the last message that was
        self.held = False  # the market is not trading: stale, and no healing

    @property
    def needs_snapshot(self) -> bool:
        """Whether the subscription is only good once a snapshot came."""
        return self.topic.channel in NEEDS_SNAPSHOT

    def heals_by_request(self, can_unsubscribe: bool) -> bool:
        """Whether a snapshot that is fetched anew is enough, where there is such a thing: the venue goes on feeding it.

        What can be left is left after a few tries. Where nothing can, only a new connection is, which all others on it
        would pay for: then it goes on being tried.
        """
        if not self.needs_snapshot or self.verifying or self.reason in NOT_FED:
            return False
        return len(self.failures) <= FETCHES_MAX or not can_unsubscribe
