"""Rows become a data frame of polars or pandas: exact numbers, times in nanoseconds UTC."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Any

from gwcore.client.frame_rows import Column, Row, Schema
from gwcore.errors import ConfigError

#: Digits a polars Decimal holds.
DIGITS_MAX = 38
#: What pandas takes for "no time" among nanoseconds.
_NO_TIME = -(2**63)


def build(rows: Sequence[Row], schema: Schema, library: str, numbers: str) -> Any:
    """A frame of `library` ("polars" or "pandas"); `numbers`: "decimal", or "text" as the venue wrote them.

    Raises ConfigError for another library, or one that is not installed, or numbers that no Decimal column holds.
    """
    makers: dict[str, Callable[[Sequence[Row], Schema, bool], Any]] = {"polars": _polars, "pandas": _pandas}
    if library not in makers:
        raise ConfigError(f"no library of data frames is called {library!r}", hint="polars or pandas")
    if numbers not in ("decimal", "text"):
        raise ConfigError(f"numbers can't be {numbers!r}", hint="decimal or text")
    try:
        return makers[library](rows, schema, numbers == "text")
    except ImportError as error:
        raise ConfigError(f"a frame of {library} needs it installed", hint="pip install 'gwcore[frames]'") from error


def _polars(rows: Sequence[Row], schema: Schema, as_text: bool) -> Any:
    import polars

    columns = []
    for index, (name, column) in enumerate(schema.items()):
        values = [row[index] for row in rows]
        if column is Column.TIME:
            columns.append(polars.Series(name, values, polars.Int64).cast(polars.Datetime("ns", "UTC")))
        elif column is Column.COUNT:
            columns.append(polars.Series(name, values, polars.Int64))
        elif column is Column.NUMBER and not as_text:
            texts = [str(value) for value in values if value is not None]
            decimals = polars.Decimal(DIGITS_MAX, _scale(name, texts))
            columns.append(polars.Series(name, values, polars.String).cast(decimals))
        else:
            columns.append(polars.Series(name, values, polars.String))
    return polars.DataFrame(columns)


def _pandas(rows: Sequence[Row], schema: Schema, as_text: bool) -> Any:
    import pandas  # type: ignore[import-untyped]

    columns: dict[str, Any] = {}
    for index, (name, column) in enumerate(schema.items()):
        values = [row[index] for row in rows]
        if column is Column.TIME:
            whole = [_NO_TIME if value is None else value for value in values]
            # By way of int64: as a list with gaps the times would pass through binary floats.
            columns[name] = pandas.Series(whole, dtype="int64").astype("datetime64[ns, UTC]")
        elif column is Column.COUNT:
            columns[name] = pandas.Series(values, dtype="Int64")
        elif column is Column.NUMBER and not as_text:
            exact = [None if value is None else Decimal(value) for value in values]
            columns[name] = pandas.Series(exact, dtype="object")
        else:
            columns[name] = pandas.Series(values, dtype="object")
    return pandas.DataFrame(columns)


def _scale(name: str, texts: Sequence[str]) -> int:
    """Digits behind the point that hold all of them exactly."""
    scale = whole = 0
    for text in texts:
        head, _, tail = text.lstrip("-").partition(".")
        scale = max(scale, len(tail))
        whole = max(whole, len(head))
    if scale + whole > DIGITS_MAX:
        raise ConfigError(
            f"{name} has numbers of {scale + whole} digits, a Decimal has {DIGITS_MAX}", hint='numbers="text"'
        )
    return scale
