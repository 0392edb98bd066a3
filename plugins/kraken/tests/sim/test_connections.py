"""Who is let in, who stays, and what keeps them there."""

from __future__ import annotations

from gwcore.simulator import Refusal


def test_150_connects_in_ten_minutes_then_a_ban(drive) -> None:
    driver = drive(rate=0)
    for _ in range(150):
        driver.simulator.close(driver.open(), driver.now)
    assert driver.simulator.open("/v2", driver.now) == Refusal(429, b"Too Many Requests")
    driver.run(599)
    assert isinstance(driver.simulator.open("/v2", driver.now), Refusal)
    driver.run(2)
    assert isinstance(driver.simulator.open("/v2", driver.now), int)


def test_the_window_of_connects_rolls(drive) -> None:
    driver = drive(rate=0, connects_max=2, connects_window_s=10)
    for _ in range(5):
        driver.open()
        driver.run(6)


def test_another_path_is_no_websocket(drive) -> None:
    assert drive(rate=0).simulator.open("/v1", 1).status == 404


def test_idle_connections_are_closed_after_a_minute(drive) -> None:
    driver = drive(rate=0)
    idle, pinged, subscribed = driver.open(), driver.open(), driver.open()
    driver.subscribe(subscribed, "book", ["BTC/USD"])
    driver.run(40)
    driver.send(pinged, "ping")
    driver.run(30)
    assert driver.closed == {idle: False}
    driver.run(31)
    assert set(driver.closed) == {idle, pinged}
    driver.run(200)
    assert subscribed not in driver.closed


def test_heartbeats_once_a_second_after_the_first_subscription(drive, of_channel) -> None:
    driver = drive(rate=0)
    connection = driver.open()
    assert not of_channel(driver.run(5), "heartbeat")
    driver.subscribe(connection, "trade", ["BTC/USD"])
    assert len(of_channel(driver.run(10), "heartbeat")) == 10


def test_a_closed_connection_gets_nothing_more(drive) -> None:
    driver = drive(pairs=1, rate=100)
    connection = driver.open()
    driver.subscribe(connection, "book", ["BTC/USD"])
    driver.run(1)
    driver.simulator.close(connection, driver.now)
    driver.simulator.advance(driver.now)
    assert driver.run(3) == []
    assert driver.simulator.stats()["subscriptions"] == 0


def test_a_long_pause_is_skipped_not_simulated(drive, of_channel) -> None:
    driver = drive(pairs=1, rate=100, catch_up_max_s=1)
    connection = driver.open()
    driver.subscribe(connection, "book", ["BTC/USD"])
    driver.run(1)
    driver.now += 3600 * 1_000_000_000
    frames = [item.frame for item in driver.simulator.advance(driver.now)]
    assert 20 < len(of_channel(frames, "book")) < 250
    assert len(of_channel(frames, "heartbeat")) <= 3
