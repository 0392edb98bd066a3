"""The committer of simulations: the runtime's own without a thread, whose commits take a seeded while of virtual time."""

from __future__ import annotations

from gwcore.journal import Journal
from gwcore.runtime.journal.committer import InlineCommitter
from gwcore.settings import JournalSettings
from gwcore.testing.seeds import SeededRandom

#: How long a commit takes at most.
SYNC_S = 0.01


def virtual_committer(journal: Journal, settings: JournalSettings, rng: SeededRandom) -> InlineCommitter:
    """What is appended is durable a while later, never at once: whoever acts on what is not synced yet is found out."""
    return InlineCommitter(journal, settings, lambda: SYNC_S * rng.random())
