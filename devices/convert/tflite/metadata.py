"""What our TFLite files carry beside the network."""

from __future__ import annotations

from ai_edge_litert import schema_py_generated as schema

CALIBRATED = "actnas.calibrated"  # present: the values that the file computes mean something
HOST_PART = "actnas.host"  # the ONNX of what follows on the host; empty if nothing does


def read_metadata(content: bytes) -> dict[str, bytes]:
    """The metadata of a TFLite file by name."""
    model = schema.Model.GetRootAs(content)
    found = {}
    for i in range(model.MetadataLength()):
        entry = model.Metadata(i)
        buffer = model.Buffers(entry.Buffer())
        data = b"" if buffer.DataLength() == 0 else buffer.DataAsNumpy().tobytes()
        found[entry.Name().decode()] = data
    return found


def precision(content: bytes) -> str:
    """ "int8" or "fp32": what our TFLite file computes its network in."""
    return str(schema.Model.GetRootAs(content).Description().decode().partition(",")[0])
