"""Text from strangers that is stored and shown."""

from __future__ import annotations

__all__ = ["odd_character"]


def odd_character(text: str) -> str | None:
    """The first control character or half of a character in ``text``; databases refuse some."""
    for character in text:
        if ord(character) < 32 or ord(character) == 127 or 0xD800 <= ord(character) < 0xE000:
            return character
    return None
