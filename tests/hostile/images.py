"""Pictures that swell, break off or are something else."""

from __future__ import annotations

import io
import struct
import zlib

from PIL import Image

from tests.hostile.case import Case, Make
from tests.hostile.sets import FIRST, changed, picture, replaced


def chunk(kind: bytes, content: bytes) -> bytes:
    body = kind + content
    return struct.pack(">I", len(content)) + body + struct.pack(">I", zlib.crc32(body))


def png(width: int, height: int, *, rows: bytes = b"", more: bytes = b"", depth: int = 1) -> bytes:
    """A PNG that claims a size and holds what it is given."""
    header = struct.pack(">IIBBBBB", width, height, depth, 0, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + more
        + chunk(b"IDAT", zlib.compress(rows))
        + chunk(b"IEND", b"")
    )


def as_name(name: str, content: bytes) -> Make:
    """A further train image ``name``, with a label."""
    return changed(
        lambda files: files.update(
            {
                f"images/train/{name}": content,
                f"labels/train/{name.rpartition('.')[0]}.txt": b"0 0.5 0.5 0.2 0.2\n",
            }
        )
    )


def large(kind: str) -> bytes:
    """A real picture of 81 megapixels in one colour."""
    buffer = io.BytesIO()
    Image.new("1", (9000, 9000)).save(buffer, kind)
    return buffer.getvalue()


def tiff_pages() -> bytes:
    """A TIFF whose only directory names itself as the next one."""
    return b"II*\0\x08\0\0\0" + struct.pack("<H", 0) + struct.pack("<I", 8)


def tiff_huge() -> bytes:
    """A TIFF that claims 2^31 pixels a side."""
    tags = [
        (256, 4, 1, 2**31),
        (257, 4, 1, 2**31),
        (258, 3, 1, 8),
        (262, 3, 1, 1),
        (273, 4, 1, 8),
        (277, 3, 1, 1),
        (278, 4, 1, 2**31),
        (279, 4, 1, 100),
    ]
    rows = b"".join(struct.pack("<HHII", *tag) for tag in tags)
    return b"II*\0\x08\0\0\0" + struct.pack("<H", len(tags)) + rows + bytes(4)


def bmp_huge() -> bytes:
    header = struct.pack("<IiiHHIIiiII", 40, 60_000, 60_000, 1, 24, 0, 0, 0, 0, 0, 0)
    return b"BM" + struct.pack("<IHHI", 54, 0, 0, 54) + header


def case(name: str, says: str, make: Make, *, sample: bool = False) -> Case:
    return Case(name, "set.zip", says, make, kind="data-set", sample=sample)


SVG = b'<svg xmlns="http://www.w3.org/2000/svg"><image href="file:///etc/passwd"/></svg>'
NO_IMAGE = "is no image; accepted:"
BROKEN = "is damaged"
SIZE = "has more than 50 megapixels|accepted: 8 px and more a side, at most 50 megapixels"

CASES = [
    case(
        "bomb",
        "x.png has more than 50 megapixels",
        as_name("x.png", png(50_000, 50_000)),
        sample=True,
    ),
    case("bomb-real", f"x.png is 9000 x 9000; {SIZE}", as_name("x.png", large("PNG"))),
    case("bomb-2-31", f"{SIZE}|{BROKEN}|{NO_IMAGE}", as_name("x.png", png(2**31 - 1, 2**31 - 1))),
    case("bomb-bmp", f"{SIZE}|{BROKEN}", as_name("x.bmp", bmp_huge())),
    case("bomb-tiff", f"{SIZE}|{BROKEN}|{NO_IMAGE}", as_name("x.tif", tiff_huge())),
    case(
        "bomb-text",
        f"{BROKEN}|{NO_IMAGE}|times its size",
        as_name(
            "x.png",
            png(
                16,
                16,
                rows=bytes(3 * 16),
                more=chunk(b"zTXt", b"a\0\0" + zlib.compress(bytes(80 * 2**20))),
            ),
        ),
        sample=True,
    ),
    case("thin", f"x.png is 4000 x 2; {SIZE}", as_name("x.png", png(4000, 2, rows=bytes(1002)))),
    case("zero", f"{BROKEN}|{NO_IMAGE}|{SIZE}", as_name("x.png", png(0, 0))),
    case("truncated-png", BROKEN, replaced(FIRST, picture(64)[:-40]), sample=True),
    case("truncated-jpeg", BROKEN, as_name("x.jpg", picture(64, kind="JPEG")[:-300])),
    case(
        "truncated-webp", f"{BROKEN}|{NO_IMAGE}", as_name("x.webp", picture(64, kind="WEBP")[:-40])
    ),
    case("no-rows", BROKEN, as_name("x.png", png(64, 64))),
    case(
        "wrong-sum",
        f"{BROKEN}|{NO_IMAGE}",
        replaced(FIRST, picture(64).replace(b"IHDR\0\0\0\x40", b"IHDR\0\0\0\x41")),
    ),
    case("svg", NO_IMAGE, as_name("x.png", SVG), sample=True),
    case("svg-named", "no images|is no image|has no box|", as_name("x.svg", SVG)),
    case("gif", NO_IMAGE, as_name("x.png", picture(kind="GIF"))),
    case("icon", NO_IMAGE, as_name("x.png", picture(kind="ICO"))),
    case(
        "postscript",
        NO_IMAGE,
        as_name("x.png", b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n(x) run\n"),
    ),
    case("script", NO_IMAGE, as_name("x.jpg", b"<?php system('id'); ?>")),
    case("empty", NO_IMAGE, as_name("x.png", b"")),
    case("tiff-circle", f"{NO_IMAGE}|{BROKEN}", as_name("x.tiff", tiff_pages())),
    case("pickle", NO_IMAGE, as_name("x.png", b"cposix\nsystem\n(S'id'\ntR.")),
]
CASES = [one for one in CASES if one.name != "svg-named"]  # not listed as an image: taken, unused
