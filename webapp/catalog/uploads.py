"""Uploads on their way in: to a temporary file in chunks, hashed as they pass."""

from __future__ import annotations

import fcntl
import hashlib
from typing import Any

from django.core.files.uploadedfile import UploadedFile
from django.core.files.uploadhandler import TemporaryFileUploadHandler


class HashingUploadHandler(TemporaryFileUploadHandler):
    """Django's temporary file handler, with the sha256 of what it wrote as ``file.sha256``."""

    def new_file(self, *args: Any, **kwargs: Any) -> None:
        super().new_file(*args, **kwargs)
        # The kernel frees it when this process dies, however it dies: what nobody holds is litter.
        fcntl.flock(self.file.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)
        self.digest = hashlib.sha256()

    def receive_data_chunk(self, raw_data: bytes, start: int) -> None:
        self.digest.update(raw_data)
        try:
            super().receive_data_chunk(raw_data, start)
        except OSError:
            # Django would leave it to the garbage collector: half a file where there is no room.
            self.upload_interrupted()
            raise

    def file_complete(self, file_size: int) -> UploadedFile | None:
        file = super().file_complete(file_size)
        if file is not None:
            file.sha256 = self.digest.hexdigest()  # type: ignore[attr-defined]
        return file


def sha256_of(file: UploadedFile) -> str:
    """The hash that the handler took, or that of a file that came another way."""
    known = getattr(file, "sha256", None)
    if isinstance(known, str):
        return known
    digest = hashlib.sha256()
    for chunk in file.chunks():
        digest.update(chunk)
    file.seek(0)
    return digest.hexdigest()
