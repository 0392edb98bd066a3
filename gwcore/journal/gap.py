"""What a reader is told when retention was faster than it."""

from __future__ import annotations

from gwcore.errors import MissingSequences, RecordsGone


class JournalGap(RecordsGone):
    """Records are gone by retention. Bounds are positions and inclusive; the reader goes on at `first_kept`."""

    def __init__(
        self, journal_class: str, first_missing: int, first_kept: int, sequences: tuple[MissingSequences, ...] = ()
    ) -> None:
        self.journal_class = journal_class
        self.first_missing = first_missing
        self.last_missing = first_kept - 1
        self.first_kept = first_kept
        super().__init__(
            f"journal class {journal_class}: positions {first_missing} to {first_kept - 1} are gone by retention; "
            f"the first kept is {first_kept}",
            sequences,
        )
