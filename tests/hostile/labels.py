"""Label files with numbers that are none, boxes outside, and too much of everything."""

from __future__ import annotations

from tests.hostile.case import Case
from tests.hostile.sets import LABEL, replaced


def case(name: str, says: str, content: bytes, *, sample: bool = False) -> Case:
    make = replaced(LABEL, content)
    return Case(name, "set.zip", says, make, kind="data-set", sample=sample)


def rows(count: int) -> bytes:
    """Boxes that all differ."""
    return b"".join(
        b"0 0.%05d 0.%05d 0.1 0.1\n" % (10_000 + n % 80_000, 10_000 + n // 80_000 * 7)
        for n in range(count)
    )


NO_NUMBER = r"line 1 holds NaN or infinity"
OUTSIDE = "line 1 leaves the image"
CLASS = "line 1 names class .*; expected a whole number 0 to 1"

CASES = [
    case("nan", NO_NUMBER, b"0 nan 0.5 0.1 0.1\n", sample=True),
    case("nan-class", NO_NUMBER, b"nan 0.5 0.5 0.1 0.1\n"),
    case("infinity", NO_NUMBER, b"0 0.5 0.5 inf 0.1\n"),
    case("overflow", NO_NUMBER, b"0 0.5 0.5 1e999 0.1\n"),
    case("outside", OUTSIDE, b"0 1.5 0.5 0.1 0.1\n", sample=True),
    case("negative", OUTSIDE, b"0 -0.5 0.5 0.1 0.1\n"),
    case("pixels", OUTSIDE, b"0 320 240 64 48\n"),
    case("flat", "line 1 is a box of size 0.0", b"0 0.5 0.5 0 0.1\n"),
    case("class-high", CLASS, b"2 0.5 0.5 0.1 0.1\n"),
    case("class-huge", CLASS, b"1e300 0.5 0.5 0.1 0.1\n"),
    case("class-negative", CLASS, b"-1 0.5 0.5 0.1 0.1\n"),
    case("class-part", CLASS, b"0.5 0.5 0.5 0.1 0.1\n"),
    case("few-numbers", "line 1 has 4 numbers", b"0 0.5 0.5 0.1\n"),
    case("many-numbers", "line 1 has 6 numbers", b"0 0.5 0.5 0.1 0.1 0.9\n"),
    case("words", "line 1 is 'a cat here'", b"a cat here\n"),
    case("code", "line 1 is ", b"__import__('os').system('id') 0 0 0 0\n"),
    case("binary", "is not text", bytes(range(128, 256))),
    case("utf16", "is not text|line 1 is", "0 0.5 0.5 0.1 0.1\n".encode("utf-16")),
    case(
        "rows-millions",
        "is larger than 4 MiB|times its size",
        b"0 0.5 0.5 0.1 0.1\n" * 2_000_000,
        sample=True,
    ),
    case("rows-20001", "has 20001 boxes; at most 20000", rows(20_001)),
    case("large", "is larger than 4 MiB", rows(200_000)),
    case("polygon-long", "leaves the image|is a box of size|has", b"0" + b" 0.5 0.5" * 100_000),
]
