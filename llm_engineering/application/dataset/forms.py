"""Reads a model's answer in the form that was asked for, and mends what can be mended without asking again."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic_core import from_json

from llm_engineering.domain.errors import MalformedAnswerError

_SHOWN_PROBLEMS = 3
_LONGEST_PROBLEM = 300


@dataclass(frozen=True)
class Formed:
    """An answer in its form: JSON, or plain text where no form was asked for."""

    text: str
    is_mended: bool = False


def in_form(text: str, form: type[BaseModel] | None) -> Formed:
    """The answer, taken out of a code fence or of words around it.

    Mended are line breaks inside strings, an end that was cut off, and lists of which only some items are right: those
    stay. Nothing is made up.

    Raises:
        MalformedAnswerError: it cannot be mended; the message says what is wrong, for the model as for a person.
    """
    stripped = text.strip()
    if not stripped:
        raise MalformedAnswerError("the answer was empty")
    if form is None:
        return Formed(stripped)
    found = _object_in(stripped)
    try:
        form.model_validate_json(found)
    except ValidationError as error:
        mended = _mended(stripped, form)
        if mended is None:
            raise MalformedAnswerError(_explain(error)) from error
        return Formed(mended, is_mended=True)
    return Formed(found)


def _object_in(text: str) -> str:
    start, end = text.find("{"), text.rfind("}")
    return text[start : end + 1] if 0 <= start < end else text


def _mended(text: str, form: type[BaseModel]) -> str | None:
    for value in _readings(text):
        mended = json.dumps(value, ensure_ascii=False) if _keeps_right_items(value, form) else None
        if mended is not None:
            return mended
    return None


def _readings(text: str) -> Iterator[Any]:
    """What the text may have been meant to be: first the whole of it, then what stands before a cut."""
    try:
        yield json.loads(_object_in(text), strict=False)
    except (ValueError, RecursionError):
        start = max(text.find("{"), 0)
        try:
            yield from_json(text[start:], allow_partial=True)
        except ValueError:
            return


def _keeps_right_items(value: Any, form: type[BaseModel]) -> bool:
    """Take the items that are wrong out of the lists in `value`; whether it is of the form then, with some items."""
    try:
        form.model_validate(value)
    except ValidationError as error:
        pass_over = {location for problem in error.errors() if (location := _item_of(problem["loc"])) is not None}
    else:
        return True
    lists = [_take_out(value, location) for location in sorted(pass_over, key=_position, reverse=True)]
    if not lists or not all(lists):
        return False
    try:
        form.model_validate(value)
    except ValidationError:
        return False
    return True


def _item_of(location: tuple[int | str, ...]) -> tuple[int | str, ...] | None:
    """The path to the outermost item of a list on the way to what is wrong."""
    ends = [end for end, step in enumerate(location, start=1) if isinstance(step, int)]
    return location[: ends[0]] if ends else None


def _position(location: tuple[int | str, ...]) -> int:
    return int(location[-1])


def _take_out(value: Any, location: tuple[int | str, ...]) -> list[Any]:
    """Delete one item; returns what is left of its list."""
    *path, index = location
    for step in path:
        value = value[step]
    del value[index]
    left: list[Any] = value
    return left


def _explain(error: ValidationError) -> str:
    problems = error.errors(include_url=False)[:_SHOWN_PROBLEMS]
    return "; ".join(f"{'.'.join(map(str, one['loc']))} {one['msg']}".strip() for one in problems)[:_LONGEST_PROBLEM]
