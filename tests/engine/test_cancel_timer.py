"""The venue's dead-man timer: armed, renewed, off when it must be, and a client's own."""

from __future__ import annotations

from gwcore.engine.orders.cancel_timer import ANNOUNCED, EXPIRED, CancelTimer
from gwcore.model import AckStatus

SECOND = 1_000_000_000


class Hand:
    """Plays venue and clock. `answers`: what becomes of requests; None: nothing is heard."""

    def __init__(self, period_s: int | None = 60) -> None:
        self.now_ns, self.is_up = 0, True
        self.answer: AckStatus | None = AckStatus.ACCEPTED
        self.sent: list[tuple[int, int]] = []
        self.told: list[tuple[bool, str]] = []
        self.refusal = ""
        self.timer = CancelTimer(
            period_s, self._ask, lambda is_armed, cause: self.told.append((is_armed, cause)), lambda: self.is_up
        )

    def _ask(self, timeout_s: int, now_ns: int) -> str:
        if not self.refusal:
            self.sent.append((now_ns // SECOND, timeout_s))
            self.ack("", timeout_s)
        return self.refusal

    def ack(self, user: str, timeout_s: int) -> None:
        self.timer.on_ack(user, timeout_s, AckStatus.FORWARDED, self.now_ns)
        if self.answer is not None:
            self.timer.on_ack(user, timeout_s, self.answer, self.now_ns)

    def wait(self, seconds: int) -> None:
        end_ns = self.now_ns + seconds * SECOND
        while (due_ns := self.timer.next_ns()) is not None and due_ns <= end_ns:
            self.now_ns = max(self.now_ns, due_ns)
            self.timer.on_timer(self.now_ns)
        self.now_ns = end_ns


def test_it_is_armed_and_renewed_at_a_quarter_of_its_period_and_told_once() -> None:
    hand = Hand()
    hand.is_up = False
    hand.wait(5)
    assert hand.sent == []
    hand.is_up = True
    hand.wait(40)
    assert hand.sent == [(5, 60), (20, 60), (35, 60)]
    assert hand.told == [(True, "for 60 s, renewed by the gateway")]
    assert hand.timer.is_armed


def test_without_a_period_nothing_is_sent() -> None:
    hand = Hand(None)
    hand.wait(100)
    assert (hand.sent, hand.told, hand.timer.next_ns()) == ([], [], None)


def test_it_is_off_ahead_of_maintenance_and_on_again_after() -> None:
    hand = Hand()
    hand.wait(1)
    hand.timer.on_venue("the venue announced maintenance")
    hand.wait(100)
    assert hand.sent == [(0, 60), (1, 0)]
    assert hand.told[-1] == (False, "the venue announced maintenance")
    assert not hand.timer.may_be_armed
    hand.timer.on_venue("")
    hand.wait(0)
    assert hand.sent[-1] == (101, 60)
    assert hand.timer.is_armed


def test_it_is_off_shortly_before_announced_maintenance_and_not_earlier() -> None:
    hand = Hand()
    hand.wait(1)
    hand.timer.on_announced(3600 * SECOND)
    hand.wait(3538)
    assert hand.timer.is_armed
    assert all(seconds == 60 for _, seconds in hand.sent)
    assert hand.told == [(True, "for 60 s, renewed by the gateway")]
    hand.wait(1)
    assert hand.sent[-1] == (3540, 0)
    assert hand.told[-1] == (False, ANNOUNCED)
    assert hand.timer.hold == ANNOUNCED
    hand.timer.on_venue("the venue is MAINTENANCE")
    hand.wait(120)
    hand.timer.on_announced(None)  # it is over, and nothing else is announced
    hand.timer.on_venue("")
    hand.wait(0)
    assert hand.sent[-1] == (3660, 60)
    assert hand.timer.is_armed


def test_maintenance_that_does_not_begin_was_put_off() -> None:
    hand = Hand()
    hand.wait(1)
    hand.timer.on_announced(100 * SECOND)
    hand.wait(998)
    assert hand.sent[-1] == (40, 0)
    hand.wait(1)
    assert hand.sent[-1] == (1000, 60)
    hand.timer.on_announced(100 * SECOND)  # said once more
    hand.wait(60)
    assert hand.timer.is_armed
    assert hand.sent[-1] == (1060, 60)


def test_one_that_is_announced_anew_for_later_is_armed_again() -> None:
    hand = Hand()
    hand.timer.on_announced(30 * SECOND)
    hand.wait(5)
    assert hand.sent == []
    hand.timer.on_announced(300 * SECOND)
    hand.wait(1)
    assert hand.sent[-1][1] == 60


def test_a_disarm_that_is_not_answered_is_asked_again_until_the_timer_has_ended() -> None:
    hand = Hand(8)
    hand.wait(1)
    hand.answer = AckStatus.UNKNOWN
    hand.timer.stop()
    hand.wait(100)
    assert hand.sent == [(0, 8), *((second, 0) for second in range(1, 8))]
    assert hand.told[-1] == (False, EXPIRED)
    assert hand.timer.expired == 1
    assert hand.timer.next_ns() is None


def test_renewals_that_fail_let_it_end_and_it_is_armed_again_when_they_work() -> None:
    hand = Hand(8)
    hand.wait(0)
    hand.answer = AckStatus.REJECTED
    hand.wait(7)
    assert hand.timer.is_armed
    hand.wait(3)
    assert not hand.timer.is_armed
    hand.answer = AckStatus.ACCEPTED
    hand.wait(2)
    assert hand.timer.is_armed


def test_one_that_may_have_been_armed_is_disarmed() -> None:
    hand = Hand()
    hand.answer = None
    hand.wait(0)
    assert not hand.timer.is_armed
    hand.answer = AckStatus.ACCEPTED
    hand.timer.stop()
    hand.wait(0)
    assert hand.sent == [(0, 60), (0, 0)]


def test_a_clients_timer_is_his_to_renew_and_then_the_gateways_goes_on() -> None:
    hand = Hand()
    hand.wait(1)
    hand.ack("ann", 30)
    assert hand.told[-1] == (True, "for 30 s, by ann")
    hand.wait(29)
    assert hand.sent == [(0, 60)]
    hand.ack("ann", 30)
    hand.wait(10)
    hand.ack("ann", 0)
    hand.wait(0)
    assert hand.sent == [(0, 60), (40, 60)]
    hand.ack("ann", 20)
    hand.wait(20)
    assert hand.told[-2:] == [(False, EXPIRED), (True, "for 60 s, renewed by the gateway")]


def test_a_clients_timer_is_off_ahead_of_maintenance_too() -> None:
    hand = Hand(None)
    hand.ack("ann", 300)
    hand.timer.on_venue("the venue is MAINTENANCE")
    hand.wait(0)
    assert hand.sent == [(0, 0)]
    assert hand.told[-1] == (False, "the venue is MAINTENANCE")


def test_what_can_not_be_asked_is_told_once() -> None:
    hand = Hand()
    hand.refusal = "this venue has no timer"
    hand.wait(100)
    assert hand.told == [(False, "this venue has no timer")]
