"""Each activation site of an ONNX file as a model of its own, for runtimes without a profiler."""

from __future__ import annotations

from pathlib import Path

import onnx
from onnx import shape_inference
from onnx.utils import Extractor

from devices.attribution import owned_nodes
from devices.errors import MeasurementFailed
from devices.graph_basics import label


def site_models(artefact: Path, model: Path) -> list[tuple[str, onnx.ModelProto]]:
    """(site key, model) in graph order: what of ``artefact`` belongs to each site of ``model``.

    ``artefact`` was made from the fp32 ONNX ``model`` and keeps the names of its tensors. A site's
    model holds the convolution that feeds the activation, where there is one, and the activation.

    Raises:
        MeasurementFailed: the artefact has no tensor of a site.
    """
    before = {label(node): node for node in onnx.load(model).graph.node}
    whole = Extractor(shape_inference.infer_shapes(onnx.load(artefact), strict_mode=True))
    made = {name for node in whole.model.graph.node for name in node.output}
    found = []
    for each in owned_nodes(onnx.load(model)):
        first = each.site.input if each.feeder is None else before[each.feeder].input[0]
        missing = {first, each.site.output} - made - {v.name for v in whole.model.graph.input}
        if missing:
            raise MeasurementFailed(
                f"{artefact.name} has no tensor {sorted(missing)[0]!r} of site {each.site.key!r}"
            )
        found.append((each.site.key, whole.extract_model([first], [each.site.output])))
    return found
