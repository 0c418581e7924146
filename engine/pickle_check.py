"""What a pickle would do, found out without doing it.

PyTorch's own restricted loading refuses unknown classes too. This check runs before it, so that a
hostile file is refused by the name of what it refers to, and so that one mistake in one library
does not run a stranger's code.
"""

from __future__ import annotations

import io
import pickle
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

from engine import allowed
from engine.errors import BadModel, one_line

__all__ = ["check_checkpoint"]

MAX_FILE = 512 * 2**20
MAX_ENTRIES = 20_000
MAX_PICKLE = 64 * 2**20
MAX_TENSORS = 2 * 2**30

# What zipfile raises on archives that were changed somewhere.
_DAMAGED = (zipfile.BadZipFile, EOFError, NotImplementedError, RuntimeError, ValueError, zlib.error)
_ZIP_BEGINS = b"PK\x03\x04"
_MODELS = {"DetectionModel", "YOLOv10DetectionModel"}
_BOUND = {"forward", "forward_fuse", "forward_split"}  # what ultralytics leaves bound on a module


def check_checkpoint(path: Path) -> None:
    """Refuse a .pt file that is not an ultralytics detection checkpoint of plain data.

    Raises:
        BadModel: too large, damaged, or its pickle refers to or calls something that no detection
            checkpoint needs; the message names it.
    """
    name = path.name
    size = path.stat().st_size
    if size > MAX_FILE:
        raise BadModel(f"{name} is {size / 2**20:.0f} MiB; at most {MAX_FILE // 2**20} MiB")
    if not zipfile.is_zipfile(path):
        raise BadModel(
            f"{name} is no PyTorch checkpoint: it is empty, cut short or in another format; "
            "save it again with a current ultralytics"
        )
    with path.open("rb") as file:
        if file.read(4) != _ZIP_BEGINS:  # PyTorch reads such a file from the front, as a pickle
            raise BadModel(
                f"{name}: something stands before its archive, which PyTorch never writes"
            )
    try:
        with zipfile.ZipFile(path) as archive:
            if archive.comment:
                raise BadModel(
                    f"{name}: something stands behind its archive, which PyTorch never writes"
                )
            _check_entries(archive, name)
            for entry in archive.infolist():
                if _is_pickle(entry):
                    _check_top(_Inspector(archive.read(entry), name).load(), name)
    except _DAMAGED as error:
        raise BadModel(f"{name} is damaged: {one_line(error)}") from None


def _check_entries(archive: zipfile.ZipFile, name: str) -> None:
    entries = archive.infolist()
    if any(entry.header_offset < 0 for entry in entries):
        raise BadModel(f"{name} is damaged: its beginning is missing")
    if len(entries) > MAX_ENTRIES:
        raise BadModel(f"{name} holds {len(entries)} records; at most {MAX_ENTRIES}")
    if sum(entry.file_size for entry in entries) > MAX_TENSORS:
        raise BadModel(f"{name} unpacks to more than {MAX_TENSORS // 2**30} GiB")
    if any(entry.compress_type != zipfile.ZIP_STORED for entry in entries):
        raise BadModel(f"{name} holds compressed records, which PyTorch never writes")
    pickles = [entry for entry in entries if _is_pickle(entry)]
    if any(entry.filename.lower().rpartition("/")[2] == "constants.pkl" for entry in pickles):
        raise BadModel(f"{name} is a TorchScript archive; upload the .pt it was exported from")
    if len(pickles) != 1:
        raise BadModel(f"{name} holds {len(pickles)} pickles; a checkpoint holds one, data.pkl")
    if pickles[0].file_size > MAX_PICKLE:
        raise BadModel(f"{name}: data.pkl is larger than {MAX_PICKLE // 2**20} MiB")


def _check_top(found: Any, name: str) -> None:
    """A checkpoint is a mapping with a detection model under ``ema`` or ``model``."""
    if not isinstance(found, dict):
        raise BadModel(f"{name} holds {_kind(found)}; a checkpoint is a dict")
    net = found.get("ema") or found.get("model")
    if _kind(net) not in _MODELS:
        raise BadModel(
            f"{name} holds no detection model but {_kind(net)}; accepted: checkpoints "
            "that ultralytics wrote when it trained a detector"
        )


def _kind(found: Any) -> str:
    if isinstance(found, _Dict):
        return "OrderedDict"
    return found.kind.rpartition(".")[2] if isinstance(found, _Thing) else type(found).__name__


def _is_pickle(entry: zipfile.ZipInfo) -> bool:
    return entry.filename.lower().endswith(".pkl")  # PyTorch's reader ignores case


class _Thing:
    """Stands for any object that the pickle makes; takes every attribute and does nothing."""

    kind = ""

    def __init__(self, kind: str) -> None:
        self.kind = kind

    def __setstate__(self, state: object) -> None:
        return None

    def __setitem__(self, key: object, value: object) -> None:
        return None

    def __hash__(self) -> int:
        return id(self)

    def append(self, item: object) -> None:
        return None

    def extend(self, items: object) -> None:
        return None

    def add(self, item: object) -> None:
        return None


def _stand_in(kind: str, *, call: Callable[..., None]) -> type[_Thing]:
    """A class in place of the global ``kind``; ``call`` may object to how the pickle calls it."""

    def new(cls: type[_Thing], *args: object, **kwargs: object) -> _Thing:
        call(*args, **kwargs)
        return object.__new__(cls)

    def init(self: _Thing, *args: object, **kwargs: object) -> None:
        self.kind = kind

    return type("_StandIn", (_Thing,), {"__new__": new, "__init__": init, "kind": kind})


class _Inspector(pickle._Unpickler):  # type: ignore[name-defined, misc]  # the one written in Python
    """Walks a pickle with a stand-in for every class and function that it refers to."""

    def __init__(self, content: bytes, name: str) -> None:
        super().__init__(io.BytesIO(content))
        self.name = name

    def load(self) -> Any:
        """What the pickle holds, with stand-ins in place of everything that is no plain data."""
        try:
            return super().load()
        except BadModel:
            raise
        except Exception as error:  # a damaged pickle can raise anything; nothing of it has run
            raise BadModel(
                f"{self.name} is damaged: its pickle cannot be read ({one_line(error)})"
            ) from error

    def persistent_load(self, pid: object) -> object:
        return _Thing("storage")

    def get_extension(self, code: int) -> None:
        raise BadModel(f"{self.name} refers to pickle extension {code}, which no checkpoint needs")

    def find_class(self, module: str, name: str) -> object:
        full = f"{module}.{name}"
        if full in allowed.CALLED:
            return _container(full) or _stand_in(full, call=_anything)
        if full in allowed.VALUES:
            return _Thing(full)
        if full in allowed.RESTORED or name in allowed.LAYERS.get(module, ()):
            return _stand_in(full, call=self._without_arguments(full))
        if full in {"builtins.getattr", "__builtin__.getattr"}:
            return self._getattr
        raise BadModel(self._refusal(module, name))

    def _without_arguments(self, full: str) -> Callable[..., None]:
        def call(*args: object, **kwargs: object) -> None:
            if args or kwargs:
                raise BadModel(
                    f"{self.name} calls {full} with arguments; "
                    "a checkpoint only restores attributes"
                )

        return call

    def _getattr(self, owner: Any, attribute: str) -> _Thing:
        if getattr(owner, "kind", "").startswith("ultralytics.nn.") and attribute in _BOUND:
            return _Thing(f"{owner.kind}.{attribute}")
        raise BadModel(f"{self.name} asks for attribute {attribute!r}; accepted: {sorted(_BOUND)}")

    def _refusal(self, module: str, name: str) -> str:
        if name in allowed.OTHER_TASKS and module.startswith("ultralytics."):
            return (
                f"{self.name} is no detection model: it holds {name}, for "
                f"{allowed.OTHER_TASKS[name]}; accepted heads: {', '.join(allowed.HEADS)}"
            )
        if module.split(".")[0] == "models":
            return (
                f"{self.name} comes from the old YOLOv5 repository ({module}.{name}); "
                "accepted: checkpoints of the ultralytics package"
            )
        return (
            f"{self.name} refers to {module}.{name}, which no detection checkpoint needs; "
            "nothing in it was run"
        )


class _Dict(dict[Any, Any]):
    """An OrderedDict of a checkpoint; attributes that are restored on it are let go."""

    def __setstate__(self, state: object) -> None:
        return None


def _anything(*args: object, **kwargs: object) -> None:
    return None


def _container(full: str) -> object | None:
    """Containers are themselves: their items go on being inspected."""
    if full == "collections.OrderedDict":
        return _Dict
    return list if full.endswith(".set") else None
