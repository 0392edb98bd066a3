"""The event log: append-only segments that are the truth of what the gateway said."""

from gwcore.journal.cursors import CursorStore
from gwcore.journal.gap import JournalGap
from gwcore.journal.log import Journal
from gwcore.journal.reader import JournalReader
from gwcore.journal.recovery import ClassRecovery

__all__ = ["ClassRecovery", "CursorStore", "Journal", "JournalGap", "JournalReader"]
