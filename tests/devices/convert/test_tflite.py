from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from ai_edge_litert.interpreter import Interpreter
from numpy.typing import NDArray

from devices import activations, graph
from devices.convert import tflite
from devices.errors import BadRequest, Unsupported
from tests.devices.convert import small_nets
from tests.devices.convert.small_nets import Net


def _run_tflite(content: bytes, image: NDArray[np.float32]) -> list[NDArray[np.float32]]:
    """The outputs as real numbers, NCHW."""
    interpreter = Interpreter(model_content=content, num_threads=1)
    interpreter.allocate_tensors()
    (given,) = interpreter.get_input_details()
    scale, zero = given["quantization"]
    integers = np.clip(np.round(image.transpose(0, 2, 3, 1) / scale) + zero, -128, 127)
    interpreter.set_tensor(given["index"], integers.astype(np.int8))
    interpreter.invoke()
    results = []
    for details in interpreter.get_output_details():
        scale, zero = details["quantization"]
        values = interpreter.get_tensor(details["index"]).astype(np.float32)
        results.append(((values - zero) * scale).transpose(0, 3, 1, 2))
    return results


def _run_onnx(
    model: onnx.ModelProto, tensors: list[str], image: NDArray[np.float32]
) -> dict[str, NDArray[np.float32]]:
    probe = onnx.ModelProto()
    probe.CopyFrom(model)
    del probe.graph.output[:]
    for name in tensors:
        probe.graph.output.add(name=name)
    session = onnxruntime.InferenceSession(
        probe.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    return dict(zip(tensors, session.run(None, {"images": image}), strict=True))


def _shape(model: onnx.ModelProto) -> list[int]:
    return [dim.dim_value for dim in model.graph.input[0].type.tensor_type.shape.dim]


def _images(model: onnx.ModelProto) -> NDArray[np.uint8]:
    return np.random.default_rng(1).integers(0, 256, _shape(model), np.uint8)


def _float(images: NDArray[np.uint8]) -> NDArray[np.float32]:
    return images.astype(np.float32) / np.float32(255)


@pytest.mark.parametrize("activation", tflite.RUNS)
@pytest.mark.parametrize("net", [small_nets.two_convolutions, small_nets.every_layer])
def test_the_file_computes_what_the_onnx_computes(net: Any, activation: str) -> None:
    model = net(activation)
    images = _images(model)
    image = _float(images)
    converted = tflite.convert(model, lowering="tflite", images=images)
    (name,) = converted.network.outputs
    wanted = _run_onnx(model, [name], image)[name]
    (got,) = _run_tflite(converted.content, image)
    assert got.shape == wanted.shape
    step = float(wanted.max() - wanted.min()) / 255
    assert np.abs(got - wanted).mean() < 3 * step
    assert np.corrcoef(got.ravel(), wanted.ravel())[0, 1] > 0.99
    assert converted.calibrated


def test_every_catalog_activation_is_run_or_refused() -> None:
    refused = set(activations.NAMES) - set(tflite.RUNS)
    assert refused == {"mish", "selu"}


@pytest.mark.parametrize("activation", ["mish", "selu"])
def test_it_refuses_an_activation_without_operator(activation: str) -> None:
    model = graph.swap(small_nets.two_convolutions(), {"act1": activation})
    with pytest.raises(Unsupported, match=rf"'{activation}' \(site act1\).*relu, relu6"):
        tflite.convert(model, lowering="tflite")


def test_fixed_ranges_say_that_they_are_not_calibrated() -> None:
    converted = tflite.convert(small_nets.two_convolutions(), lowering="tflite")
    assert not converted.calibrated
    (output,) = _run_tflite(converted.content, _float(_images(small_nets.two_convolutions())))
    assert output.shape == (1, 6, 16, 16)


def _names(interpreter: Any) -> list[str]:
    return [operator["op_name"] for operator in interpreter._get_ops_details()]


def test_silu_as_table_is_one_operator_less() -> None:
    model = small_nets.two_convolutions()
    names = {}
    for lowering in ("tflite", "table"):
        content = tflite.convert(model, lowering=lowering).content  # type: ignore[arg-type]
        interpreter = Interpreter(model_content=content)
        names[lowering] = _names(interpreter)
    assert names["tflite"].count("LOGISTIC") == names["tflite"].count("MUL") == 2
    assert "LOGISTIC" not in names["table"]
    assert names["table"].count("HARD_SWISH") == 2


def test_relu_is_fused_only_where_no_other_layer_reads_the_convolution() -> None:
    net = Net(1, 3, 16, 16)
    x = net.conv("conv0", "images", (3, 4))
    (y,) = net.op("Relu", "act0", x)
    (z,) = net.op("Add", "add", x, y)
    model = net.model(net.conv("conv1", z, (4, 4)))
    images = _images(model)
    image = _float(images)
    converted = tflite.convert(model, lowering="tflite", images=images)
    (got,) = _run_tflite(converted.content, image)
    wanted = _run_onnx(model, ["conv1"], image)["conv1"]
    assert np.corrcoef(got.ravel(), wanted.ravel())[0, 1] > 0.999


def test_chunk_written_as_slices_computes_the_same() -> None:
    model = small_nets.chunk_as_slices()
    images = _images(model)
    image = _float(images)
    converted = tflite.convert(model, lowering="tflite", images=images)
    assert converted.network.host == ()
    (got,) = _run_tflite(converted.content, image)
    wanted = _run_onnx(model, ["last"], image)["last"]
    assert np.corrcoef(got.ravel(), wanted.ravel())[0, 1] > 0.99


def test_the_host_takes_over_behind_the_last_convolution_of_each_branch() -> None:
    net = Net(1, 3, 32, 32)
    x = net.silu("act0", net.conv("conv0", "images", (3, 8), stride=2))
    boxes = net.conv("boxes", x, (8, 16), kernel=1)
    classes = net.conv("classes", x, (8, 5), kernel=1)
    flat = net.constant("flat", np.array([1, 4, 4, -1], np.int64))
    (b,) = net.op("Reshape", "decode", boxes, flat)
    (b,) = net.op("Transpose", "transpose", b, perm=[0, 2, 1, 3])
    (b,) = net.op("Softmax", "softmax", b, axis=1)
    integral = net.constant("integral", np.arange(4, dtype=np.float32).reshape(1, 4, 1, 1))
    (b,) = net.op("Conv", "dfl", b, integral)
    (c,) = net.op("Sigmoid", "scores", classes)
    network = tflite.read(net.model(b, c))
    assert network.outputs == ("boxes", "classes")
    assert network.host == ("decode", "transpose", "softmax", "dfl", "scores")
    assert network.owners() == {"conv0": "act0", "act0": "act0"}


def test_it_names_the_operator_that_stands_before_a_convolution() -> None:
    net = Net(1, 3, 16, 16)
    x = net.conv("conv0", "images", (3, 4))
    (x,) = net.op("ReduceMean", "odd/mean", x, axes=[1])
    model = net.model(net.conv("conv1", x, (1, 4), kernel=1))
    with pytest.raises(Unsupported, match=r"operator ReduceMean \(node odd/mean\)"):
        tflite.convert(model, lowering="tflite")


def test_it_names_the_form_of_an_operator_that_it_cannot_place() -> None:
    net = Net(1, 8, 16, 16)
    x = net.conv("conv0", "images", (8, 8))
    (x,) = net.op("Div", "quotient", x, net.silu("gate", x))
    model = net.model(net.conv("conv1", x, (8, 8)))
    with pytest.raises(Unsupported, match=r"Div \(node quotient\).*divisor is not a constant"):
        tflite.convert(model, lowering="tflite")


def test_attention_needs_no_more_than_its_products_and_turned_heads() -> None:
    model = small_nets.attention()
    names = _names(Interpreter(model_content=tflite.convert_whole(model, images=None)))
    assert names.count("BATCH_MATMUL") == 2
    # Queries, keys and values of two heads lie side by side, and so must the result.
    assert names.count("TRANSPOSE") == 4 + 1  # and the graph's output, back to channels first


@pytest.mark.parametrize("net", [small_nets.attention, small_nets.grouped, small_nets.resized])
def test_int8_attention_groups_and_resizing_compute_what_onnx_does(net: Any) -> None:
    model = net()
    rng = np.random.default_rng(1)
    images = rng.integers(0, 256, (8, *_shape(model)[1:]), np.uint8)
    converted = tflite.convert(model, lowering="tflite", images=images)
    assert converted.network.host == ()
    image = _float(images[:1])
    (got,) = _run_tflite(converted.content, image)
    wanted = _run_onnx(model, ["last"], image)["last"]
    assert np.corrcoef(got.ravel(), wanted.ravel())[0, 1] > 0.99


@pytest.mark.parametrize("activation", activations.NAMES)
def test_fp32_computes_what_onnx_does(activation: str) -> None:
    nets = (small_nets.every_layer, small_nets.grouped, small_nets.resized)
    for model in (*(net(activation) for net in nets), small_nets.attention()):
        interpreter = Interpreter(model_content=tflite.convert_whole(model, images=None))
        interpreter.allocate_tensors()
        image = np.random.default_rng(2).random(_shape(model), np.float32)
        interpreter.set_tensor(
            interpreter.get_input_details()[0]["index"],
            np.ascontiguousarray(image.transpose(0, 2, 3, 1)),
        )
        interpreter.invoke()
        got = interpreter.get_tensor(interpreter.get_output_details()[0]["index"])
        np.testing.assert_allclose(got, _run_onnx(model, ["last"], image)["last"], atol=1e-4)


def test_a_whole_file_names_the_operator_that_it_cannot_write() -> None:
    net = Net(1, 3, 16, 16)
    (x,) = net.op("ReduceMean", "mean", net.conv("conv0", "images", (3, 4)))
    with pytest.raises(Unsupported, match=r"TFLite: operator ReduceMean \(node mean\)"):
        tflite.convert_whole(net.model(x), images=None)


@pytest.mark.parametrize(
    ("kind", "attributes", "reason"),
    [
        ("AveragePool", {"count_include_pad": 1, "pads": [1] * 4}, "counts its padding in"),
        ("AveragePool", {"pads": [0, 0, 1, 1], "kernel_shape": [2, 2]}, "differ from side to side"),
        ("ConvTranspose", {"pads": [1] * 4}, "pads of a transposed convolution"),
        ("ConvTranspose", {"output_padding": [1, 1], "strides": [2, 2]}, "size of its output"),
    ],
)
def test_a_form_that_tflite_would_compute_otherwise_is_refused(
    kind: str, attributes: dict[str, Any], reason: str
) -> None:
    net = Net(1, 4, 16, 16)
    weights = [net.constant("weights", np.ones((4, 4, 3, 3), np.float32))]
    given = {"kernel_shape": [3, 3], "strides": [1, 1], **attributes}
    (x,) = net.op(kind, "odd", "images", *(weights if kind == "ConvTranspose" else []), **given)
    with pytest.raises(Unsupported, match=rf"{kind} \(node odd\).*{reason}"):
        tflite.convert(net.model(net.conv("last", x, (4, 4))), lowering="tflite")


def test_a_bias_beside_next_to_nothing_is_kept() -> None:
    """A layer that sees values of 1e-9 would need steps in which its bias overflows int32."""
    net = Net(1, 3, 16, 16)
    x = net.conv("conv0", "images", (3, 4))
    (x,) = net.op("Mul", "faint", x, net.constant("tiny", np.array(1e-9, np.float32)))
    model = net.model(net.conv("last", x, (4, 5), kernel=1))
    images = _images(model)
    (got,) = _run_tflite(
        tflite.convert(model, lowering="tflite", images=images).content, _float(images)
    )
    wanted = _run_onnx(model, ["last"], _float(images))["last"]
    np.testing.assert_allclose(got, wanted, atol=0.01 * np.abs(wanted).max())


def test_a_convolution_of_a_batch_is_refused() -> None:
    net = Net(1, 4, 16, 16)
    sizes = net.constant("sizes", np.array([4, 4, 8, 8], np.int64))
    (x,) = net.op("Reshape", "parts", net.conv("conv0", "images", (4, 4)), sizes)
    with pytest.raises(Unsupported, match=r"Conv \(node last\).*a batch of 4"):
        tflite.convert(net.model(net.conv("last", x, (4, 4))), lowering="tflite")


def test_it_refuses_an_image_of_open_size() -> None:
    model = small_nets.two_convolutions()
    model.graph.input[0].type.tensor_type.shape.dim[2].dim_param = "height"
    with pytest.raises(BadRequest, match=r"'images' is \[1, 3, height, 32\]"):
        tflite.convert(model, lowering="tflite")


def test_it_refuses_two_images() -> None:
    model = small_nets.two_convolutions()
    model.graph.input.append(onnx.helper.make_tensor_value_info("other", 1, [1, 3, 32, 32]))
    with pytest.raises(BadRequest, match="has 2 inputs"):
        tflite.convert(model, lowering="tflite")


def test_the_table_rewrite_is_what_the_table_lowering_writes() -> None:
    model = small_nets.every_layer()
    chain = tflite.convert(model, lowering="tflite").content
    rewritten = Interpreter(model_content=tflite.silu_as_table(chain))
    written = Interpreter(model_content=tflite.convert(model, lowering="table").content)
    assert _names(rewritten) == _names(written)


def test_a_file_without_silu_is_not_rewritten() -> None:
    content = tflite.convert(small_nets.every_layer("hardswish"), lowering="tflite").content
    assert tflite.silu_as_table(content) is content


def test_the_table_lowering_never_counts_as_calibrated() -> None:
    model = small_nets.two_convolutions()
    assert not tflite.convert(model, lowering="table", images=_images(model)).calibrated
    relu = small_nets.two_convolutions("relu")
    assert tflite.convert(relu, lowering="table", images=_images(relu)).calibrated


@pytest.mark.parametrize(
    ("images", "what"),
    [
        (np.zeros((0, 3, 32, 32), np.uint8), r"uint8 \[0, 3, 32, 32\]"),
        (np.zeros((2, 3, 16, 32), np.uint8), r"needs uint8 \[n, 3, 32, 32\]"),
        (np.zeros((2, 3, 32, 32), np.float32), "are float32"),
    ],
)
def test_it_refuses_images_that_do_not_fit(images: NDArray[Any], what: str) -> None:
    with pytest.raises(BadRequest, match=what):
        tflite.convert(small_nets.two_convolutions(), lowering="tflite", images=images)
