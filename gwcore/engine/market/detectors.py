"""Rules that find a book or a feed gone bad: small, pure, each with its reason and its settings (`[detection]`).

Proof lies in the book itself (`gwcore.book`: checksum, sequence, precision) or in what the venue says (status, refusal,
disconnect). Here is what is only suspicion: it may be the truth, so a fresh snapshot may confirm it.
"""

from __future__ import annotations

from decimal import Decimal

from gwcore.book import OrderBook
from gwcore.engine.market.subscription import Subscription
from gwcore.engine.reconnect import NANOSECONDS
from gwcore.model import StaleReason, TradeSummary, UpdateType
from gwcore.numbers import NumberError, scaled
from gwcore.settings import DetectionSettings

#: Faults that are proof: the book is wrong. Everything else is suspicion, and a fresh snapshot may confirm it.
PROOF = frozenset(
    {
        StaleReason.CHECKSUM,
        StaleReason.SEQUENCE_GAP,
        StaleReason.PRECISION,
        StaleReason.DECODE,
        StaleReason.NO_SNAPSHOT,
    }
)
#: Faults that make the whole connection suspect when many of its books have them at once.
RENEWING = PROOF | {StaleReason.SILENCE}
#: What each suspicion says of the book.
DETAILS = {
    StaleReason.CROSSED: "best bid at or above best ask",
    StaleReason.EMPTY_SIDE: "a side of the book is empty",
    StaleReason.JUMP: "the middle of the book is far from the last trades",
    StaleReason.TIME_BACKWARDS: "the venue's time went backwards",
}


def is_other_tick(before: str | None, after: str) -> bool:
    """Whether an instrument's tick size is another number; the same one may be written in two ways."""
    return before is not None and before != after and Decimal(before) != Decimal(after)


class Suspicions:
    """The rules about a book that looks wrong though nothing proves it. Keeps nothing but its settings.

    Costs nothing per message: `of` is asked where the best prices changed, `went_back` is one comparison of integers.
    """

    __slots__ = ("_jump_ns", "_memory_ns", "_share", "_time_confirm_ns", "back_ns")

    def __init__(self, settings: DetectionSettings) -> None:
        self.back_ns = int(settings.time_back_s * NANOSECONDS)
        self._time_confirm_ns = int(settings.time_confirm_s * NANOSECONDS)
        self._memory_ns = int(settings.confirmed_s * NANOSECONDS)
        self._jump_ns = int(settings.jump_trade_s * NANOSECONDS)
        self._share = settings.jump_share

    def of(self, subscription: Subscription, book: OrderBook, now_ns: int) -> StaleReason | None:
        """What is odd about the best prices and was not confirmed lately: a crossed or locked book, a lost side, a jump."""
        if book.is_sound:
            subscription.had_both_sides = True
            middle2 = book.middle2
            is_near = not subscription.high2 or subscription.low2 <= middle2 <= subscription.high2
            if is_near or not self._is_jump(subscription.middle2, middle2):
                subscription.middle2 = middle2
                if subscription.confirmed is not None:
                    self._calm_down(subscription, now_ns)
                return None
            reason = StaleReason.JUMP
        elif book.is_two_sided:
            reason = StaleReason.CROSSED
        elif subscription.had_both_sides:
            reason = StaleReason.EMPTY_SIDE
        else:
            return None  # a thin pair that never had more
        if subscription.confirmed is reason and not self._is_forgotten(subscription, now_ns):
            subscription.calm_ns = None  # it goes on, or is there again: thin pairs do lose a side, again and again
            return None
        return reason

    def _is_jump(self, before2: int, now2: int) -> bool:
        """Whether the middle moved by the whole bound at once. A wide spread is far from its trades all the time."""
        return bool(before2) and abs(now2 - before2) > before2 * self._share

    def went_back(self, subscription: Subscription, book: OrderBook) -> StaleReason | None:
        """Whether a snapshot is older than what was published before it: the venue may have sent an old book again."""
        time_ns, newest_ns = book.venue_time_ns, subscription.newest_ns
        if time_ns is not None and newest_ns is not None and time_ns < newest_ns - self.back_ns:
            return StaleReason.TIME_BACKWARDS
        return None

    def is_confirmed(self, subscription: Subscription, reason: StaleReason, now_ns: int) -> bool:
        """Whether a fresh snapshot that shows what was suspected before proves it true. Remembers it."""
        if subscription.suspected is not reason:
            self.suspect(subscription, reason, now_ns)
            return False
        if reason is StaleReason.TIME_BACKWARDS:
            # Asked again at once, the same old book may come from the same old place.
            if now_ns - subscription.suspected_ns < self._time_confirm_ns:
                return False
            subscription.newest_ns = None
        else:
            subscription.confirmed, subscription.calm_ns = reason, None
            subscription.middle2 = 0
        subscription.suspected = None
        subscription.failures.clear()  # the venue did nothing wrong: no step towards quarantine
        return True

    def suspect(self, subscription: Subscription, reason: StaleReason, now_ns: int) -> None:
        """It looks odd: the next snapshot shows whether it is so."""
        if reason in DETAILS:
            subscription.suspected, subscription.suspected_ns = reason, now_ns

    def ask_again_ns(self, reason: StaleReason, now_ns: int) -> int:
        """When to ask for the snapshot that confirms: at once, but for an old one, which may be there a little longer."""
        return now_ns + self._time_confirm_ns if reason is StaleReason.TIME_BACKWARDS else 0

    def _calm_down(self, subscription: Subscription, now_ns: int) -> None:
        if subscription.calm_ns is None:
            subscription.calm_ns = now_ns
        elif self._is_forgotten(subscription, now_ns):
            subscription.confirmed = None

    def _is_forgotten(self, subscription: Subscription, now_ns: int) -> bool:
        return subscription.calm_ns is not None and now_ns - subscription.calm_ns > self._memory_ns

    # --- the band around trades -----------------------------------------------------------------------------------

    def on_trades(self, subscription: Subscription, summary: TradeSummary, now_ns: int) -> None:
        """Trades of the book's symbol: they say where its middle may be. A snapshot's trades may be of any age."""
        book = subscription.book
        if summary.update_type is not UpdateType.INCREMENTAL or not summary.trades or book is None:
            return
        try:
            price2 = 2 * scaled(summary.trades[-1].price, book.rule.price_decimals)
        except NumberError:
            return  # more digits than the book has: the instrument is changing, and that is another rule's business
        width = int(price2 * self._share)
        subscription.low2, subscription.high2 = price2 - width, price2 + width
        subscription.traded_ns = now_ns

    def expire(self, subscription: Subscription, now_ns: int) -> None:
        """Trades that are too old say nothing of the present price."""
        if subscription.high2 and now_ns - subscription.traded_ns > self._jump_ns:
            subscription.low2 = subscription.high2 = 0
