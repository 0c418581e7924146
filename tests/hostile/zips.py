"""Archives that leave their folder, swell, link, repeat, lie or hold no data set."""

from __future__ import annotations

import io
import stat
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path

from tests.hostile.case import Case, Make, fixed
from tests.hostile.sets import YAML, good, pack, replaced


def with_entry(change: Callable[[zipfile.ZipFile], None]) -> Make:
    def make(canary: Path) -> bytes:
        buffer = io.BytesIO(pack(good()))
        with zipfile.ZipFile(buffer, "a", zipfile.ZIP_DEFLATED) as target:
            change(target)
        return buffer.getvalue()

    return make


def named(name: str) -> Make:
    return with_entry(lambda target: target.writestr(name, b"x"))


class _Nameless(zipfile.ZipInfo):
    def is_dir(self) -> bool:  # zipfile's own looks at the name's last letter
        return False


def nameless(target: zipfile.ZipFile) -> None:
    entry = _Nameless("x")
    entry.filename = ""
    target.writestr(entry, b"x")


def raw_name(stored: bytes, real: bytes) -> Make:
    """``stored`` is written as ``real``, which has the same length; zipfile would clean it."""
    return lambda canary: with_entry(lambda t: t.writestr(stored.decode(), b"x"))(canary).replace(
        stored, real
    )


def mode(kind: int, content: bytes) -> Make:
    def change(target: zipfile.ZipFile) -> None:
        entry = zipfile.ZipInfo("images/train/odd.png")
        entry.external_attr = (kind | 0o777) << 16
        target.writestr(entry, content)

    return with_entry(change)


def twice(target: zipfile.ZipFile) -> None:
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        target.writestr("data.yaml", b"names: [a]")


def patched(old: bytes, new: bytes, *, last: bool = True) -> Make:
    """The good archive with bytes of its directory changed."""

    def make(canary: Path) -> bytes:
        whole = pack(good())
        place = whole.rindex(old) if last else whole.index(old)
        return whole[:place] + new + whole[place + len(old) :]

    return make


def central(offset: int, layout: str, value: int) -> Make:
    """The good archive whose first directory entry says ``value`` at ``offset``."""

    def make(canary: Path) -> bytes:
        whole = bytearray(pack(good()))
        place = whole.index(b"PK\x01\x02")
        struct.pack_into(layout, whole, place + offset, value)
        return bytes(whole)

    return make


def lies(canary: Path) -> bytes:
    """Each file unpacks to more than its entry says, in the entry and in the directory."""
    whole = bytearray(pack({**good(), "labels/val/0.txt": b"0 0.5 0.5 0.1 0.1\n" * 3000}))
    name = b"labels/val/0.txt"
    local, listed = whole.index(name) - 30, whole.rindex(name) - 46
    struct.pack_into("<I", whole, local + 22, 17)
    struct.pack_into("<I", whole, listed + 24, 17)
    return bytes(whole)


def overlapping(canary: Path) -> bytes:
    """One compressed heap of zeros that two hundred entries share."""
    heap = 24 * 2**20
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as target:
        target.writestr("data.yaml", YAML)
        target.writestr("0", bytes(heap))
        first = target.infolist()[1]
        for number in range(1, 200):
            other = zipfile.ZipInfo(str(number))
            for field in ("header_offset", "compress_size", "file_size", "CRC", "compress_type"):
                setattr(other, field, getattr(first, field))
            target.filelist.append(other)
            target.NameToInfo[other.filename] = other
        target._didModify = True  # type: ignore[attr-defined]
    return buffer.getvalue()


def yaml(old: bytes, new: bytes) -> Make:
    assert old in YAML
    return replaced("data.yaml", YAML.replace(old, new))


def without(*names: str) -> Make:
    return lambda canary: pack({k: v for k, v in good().items() if not k.startswith(names)})


def listed(content: bytes) -> Make:
    """``train`` is a text file of image paths."""

    def make(canary: Path) -> bytes:
        files = good()
        files["data.yaml"] = YAML.replace(b"images/train", b"train.txt")
        files["train.txt"] = content
        return pack(files)

    return make


def case(name: str, says: str, make: Make, *, sample: bool = False) -> Case:
    return Case(name, "set.zip", says, make, kind="data-set", sample=sample)


OUT = "leads out of the archive"
NO_ZIP = "is no zip file or is damaged"
FOLDER = "expected a folder of (the archive|images)"

CASES = [
    case("slip", OUT, named("../../../../tmp/slipped.txt"), sample=True),
    case("slip-inner", OUT, named("images/../../slipped.txt")),
    case("slip-root", OUT, named("/tmp/slipped.txt")),
    case("slip-drive", OUT, named("C:/slipped.txt")),
    case("slip-backslash", OUT, raw_name(b"aa!!!slipped.txt", b"..\\..\\slippe.txt")),
    case("slip-nul", OUT, raw_name(b"images/a!b.png", b"images/a\0b.png")),
    case("name-empty", "has no name", with_entry(nameless)),
    case("name-dot", "has no name", named(".")),
    case(
        "name-not-utf8",
        "names of its entries are not UTF-8",
        raw_name("images/\u00e9.png".encode(), b"images/\x90\xa9.png"),
    ),
    case("link", "is a link or device", mode(stat.S_IFLNK, b"/etc/passwd"), sample=True),
    case("link-up", "is a link or device", mode(stat.S_IFLNK, b"../../../..")),
    case("device", "is a link or device", mode(stat.S_IFCHR, b"")),
    case("pipe", "is a link or device", mode(stat.S_IFIFO, b"")),
    case("socket", "is a link or device", mode(stat.S_IFSOCK, b"")),
    case("repeated", "comes twice", with_entry(twice), sample=True),
    case("repeated-case", "comes twice", named("DATA.YAML")),
    case(
        "bomb",
        r"unpacks to \d+ times its size; at most 200",
        replaced("big.txt", bytes(60 * 2**20)),
        sample=True,
    ),
    case("bomb-overlapping", r"unpacks to \d+ times its size|overlap", overlapping, sample=True),
    case("lies", "unpacks to more than it states|damaged", lies),
    case("claims-4-gib", "times its size|GiB", central(24, "<I", 0xFFFFFFFE)),
    case("encrypted", "is encrypted", central(8, "<H", 1)),
    case("method", "cannot be unpacked: .*; use deflate", central(10, "<H", 99)),
    case("wrong-sum", NO_ZIP, central(16, "<I", 1)),
    case("wrong-place", NO_ZIP, central(42, "<I", 77)),
    case("deep", "is too deep or too long", named("a/" * 40 + "x.txt")),
    case("long-name", "is too deep or too long", named("a" * 10_000 + ".png"), sample=True),
    case("long-part", "is too deep or too long", named("ü" * 130 + ".png")),
    case("truncated", NO_ZIP, lambda c: pack(good())[:-900]),
    case("truncated-start", NO_ZIP, lambda c: pack(good())[900:]),
    case("noise", NO_ZIP, fixed(b"PK\x03\x04" + bytes(range(256)))),
    case("page", NO_ZIP, fixed(b"<!doctype html><title>404</title>")),
    case("seven-zip", NO_ZIP, fixed(b"7z\xbc\xaf\x27\x1c" + bytes(100))),
    case("empty", "holds no data.yaml", fixed(pack({}))),
    case("no-yaml", "holds no data.yaml", without("data.yaml")),
    case(
        "two-yamls",
        "holds 2 YAML files and no data.yaml",
        lambda c: pack(
            {
                **{k: v for k, v in good().items() if k != "data.yaml"},
                "a.yaml": YAML,
                "b.yaml": YAML,
            }
        ),
    ),
    case(
        "yaml-tag", "no plain YAML", yaml(b"[ring, chain]", b"!!python/name:os.system"), sample=True
    ),
    case("yaml-bomb", "uses YAML aliases", yaml(b"[ring, chain]", b"&a [x]\nb: [*a, *a]")),
    case("yaml-large", "a YAML file has at most", replaced("data.yaml", YAML + b"#" * 300_000)),
    case("yaml-root", FOLDER, yaml(b"images/train", b"/etc")),
    case("yaml-up", FOLDER, yaml(b"images/train", b"../../../etc"), sample=True),
    case("yaml-list-up", FOLDER, yaml(b"images/train", b"[images/train, ../../etc]")),
    case("yaml-nul", FOLDER + "|no folder", yaml(b"images/train", b'"images\\0train"')),
    case("yaml-nul-path", FOLDER + "|path is", yaml(b"names", b'path: "a\\0b"\nnames')),
    case("yaml-long", FOLDER + "|no folder", yaml(b"images/train", b"a" * 5000)),
    case(
        "yaml-long-path",
        FOLDER + "|path is",
        yaml(b"names", b"path: " + b"a" * 5000 + b"\nnames"),
        sample=True,
    ),
    case("yaml-number", "train is 5", yaml(b"images/train", b"5")),
    case("yaml-map", "train is", yaml(b"images/train", b"{a: b}")),
    case("yaml-missing", "no folder images/other", yaml(b"images/train", b"images/other")),
    case("yaml-file", "no folder data.yaml", yaml(b"images/train", b"data.yaml")),
    case(
        "names-many", "names must be numbered", yaml(b"[ring, chain]", b"[" + b"a," * 2001 + b"a]")
    ),
    case("names-odd", "names must be numbered", yaml(b"[ring, chain]", b"{0: a, x: b}")),
    case("names-none", 'has no "names"', yaml(b"names: [ring, chain]", b"nc: 2")),
    case("names-nul", "holds the character", yaml(b"[ring, chain]", b'["a\\0", b]')),
    case("list-outside", "does not exist|outside", listed(b"/etc/hostname\n"), sample=True),
    case("list-up", "does not exist|outside", listed(b"../../../../../../etc/hostname\n")),
    case("list-nul", "does not exist|outside", listed(b"images/train/0.png\0\n")),
    case("list-binary", "is not text", listed(bytes(range(128, 256)))),
    case("list-long", "does not exist|outside", listed(b"a" * 9000)),
    case("list-no-image", "is no image|no labels", listed(b"data.yaml\n")),
    case("no-labels", "have no labels", without("labels/")),
    case("no-val", "no images|no folder", without("images/val", "labels/val")),
    case(
        "few",
        "only 2 train images",
        lambda c: pack(
            {
                **{
                    k: v
                    for k, v in good().items()
                    if "/test/" not in k
                    and ("train" not in k or k[-5] in "01")
                    and "1" not in k[-7:-5]
                },
                "data.yaml": YAML.replace(b"test: images/test\n", b""),
            }
        ),
    ),
]
