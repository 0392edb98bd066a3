"""Settings of the `file` sink."""

from __future__ import annotations

from typing import Annotated

import msgspec


class FileSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Table `[sink.file]`: the archive of zstd JSON Lines."""

    level: Annotated[int, msgspec.Meta(ge=1, le=19)] = 3  # of zstd: higher is smaller and slower
    file_bytes_max: Annotated[int, msgspec.Meta(gt=0)] = 64 * 1024 * 1024  # compressed; a file is finished at this size
    file_age_max_s: Annotated[float, msgspec.Meta(gt=0)] = 900.0  # ... or this long after it was begun
    sync_interval_s: Annotated[float, msgspec.Meta(ge=0)] = 1.0  # what was written is durable this much later
    buffer_bytes_max: Annotated[int, msgspec.Meta(gt=0)] = 4 * 1024 * 1024  # ... or when this much is waiting
