"""Model descriptions: bombs, tags, bait for eval, and shapes that no reader expects."""

from __future__ import annotations

import struct
from pathlib import Path

from tests.hostile.case import Case, Make, fixed

GOOD = """nc: 3
activation: nn.SiLU()
scales:
  n: [0.5, 0.25, 1024]
backbone:
  - [-1, 1, Conv, [64, 3, 2]]
  - [-1, 1, Conv, [128, 3, 2]]
  - [-1, 1, C2f, [128, True]]
head:
  - [[2], 1, Detect, [nc]]
"""


def changed(old: str, new: str) -> Make:
    """The good description with one thing changed; CANARY stands for the canary's path."""
    assert old in GOOD, old

    def make(canary: Path) -> bytes:
        return GOOD.replace(old, new).replace("CANARY", str(canary)).encode()

    return make


def bait(activation: str) -> Make:
    return changed("activation: nn.SiLU()", f'activation: "{activation}"')


def bomb(canary: Path) -> bytes:
    """A billion laughs: nine anchors, each ten times the one before."""
    lines = ['a0: &a0 ["lol"]']
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 10)]
    return "\n".join(lines).encode()


def merged(canary: Path) -> bytes:
    return b"base: &b {nc: 3}\n<<: *b\n" + GOOD.encode()


NOT_ACCEPTED = "is not accepted"
NO_YAML = "is no plain YAML"
MANY = "".join("  - [-1, 1, Conv, [8]]\n" for _ in range(100_000))
GIANT = GOOD.replace("[0.5, 0.25, 1024]", "[4.0, 4.0, 8192]").replace("[128, 3, 2]", "[8192, 9, 1]")
SOME = "".join("- [-1,1,Conv,[8]]\n" for _ in range(300))


CASES = [
    Case("anchor-bomb", "a.yaml", r"uses YAML aliases \(\*a0\)", bomb, sample=True),
    Case("merge", "a.yaml", r"uses YAML aliases \(\*b\)", merged),
    Case("self-anchor", "a.yaml", r"uses YAML aliases \(\*a\)", fixed(b"a: &a [*a]")),
    *(
        Case(
            f"activation-{number}",
            "a.yaml",
            f"activation .* ({NOT_ACCEPTED}|has other constants)",
            bait(text),
            sample=number == 0,
        )
        for number, text in enumerate(
            (
                "__import__('os').mkdir('CANARY')",
                "nn.SiLU(__import__('os').mkdir('CANARY'))",
                "(lambda: __import__('os').mkdir('CANARY'))()",
                "[__import__('os').mkdir('CANARY'), nn.SiLU()][1]",
                "nn.modules.os.mkdir('CANARY')",
                "nn.SiLU(" * 9,
                "nn.LeakyReLU(1e999)",
                "nn.GELU('tanh', x=1)",
            )
        )
    ),
    Case(
        "tag-apply",
        "a.yaml",
        NO_YAML,
        changed("nc: 3", "nc: !!python/object/apply:os.mkdir ['CANARY']"),
        sample=True,
    ),
    Case(
        "tag-new",
        "a.yaml",
        NO_YAML,
        changed("nc: 3", "nc: !!python/object/new:os.mkdir ['CANARY']"),
    ),
    Case("tag-name", "a.yaml", NO_YAML, changed("nc: 3", "nc: !!python/name:os.mkdir")),
    Case("tag-module", "a.yaml", NO_YAML, changed("nc: 3", "nc: !!python/module:os")),
    Case("tag-own", "a.yaml", NO_YAML, changed("nc: 3", "nc: !mkdir CANARY")),
    Case("tag-key", "a.yaml", NO_YAML, changed("nc: 3", "!!python/name:os.mkdir nc: 3")),
    Case(
        "layer-bait",
        "a.yaml",
        r"'os\.mkdir' is not accepted",
        changed("Conv, [64, 3, 2]", "os.mkdir, ['CANARY']"),
        sample=True,
    ),
    Case(
        "layer-torch",
        "a.yaml",
        r"'torch\.hub\.load' is not",
        changed("Conv, [64, 3, 2]", "torch.hub.load, [1]"),
    ),
    Case(
        "layer-vision",
        "a.yaml",
        "'TorchVision' is not",
        changed("Conv, [64, 3, 2]", "TorchVision, [32, resnet18]"),
    ),
    Case("layer-list", "a.yaml", NOT_ACCEPTED, changed("Conv, [64, 3, 2]", "[Conv], [64, 3, 2]")),
    Case("layer-map", "a.yaml", NOT_ACCEPTED, changed("Conv, [64, 3, 2]", "{a: 1}, [64, 3, 2]")),
    Case(
        "argument-bait",
        "a.yaml",
        "argument .* is not accepted",
        changed("Conv, [64, 3, 2]", "Conv, ['__import__(1)', 3]"),
    ),
    Case(
        "deep-flow",
        "a.yaml",
        "nested more than 12 levels|no plain YAML",
        changed("nc: 3", "nc: " + "[" * 20_000),
        sample=True,
    ),
    Case(
        "deep-block",
        "a.yaml",
        "nested more than 12 levels|no plain YAML",
        fixed("".join(" " * n + "a:\n" for n in range(600)).encode()),
    ),
    Case(
        "deep-keys",
        "a.yaml",
        "nested more than 12 levels|no plain YAML",
        fixed(b"? " * 5000 + b"a"),
    ),
    Case(
        "layers-100000",
        "a.yaml",
        r"bytes; a YAML file has at most 262144",
        changed("backbone:\n", f"backbone:\n{MANY}"),
        sample=True,
    ),
    Case(
        "layers-300",
        "a.yaml",
        "layers; at most 200",
        changed("backbone:\n", "backbone:\n" + SOME.replace("- ", "  - ")),
    ),
    Case(
        "items", "a.yaml", "has more than 40000 YAML items", fixed(b"a: [" + b"1," * 60_000 + b"1]")
    ),
    Case("repeats", "a.yaml", "repeats is 999999", changed("[-1, 1, C2f", "[-1, 999999, C2f")),
    Case(
        "giant",
        "a.yaml",
        "million weights; at most 200 million|together",
        fixed(GIANT.encode()),
    ),
    Case(
        "kernel",
        "a.yaml",
        "million weights|together|puts out",
        changed("Conv, [64, 3, 2]", "Conv, [64, 8192, 1]"),
    ),
    Case(
        "upsample",
        "a.yaml",
        "puts out|together|does not run",
        changed("[-1, 1, C2f, [128, True]]", "[-1, 1, nn.Upsample, [None, 4096, nearest]]"),
    ),
    Case(
        "padding",
        "a.yaml",
        "puts out|together|does not run",
        changed("[-1, 1, C2f, [128, True]]", "[-1, 1, nn.ZeroPad2d, [8192]]"),
    ),
    Case(
        "zero-channels",
        "a.yaml",
        "together|does not run|expected",
        changed("Conv, [64, 3, 2]", "Conv, [0, 3, 2]"),
    ),
    Case(
        "negative-kernel",
        "a.yaml",
        "together|does not run|expected",
        changed("Conv, [64, 3, 2]", "Conv, [64, -3, 2]"),
    ),
    Case(
        "infinite",
        "a.yaml",
        "width of scale n is inf",
        changed("[0.5, 0.25, 1024]", "[0.5, .inf, 1024]"),
    ),
    Case(
        "not-a-number",
        "a.yaml",
        "depth of scale n is nan",
        changed("[0.5, 0.25, 1024]", "[.nan, 0.25, 1024]"),
    ),
    Case("scale-list", "a.yaml", "scale", changed("nc: 3", "nc: 3\nscale: [n]")),
    Case("scale-map", "a.yaml", "scale", changed("nc: 3", "nc: 3\nscale: {n: 1}")),
    Case("digits", "a.yaml", NO_YAML, changed("nc: 3", "nc: " + "9" * 10_000)),
    Case("date", "a.yaml", "nc is 2001-12-14", changed("nc: 3", "nc: 2001-12-14")),
    Case("bad-date", "a.yaml", NO_YAML, changed("nc: 3", "nc: 2001-99-99")),
    Case("odd-key", "a.yaml", NO_YAML, fixed(b"? [a, b]\n: 1\n")),
    Case("number-key", "a.yaml", "key '1' is not accepted", changed("nc: 3", "nc: 3\n1: 2")),
    Case(
        "nul-name",
        "a.yaml",
        r"holds the character '\\x00'",
        changed("nc: 3", 'nc: 3\nnames: ["a\\0b", c, d]'),
        sample=True,
    ),
    Case(
        "half-character",
        "a.yaml",
        "holds the character|no plain YAML",
        changed("nc: 3", 'nc: 3\nnames: ["a\\ud800b", c, d]'),
    ),
    Case("raw-nul", "a.yaml", NO_YAML, fixed(b"nc: 3\0\n")),
    Case("not-utf8", "a.yaml", "is not UTF-8 text", fixed(b"nc: \xff\xfe\n")),
    Case("utf16", "a.yaml", "is not UTF-8 text", fixed(GOOD.encode("utf-16"))),
    Case("two-documents", "a.yaml", NO_YAML, fixed(b"---\nnc: 3\n---\nnc: 4\n")),
    Case("tab", "a.yaml", NO_YAML, fixed(b"nc:\t3\n\tx: 1\n")),
    Case("nothing", "a.yaml", "holds NoneType; expected a mapping", fixed(b"# nothing\n")),
    Case("list", "a.yaml", "holds list; expected a mapping", fixed(b"- 1\n")),
    Case(
        "binary",
        "a.yaml",
        "is not UTF-8 text|no plain YAML",
        fixed(struct.pack("<200d", *range(200))),
    ),
]
