"""One value and its type: convert it, or say what was expected and what was found. Pure; never repeats a secret."""

from __future__ import annotations

import math
import re
from typing import Any

import msgspec

from gwcore.redaction import has_userinfo, redact
from gwcore.secrets import REFERENCE_CURE
from gwcore.suggest import did_you_mean

#: Longest part of a wrong value that is repeated.
FOUND_LENGTH_MAX = 60

#: Where in a list msgspec found the fault.
_ITEM = re.compile(r"`\$\[(\d+)\]")


class FormError(ValueError):
    """A value that is not of its type. The text says what was expected and found; `hint` the cure."""

    def __init__(self, message: str, hint: str = "") -> None:
        self.hint = hint
        super().__init__(message)


def read_value(value: object, kind: Any, *, is_text: bool = False) -> Any:
    """`value` as the type `kind` says (an annotation). `is_text`: it is the text of a variable. Raises FormError."""
    form = msgspec.inspect.type_info(kind)
    if _is_secret(form):
        return _reference(value, kind)
    if is_text:
        value = _from_text(str(value), form)
    _refuse_odd(value)
    try:
        return msgspec.convert(value, kind)
    except msgspec.ValidationError as error:
        raise _mismatch(value, form, str(error)) from None


def expected_form(kind: Any) -> str:
    """What a type wants, in words: `a whole number from 0 to 65535`."""
    return _words(msgspec.inspect.type_info(kind))


def is_secret_type(kind: Any) -> bool:
    """Whether a setting of this type names a secret."""
    return _is_secret(msgspec.inspect.type_info(kind))


def _parts(form: Any) -> list[Any]:
    if isinstance(form, msgspec.inspect.UnionType):
        return [part for part in form.types if not isinstance(part, msgspec.inspect.NoneType)]
    return [form]


def _is_secret(form: Any) -> bool:
    return any(
        isinstance(part, msgspec.inspect.Metadata) and bool((part.extra or {}).get("secret")) for part in _parts(form)
    )


def _reference(value: object, kind: Any) -> Any:
    try:
        return msgspec.convert(value, kind)
    except msgspec.ValidationError:
        raise FormError("a secret is given by reference only, and this is not one", REFERENCE_CURE) from None


def _from_text(text: str, form: Any) -> object:
    parts = [part.type if isinstance(part, msgspec.inspect.Metadata) else part for part in _parts(form)]
    if len(parts) != 1:
        return text
    part = parts[0]
    if isinstance(part, msgspec.inspect.VarTupleType | msgspec.inspect.ListType | msgspec.inspect.SetType):
        return [_from_text(item.strip(), part.item_type) for item in text.split(",") if item.strip()]
    if isinstance(part, msgspec.inspect.BoolType):
        return {"true": True, "false": False}.get(text.lower(), text)
    if isinstance(part, msgspec.inspect.IntType | msgspec.inspect.FloatType):
        for number in (int, float) if isinstance(part, msgspec.inspect.FloatType) else (int,):
            try:
                return number(text)
            except ValueError:
                continue
    if isinstance(part, msgspec.inspect.DictType):
        try:
            return msgspec.json.decode(text)
        except msgspec.DecodeError:
            return text
    return text


def _refuse_odd(value: object) -> None:
    if isinstance(value, float) and not math.isfinite(value):
        raise FormError(f"expected a number, found {value}")
    if isinstance(value, str) and has_userinfo(value):
        raise FormError("a URL may not carry a user, password or token", f"use the settings for them; {REFERENCE_CURE}")
    if isinstance(value, list | tuple):
        for item in value:
            _refuse_odd(item)


def _mismatch(value: object, form: Any, reason: str) -> FormError:
    expected = f"expected {_words(form)}"
    item = _ITEM.search(reason)
    if item and isinstance(value, list | tuple):
        bad = value[int(item.group(1))]
        inner = next((part.item_type for part in _parts(form) if hasattr(part, "item_type")), form)
        return FormError(f"{expected}; found {_found(bad)} in it", _near(bad, inner))
    return FormError(f"{expected}; found {_found(value)}", _near(value, form))


def _near(value: object, form: Any) -> str:
    for part in _parts(form):
        names = _names(part)
        if names and isinstance(value, str):
            return did_you_mean(value, names, what="possible")
    return ""


def _names(form: Any) -> list[str]:
    if isinstance(form, msgspec.inspect.LiteralType):
        return [str(value) for value in form.values]
    if isinstance(form, msgspec.inspect.EnumType):
        return [str(member.value) for member in form.cls]
    return []


def _found(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        text = redact(value)
        text = text if len(text) <= FOUND_LENGTH_MAX else text[: FOUND_LENGTH_MAX - 3] + "..."
        return f'the text "{text}"'
    if isinstance(value, int | float):
        return f"the number {str(value)[:FOUND_LENGTH_MAX]}"
    if isinstance(value, list | tuple):
        return "a list"
    if isinstance(value, dict):
        return "a table"
    return f"a {type(value).__name__}"


def _words(form: Any, *, plural: bool = False) -> str:
    if isinstance(form, msgspec.inspect.Metadata):
        return "a secret by reference" if _is_secret(form) else _words(form.type, plural=plural)
    if isinstance(form, msgspec.inspect.UnionType):
        return " or ".join(_words(part) for part in _parts(form))
    names = _names(form)
    if names:
        return "one of " + ", ".join(names)
    if isinstance(form, msgspec.inspect.IntType | msgspec.inspect.FloatType):
        return _number_words(form, plural=plural)
    if isinstance(form, msgspec.inspect.VarTupleType | msgspec.inspect.ListType | msgspec.inspect.SetType):
        return f"a list of {_words(form.item_type, plural=True)}"
    words: dict[Any, tuple[str, str]] = {
        msgspec.inspect.StrType: ("text in quotes", "texts in quotes"),
        msgspec.inspect.BoolType: ("true or false", "true or false"),
        msgspec.inspect.DictType: ("a table", "tables"),
    }
    pair = words.get(type(form), (type(form).__name__.removesuffix("Type").lower(),) * 2)
    return pair[1] if plural else pair[0]


def _number_words(form: Any, *, plural: bool) -> str:
    whole = isinstance(form, msgspec.inspect.IntType)
    noun = ("whole numbers" if whole else "numbers") if plural else ("a whole number" if whole else "a number")
    if form.ge is not None and form.le is not None:
        return f"{noun} from {form.ge} to {form.le}"
    low = f" above {form.gt}" if form.gt is not None else f" of at least {form.ge}" if form.ge is not None else ""
    high = f"below {form.lt}" if form.lt is not None else f"at most {form.le}" if form.le is not None else ""
    return noun + low + (f" and {high}" if low and high else f" {high}" if high else "")
