"""What an uploaded model may be made of: the allow-lists of the .pt and the .yaml door, as data."""

from __future__ import annotations

__all__ = ["CALLED", "HEADS", "LAYERS", "OTHER_TASKS", "RESTORED", "VALUES", "YAML_LAYERS"]

HEADS = ("Detect", "v10Detect")

# Heads and models of ultralytics that we do not take -> what they are for.
OTHER_TASKS: dict[str, str] = {
    **dict.fromkeys(("Segment", "Segment26", "SegmentationModel"), "task segment"),
    **dict.fromkeys(("YOLOESegment", "YOLOESegment26", "YOLOESegModel"), "task segment"),
    **dict.fromkeys(("Pose", "Pose26", "PoseModel"), "task pose"),
    **dict.fromkeys(("OBB", "OBB26", "OBBModel"), "task obb"),
    **dict.fromkeys(("Classify", "ClassificationModel"), "task classify"),
    **dict.fromkeys(("SemanticSegment", "SemanticSegmentationModel"), "task semantic"),
    **dict.fromkeys(("Depth", "DepthModel"), "task depth"),
    **dict.fromkeys(("RTDETRDecoder", "RTDETRDetectionModel"), "the transformer RT-DETR"),
    **dict.fromkeys(("WorldDetect", "WorldModel"), "open vocabularies"),
    **dict.fromkeys(("YOLOEDetect", "YOLOEModel"), "open vocabularies"),
}

_BLOCKS = {
    *("A2C2f", "AConv", "ADown", "Bottleneck", "BottleneckCSP", "C1", "C2", "C2PSA", "C2f"),
    *("C2fCIB", "C2fPSA", "C3", "C3Ghost", "C3k2", "C3x", "CBFuse", "CBLinear", "ELAN1"),
    *("GhostBottleneck", "PSA", "RepC3", "RepNCSPELAN4", "SCDown", "SPP", "SPPELAN", "SPPF"),
}
_CONVOLUTIONS = {
    *("Concat", "Conv", "ConvTranspose", "DWConv", "DWConvTranspose2d", "Focus", "GhostConv"),
}
_INNER_BLOCKS = {
    *("AAttn", "ABlock", "Attention", "C3k", "CIB", "DFL", "PSABlock", "RepBottleneck"),
    *("RepCSP", "RepVGGDW", "Silence"),
}

# Layers that a YAML may name.
YAML_LAYERS = frozenset(
    {
        *_BLOCKS,
        *_CONVOLUTIONS,
        *("Silence", "nn.ConvTranspose2d", "nn.Identity", "nn.MaxPool2d", "nn.Upsample"),
        "nn.ZeroPad2d",
    }
)

# module -> classes that a checkpoint may restore from their attributes, without calling them
LAYERS: dict[str, set[str]] = {
    # files from before ultralytics 8.0.90 name the package without the file
    "ultralytics.nn.modules": _BLOCKS | _INNER_BLOCKS | _CONVOLUTIONS | {"Detect"},
    "ultralytics.nn.modules.activation": {"AGLU"},
    "ultralytics.nn.modules.block": _BLOCKS | _INNER_BLOCKS,
    "ultralytics.nn.modules.conv": _CONVOLUTIONS | {"Conv2", "LightConv", "RepConv"},
    "ultralytics.nn.modules.head": set(HEADS),
    "torch.nn.modules.activation": {
        *("CELU", "ELU", "GELU", "Hardsigmoid", "Hardswish", "Hardtanh", "LeakyReLU", "Mish"),
        *("PReLU", "ReLU", "ReLU6", "SELU", "SiLU", "Sigmoid", "Softmax", "Softplus"),
        *("Softsign", "Tanh"),
    },
    "torch.nn.modules.batchnorm": {"BatchNorm2d"},
    "torch.nn.modules.container": {"ModuleDict", "ModuleList", "Sequential"},
    "torch.nn.modules.conv": {"Conv2d", "ConvTranspose2d"},
    "torch.nn.modules.dropout": {"Dropout"},
    "torch.nn.modules.linear": {"Identity", "Linear"},
    "torch.nn.modules.loss": {"BCEWithLogitsLoss"},
    "torch.nn.modules.padding": {"ZeroPad2d"},
    "torch.nn.modules.pooling": {"AdaptiveAvgPool2d", "AvgPool2d", "MaxPool2d"},
    "torch.nn.modules.upsampling": {"Upsample"},
}
RESTORED = frozenset(
    {
        "ultralytics.utils.IterableSimpleNamespace",
        "ultralytics.yolo.utils.IterableSimpleNamespace",
        "ultralytics.nn.tasks.DetectionModel",
        "ultralytics.nn.tasks.YOLOv10DetectionModel",
        "ultralytics.utils.loss.v8DetectionLoss",
        "ultralytics.utils.loss.v10DetectLoss",
        "ultralytics.utils.loss.E2EDetectLoss",
        "ultralytics.utils.loss.E2ELoss",
        "ultralytics.utils.loss.BboxLoss",
        "ultralytics.utils.loss.DFLoss",
        "ultralytics.utils.tal.TaskAlignedAssigner",
    }
)

# Functions that a checkpoint may call: they build tensors and plain containers, nothing else.
CALLED = frozenset(
    {
        "torch._utils._rebuild_tensor_v2",
        "torch._utils._rebuild_parameter",
        "torch.Size",
        "torch.device",
        "collections.OrderedDict",
        "__builtin__.set",
        "builtins.set",
        "pathlib.PosixPath",
        "pathlib.WindowsPath",
        "pathlib._local.PosixPath",
        "pathlib._local.WindowsPath",
        "numpy.core.multiarray.scalar",
        "numpy._core.multiarray.scalar",
        "numpy.dtype",
        "_codecs.encode",
    }
)

# Names of storages and number types; they are looked up, never called.
VALUES = frozenset(
    {f"torch.{kind}Storage" for kind in ("Float", "Half", "BFloat16", "Double", "Long", "Int")}
    | {f"torch.{kind}Storage" for kind in ("Short", "Byte", "Char", "Bool")}
    | {f"torch.{kind}" for kind in ("float16", "float32", "float64", "bfloat16")}
    | {f"torch.{kind}" for kind in ("int64", "int32", "uint8", "bool")}
)
