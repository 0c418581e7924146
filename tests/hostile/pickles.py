"""Checkpoints: pickles that call, name, hide, swell or lie, in containers that do so too."""

from __future__ import annotations

import io
import os
import pickle
import pickletools
import struct
import subprocess
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.hostile.case import Case, Make, fixed

Bait = Callable[[Path], bytes]  # the pickle inside


def archive(content: bytes, *more: tuple[str, bytes], prefix: bytes = b"", **options: Any) -> bytes:
    """A file laid out like torch.save's."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", **options) as target:
        for name, data in (("it/data.pkl", content), ("it/version", b"3\n"), *more):
            entry = zipfile.ZipInfo(name)  # without the time of day: fuzzing begins with it
            entry.compress_type = target.compression
            entry.external_attr = 0o600 << 16
            target.writestr(entry, data)
    return prefix + buffer.getvalue()


def inside(bait: Bait) -> Make:
    return lambda canary: archive(bait(canary))


class _Calls:
    def __init__(self, function: Any, *arguments: Any) -> None:
        self.call = (function, arguments)

    def __reduce__(self) -> Any:
        return self.call


def touches(canary: Path) -> _Calls:
    return _Calls(os.mkdir, str(canary))


def reduce(protocol: int) -> Bait:
    return lambda canary: pickle.dumps({"model": touches(canary)}, protocol=protocol)


def text(canary: Path) -> bytes:
    return f"S'{canary}'\n".encode()


def written(before: bytes, after: bytes) -> Bait:
    """Opcodes around the path of the canary."""
    return lambda canary: before + text(canary) + after


def names(module: str, function: str, *, argument: bytes = b"S'x'\n") -> Make:
    content = f"c{module}\n{function}\n(".encode() + argument + b"tR."
    return fixed(archive(content))


def thing(module: str, name: str, state: bytes = b"}") -> bytes:
    """Opcodes that restore an object of a class from ``state``, as a checkpoint does."""
    return f"c{module}\n{name}\n)".encode() + b"\x81" + state + b"b"


def mapping(**values: bytes) -> bytes:
    items = b""
    for key, value in values.items():
        items += b"X" + struct.pack("<I", len(key)) + key.encode() + value
    return b"(" + items + b"d"


def checkpoint(net: bytes) -> Make:
    return fixed(archive(b"\x80\x02" + mapping(model=net) + b"."))


NET = ("ultralytics.nn.tasks", "DetectionModel")
SILU = ("torch.nn.modules.activation", "SiLU")


def nested(canary: Path) -> bytes:
    inner = pickle.dumps(touches(canary), protocol=2)
    return pickle.dumps(_Calls(pickle.loads, inner), protocol=2)


def storage(canary: Path) -> bytes:
    """torch.storage._load_from_bytes unpickles what it is given."""
    inner = pickle.dumps(touches(canary), protocol=2)
    size = struct.pack("<I", len(inner))
    return b"\x80\x03ctorch.storage\n_load_from_bytes\nB" + size + inner + b"\x85R."


def legacy(canary: Path) -> bytes:
    """The layout from before PyTorch 1.6: several pickles one after the other."""
    magic, protocol = 0x1950A86A20F9469CFC6C, 1001
    parts = [magic, protocol, {"little_endian": True}, {"model": touches(canary)}, []]
    return b"".join(pickle.dumps(part, protocol=2) for part in parts)


def tar(canary: Path) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as target:
        content = pickle.dumps(touches(canary), protocol=2)
        facts = tarfile.TarInfo("pickle")
        facts.size = len(content)
        target.addfile(facts, io.BytesIO(content))
    return buffer.getvalue()


def polyglot(canary: Path) -> bytes:
    """A pickle for who reads from the front, a harmless zip for who reads from the back."""
    return archive(pickle.dumps({}, protocol=2), prefix=legacy(canary))


def commented(canary: Path) -> bytes:
    """A second, hostile archive in the comment of a harmless one."""
    hidden = archive(reduce(2)(canary))
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as target:
        target.writestr("it/data.pkl", pickle.dumps({}, protocol=2))
        target.comment = hidden[:60_000]
    return buffer.getvalue()


def appendix(canary: Path) -> bytes:
    """Anything at all in the comment of a harmless archive."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as target:
        target.writestr("it/data.pkl", pickle.dumps({}, protocol=2))
        target.comment = reduce(2)(canary)
    return buffer.getvalue()


def another_case(canary: Path) -> bytes:
    """Readers that ignore case find the second one."""
    return archive(pickle.dumps({}, protocol=2), ("it/DATA.PKL", reduce(2)(canary)))


def renamed(canary: Path) -> bytes:
    """Another name in the entry's own header than in the list at the end."""
    whole = archive(reduce(2)(canary))
    return whole.replace(b"it/data.pkl", b"it/data.txt", 1)


def many_records(canary: Path) -> bytes:
    return archive(b"}.", *((f"it/data/{number}", b"") for number in range(20_001)))


def large_pickle(canary: Path) -> bytes:
    return archive(b"}." + bytes(65 * 2**20))


def endless_hash(canary: Path) -> bytes:
    """A key whose hash looks at two to the sixtieth tuples."""
    return archive(b"\x80\x02}N" + b"2\x86" * 60 + b"Ns.")


def deep(canary: Path) -> bytes:
    return archive(b"\x80\x02" + b"]" * 200_000 + b"a" * 199_999 + b".")


def tensor_of(shape: tuple[int, ...]) -> Make:
    """A tensor of ``shape`` on a storage of four bytes."""

    def make(canary: Path) -> bytes:
        dims = b"(" + b"".join(b"\x8a\x08" + struct.pack("<q", n) for n in shape) + b"t"
        stored = b"((X\x07\0\0\0storagectorch\nFloatStorage\nX\x01\0\0\x000X\x03\0\0\0cpuK\x01tQ"
        order = b"(" + b"K\x01" * len(shape) + b"t"
        call = b"ctorch._utils\n_rebuild_tensor_v2\n" + stored + b"K\0" + dims + order
        call += b"\x89ccollections\nOrderedDict\n)RtR"
        return archive(
            b"\x80\x02" + mapping(model=thing(*NET, mapping(weight=call))) + b".",
            ("it/data/0", bytes(4)),
        )

    return make


def text_protocol(canary: Path) -> bytes:
    """The readable form of protocol 0, which looks like no binary at all."""
    content = pickle.dumps(touches(canary), protocol=0)
    assert pickletools.optimize(content)
    return content


def numbers(canary: Path) -> bytes:
    """Ten million digits, whose conversion would take minutes."""
    return archive(b"I" + b"9" * 10_000_000 + b"\n.")


# mkdir, because a confined process could not start a shell even if a pickle were run
CALLS = r"refers to (posix|os)\.mkdir, which no detection checkpoint needs; nothing in it was run"
NO_ZIP = "is no PyTorch checkpoint: it is empty, cut short or in another format"
DAMAGED = "is damaged: its pickle cannot be read"
UNFIT = "is put together wrongly|cannot be restored|does not run"

CASES = [
    *(
        Case(f"reduce-{n}", "a.pt", CALLS, inside(reduce(n)), sample=n in (0, 2, 5))
        for n in range(pickle.HIGHEST_PROTOCOL + 1)
    ),
    Case("reduce-in-text", "a.pt", NO_ZIP, text_protocol),
    Case("inst", "a.pt", CALLS, inside(written(b"(", b"iposix\nmkdir\n."))),
    Case("obj", "a.pt", CALLS, inside(written(b"(cposix\nmkdir\n", b"o."))),
    Case("newobj", "a.pt", CALLS, inside(written(b"\x80\x02cposix\nmkdir\n", b"\x85\x81."))),
    Case("newobj-ex", "a.pt", CALLS, inside(written(b"\x80\x04cposix\nmkdir\n", b"\x85}\x92."))),
    Case(
        "stack-global",
        "a.pt",
        CALLS,
        inside(written(b"\x80\x04\x8c\x05posix\x8c\x05mkdir\x93", b"\x85R.")),
    ),
    Case(
        "build",
        "a.pt",
        CALLS,
        fixed(archive(b"\x80\x02" + thing(*SILU, mapping(forward=b"cposix\nmkdir\n")) + b".")),
        sample=True,
    ),
    Case("dotted", "a.pt", r"refers to os\.path\.os\.system", names("os.path", "os.system")),
    Case("nested", "a.pt", r"refers to _?pickle\.loads", inside(nested), sample=True),
    Case("storage", "a.pt", r"refers to torch\.storage\._load_from_bytes", inside(storage)),
    Case("eval", "a.pt", r"refers to builtins\.eval", names("builtins", "eval")),
    Case("exec", "a.pt", r"refers to __builtin__\.exec", names("__builtin__", "exec")),
    Case("import", "a.pt", r"refers to builtins\.__import__", names("builtins", "__import__")),
    Case("importlib", "a.pt", r"refers to importlib\.import", names("importlib", "import_module")),
    Case("popen", "a.pt", r"refers to subprocess\.Popen", names("subprocess", "Popen")),
    Case("runpy", "a.pt", r"refers to runpy\.run_path", names("runpy", "run_path")),
    Case("partial", "a.pt", r"refers to functools\.partial", names("functools", "partial")),
    Case("hub", "a.pt", r"refers to torch\.hub\.load", names("torch.hub", "load")),
    Case(
        "load",
        "a.pt",
        r"refers to torch\.serialization\.load",
        names("torch.serialization", "load"),
    ),
    Case("ctypes", "a.pt", r"refers to ctypes\.CDLL", names("ctypes", "CDLL")),
    Case("socket", "a.pt", r"refers to socket\.socket", names("socket", "socket")),
    Case("shutil", "a.pt", r"refers to shutil\.rmtree", names("shutil", "rmtree")),
    Case(
        "getattr",
        "a.pt",
        "asks for attribute '__self__'",
        fixed(archive(b"cbuiltins\ngetattr\n(cbuiltins\nset\nS'__self__'\ntR.")),
    ),
    Case(
        "class-call",
        "a.pt",
        "calls ultralytics.nn.tasks.DetectionModel with arguments",
        names(*NET),
    ),
    Case("extension", "a.pt", "refers to pickle extension 7", fixed(archive(b"\x82\x07."))),
    Case("legacy", "a.pt", NO_ZIP, legacy, sample=True),
    Case("tar", "a.pt", NO_ZIP, tar),
    Case("polyglot", "a.pt", "something stands before its archive", polyglot, sample=True),
    Case("comment", "a.pt", CALLS, commented),
    Case("appendix", "a.pt", "something stands behind its archive", appendix),
    Case("other-case", "a.pt", "holds 2 pickles", another_case),
    Case(
        "two-pickles", "a.pt", "holds 2 pickles", lambda c: archive(b"}.", ("x.pkl", reduce(2)(c)))
    ),
    Case("renamed", "a.pt", "is damaged: File name in directory", renamed),
    Case("no-pickle", "a.pt", "holds 0 pickles", lambda c: archive(b"").replace(b".pkl", b".txt")),
    Case(
        "torchscript",
        "a.pt",
        "TorchScript archive",
        fixed(archive(b"}.", ("it/constants.pkl", b")."))),
    ),
    Case(
        "compressed",
        "a.pt",
        "compressed records, which PyTorch never writes",
        lambda c: archive(reduce(2)(c), compression=zipfile.ZIP_DEFLATED),
    ),
    Case("records", "a.pt", "holds 20003 records; at most 20000", many_records),
    Case("large-pickle", "a.pt", r"data\.pkl is larger than 64 MiB", large_pickle),
    Case("endless-hash", "a.pt", "takes more than 3 s of processor time", endless_hash, cpu_s=3),
    Case("deep", "a.pt", "holds list; a checkpoint is a dict|" + UNFIT, deep),
    Case("digits", "a.pt", DAMAGED, numbers),
    Case("long-text", "a.pt", DAMAGED, fixed(archive(b"\x80\x04\x8d" + b"\xff" * 7 + b"\x0f."))),
    Case(
        "long-bytes",
        "a.pt",
        DAMAGED + "|MiB of memory",
        fixed(archive(b"\x80\x05\x96" + struct.pack("<Q", 2**36) + b".")),
        sample=True,
    ),
    Case("empty-pickle", "a.pt", DAMAGED, fixed(archive(b""))),
    Case("noise", "a.pt", DAMAGED, fixed(archive(bytes(range(256))))),
    Case("underflow", "a.pt", DAMAGED, fixed(archive(b"\x80\x02R."))),
    Case("plain-list", "a.pt", "holds list; a checkpoint is a dict", fixed(archive(b"\x80\x02]."))),
    Case(
        "no-model", "a.pt", "holds no detection model but NoneType", fixed(archive(b"\x80\x02}."))
    ),
    Case("text-model", "a.pt", "holds no detection model but str", checkpoint(b"X\x01\0\0\0x")),
    Case("activation", "a.pt", "holds no detection model but SiLU", checkpoint(thing(*SILU))),
    Case("hollow", "a.pt", UNFIT, checkpoint(thing(*NET)), sample=True),
    Case("no-layers", "a.pt", UNFIT, checkpoint(thing(*NET, mapping(_modules=b"}", model=b"]")))),
    Case("odd-state", "a.pt", UNFIT, checkpoint(thing(*NET, mapping(_modules=b"K\x01")))),
    Case(
        "odd-parts",
        "a.pt",
        UNFIT,
        checkpoint(thing(*NET, mapping(_modules=b"}", _parameters=b"]"))),
    ),
    Case("shape-2-60", "a.pt", UNFIT + "|MiB of memory", tensor_of((2**60,)), sample=True),
    Case("shape-negative", "a.pt", UNFIT, tensor_of((-5,))),
    Case("shape-past-end", "a.pt", UNFIT + "|holds no detection model", tensor_of((1024,))),
    Case("empty", "a.pt", NO_ZIP, fixed(b"\0")),
    Case("page", "a.pt", NO_ZIP, fixed(b"<!doctype html><title>404</title>")),
    Case("elf", "a.pt", NO_ZIP, lambda c: Path(subprocess.__file__).read_bytes()[:4000]),
]
