"""Names of uploaded files: paths, other alphabets, control characters, endless ones."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Name:
    """``says`` is what the sender is told; empty: the file is taken, and stored as ``kept``."""

    name: str
    sent: str
    says: str = ""
    kept: str = ""


NAMES = [
    Name("up", "../../../../etc/cron.d/a.yaml", kept="a.yaml"),
    Name("root", "/etc/passwd.yaml", kept="passwd.yaml"),
    Name("backslash", "..\\..\\a.yaml", kept="a.yaml"),
    Name("dots", "...yaml", kept="...yaml"),
    Name("hidden", ".yaml", says="accepted: .pt, .yaml, .yml, .onnx"),
    Name("no-suffix", "model", says="accepted: .pt, .yaml, .yml, .onnx"),
    Name("two-suffixes", "model.yaml.exe", says="accepted: .pt, .yaml, .yml, .onnx"),
    Name("long", "a" * 10_000 + ".yaml", says="the body cannot be read"),
    Name("long-unicode", "ü" * 10_000 + ".yaml", says="the body cannot be read"),
    Name("too-long", "a" * 200 + ".yaml", says="the file name has 205 characters; at most 120"),
    Name("chinese", "模型.yaml", kept="模型.yaml"),
    Name("script", "<script>alert(1)</script>.yaml", kept="script.yaml"),
    Name("percent", "%2e%2e%2fa.yaml", kept="2e2e2fa.yaml"),
    Name("shell", "$(touch x);`id`.yaml", kept="touch_xid.yaml"),
]
CONTROLS = [
    "a\nb.yaml",
    "a\0b.yaml",
    "a\x1bb.yaml",
    "a\u202elmay.yaml",
    "a\u200bb.yaml",
    "a\ud800.yaml",
]
