"""What the web process may not do."""

from __future__ import annotations

import subprocess
import sys

from tests.conftest import ROOT

HEAVY = ("torch", "torchvision", "ultralytics", "onnxruntime", "openvino", "cv2", "pandas", "scipy")


def test_it_imports_no_machine_learning(environment: dict[str, str], db: None) -> None:
    code = f"""
import sys, django
django.setup()
from django.urls import get_resolver
get_resolver().url_patterns  # imports every view
import webapp.wsgi
from webapp.api.api import api
api.get_openapi_schema()
print(sorted(set({HEAVY!r}) & set(sys.modules)))
"""
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "[]"
