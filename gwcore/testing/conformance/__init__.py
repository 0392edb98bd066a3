"""Conformance kit: numbered cards that any venue, sink or transport plugin has to pass. See docs/cards.md."""

from gwcore.testing.conformance.account_case import AccountCase
from gwcore.testing.conformance.card import Card, Kind, Notes, Outcome, Result, run_card, run_cards
from gwcore.testing.conformance.catalogue import CARDS, cards_of
from gwcore.testing.conformance.order_case import OrderCase
from gwcore.testing.conformance.recording import RecordedFrame, Recording, load_recordings, write_recording
from gwcore.testing.conformance.sink_case import Destination, SinkCase
from gwcore.testing.conformance.transport_case import TransportCase
from gwcore.testing.conformance.venue_case import VenueCase

__all__ = [
    "CARDS",
    "AccountCase",
    "Card",
    "Destination",
    "Kind",
    "Notes",
    "OrderCase",
    "Outcome",
    "RecordedFrame",
    "Recording",
    "Result",
    "SinkCase",
    "TransportCase",
    "VenueCase",
    "cards_of",
    "load_recordings",
    "run_card",
    "run_cards",
    "write_recording",
]
