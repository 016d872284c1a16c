"""The client, and what a server must survive, against a stand-in for TensorFlow Serving."""

from __future__ import annotations

import concurrent.futures
import contextlib
import http.server
import io
import json
import pathlib
import subprocess
import sys
import threading
import time

import grpc
import numpy as np
import ovmsclient
import pytest
import yaml
from PIL import Image
from tensorflow.core.framework import tensor_pb2
from tensorflow.core.protobuf import meta_graph_pb2
from tensorflow_serving.apis import get_model_metadata_pb2, get_model_status_pb2, predict_pb2

from drgn_tf.brightness import expose
from drgn_tf.exports.saved_model import ServingOptions, export_saved_model
from drgn_tf.inference import Enhancer, Tiling
from drgn_tf.inference.loading import load_keras
from drgn_tf.serving import Client, Retries, ServerDriver, ServerError, messages
from drgn_tf.serving.rpc import GrpcTransport
from tests.stand_in import Failure, StandIn

KIT = pathlib.Path(__file__).parents[2] / "examples" / "serving"
KINDS = ("grpc", "http")
# Two ways to compute one photo may round to neighbouring levels.
LEVEL = 1
# Without waiting.
QUICK = Retries(attempts=3, first=0.0)


@pytest.fixture(scope="module")
def driver(tiny_file):
    return load_keras(tiny_file)


@pytest.fixture(scope="module")
def served(driver, tmp_path_factory):
    path = tmp_path_factory.mktemp("served") / "1"
    options = ServingOptions(max_megapixels=13, upright=True)
    export_saved_model(driver.model, path, name="drgn", warmup_photos=[], options=options)
    with StandIn(path) as stand_in:
        yield stand_in


@pytest.fixture
def server(served):
    served.reset()
    return served


@pytest.fixture(params=KINDS)
def kind(request):
    return request.param


@pytest.fixture
def client(server, kind):
    with client_of(server, kind) as client:
        yield client


def client_of(server: StandIn, kind: str, **options) -> Client:
    address = server.rest if kind == "http" else server.grpc
    return Client(f"{kind}://{address}", **{"retries": QUICK, "timeout": 30.0, **options})


def file_of(pixels: np.ndarray, kind: str = "PNG", **options) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, kind, **options)
    return buffer.getvalue()


def pixels_of(file: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(file)))


def furthest(image: np.ndarray, other: np.ndarray) -> int:
    return int(np.abs(image.astype(int) - other).max())


def test_photos_come_back_as_the_network_makes_them(client, driver, dark):
    photos = [dark[:60, :80], dark[100:137, :53]]
    results = client.enhance([file_of(photo) for photo in photos])
    for photo, result in zip(photos, results, strict=True):
        assert furthest(pixels_of(result.file), Enhancer(driver)(photo)) <= LEVEL
        assert result.brightness is None


def test_a_slider_is_told_what_is_automatic_and_moves_from_there(client, driver, server, dark):
    photo = dark[:60, :80]
    proposed = Enhancer(driver).predicted_brightness(photo)
    (automatic,) = client.enhance([file_of(photo)], brightness=0.0)
    assert automatic.brightness == pytest.approx(proposed, abs=1e-5)
    (moved,) = client.enhance([file_of(photo)], exposure=0.5, brightness=automatic.brightness)
    assert server.requests == ["image_bytes_with_brightness"] * 2
    (brighter,) = client.enhance([file_of(photo)], exposure=0.5)
    assert brighter.brightness == pytest.approx(expose(proposed, 0.5), abs=1e-5)
    assert brighter.file == moved.file
    expected = Enhancer(driver)(photo, exposure=0.5)
    assert furthest(pixels_of(brighter.file), expected) <= LEVEL
    (told,) = client.enhance([file_of(photo)], brightness=0.6)
    expected = Enhancer(driver)(photo, brightness=0.6)
    assert furthest(pixels_of(told.file), expected) <= LEVEL


def test_large_photos_go_in_tiles(client, driver, server, dark):
    photo, tiling = dark[:150, :200], Tiling(tile=100, margin=16, feather=8)
    result = Enhancer(ServerDriver(client), tiling)(photo, exposure=-0.5)
    assert furthest(result, Enhancer(driver, tiling)(photo, exposure=-0.5)) <= LEVEL
    # One asks for the brightness.
    assert server.requests == ["float_tiled_with_brightness"] * 7


def test_a_damaged_file_is_named_and_the_server_goes_on(client, dark):
    good = file_of(dark[:40, :50])
    cut = good[: len(good) // 2]
    for bad in (b"no photo", cut):
        with pytest.raises(ServerError, match=r"/drgn: File 2 of 3 (is no JPEG|cannot be)") as said:
            client.enhance([good, bad, good])
        assert said.value.code == "INVALID_ARGUMENT" and "\n" not in str(said.value)
    with pytest.raises(ServerError, match="File 1 of 1 cannot be decoded"):
        client.enhance([cut])
    assert len(client.enhance([good])) == 1


def test_a_decompression_bomb_is_refused_before_it_is_decoded(client, dark):
    bomb = bytearray(file_of(dark[:8, :8]))
    bomb[16:24] = (16000).to_bytes(4, "big") * 2
    said = "File 2 of 2 has 16000x16000 pixels, and at most 13000000 are taken"
    with pytest.raises(ServerError, match=said):
        client.enhance([file_of(dark[:8, :8]), bytes(bomb)])


@pytest.mark.long
def test_12_megapixels(server, dark):
    smooth = Image.fromarray(dark).resize((4000, 3000), Image.Resampling.BILINEAR)
    file = file_of(np.asarray(smooth), "JPEG", quality=90)
    with client_of(server, "grpc", timeout=120.0) as client:
        (result,) = client.enhance([file])
    with Image.open(io.BytesIO(result.file)) as image:
        assert image.size == (4000, 3000)
        # All of it is there.
        assert np.asarray(image.reduce(100)).min() > 0


def test_photos_are_turned_upright(client, driver, dark):
    exif = Image.Exif()
    exif[0x0112] = 6
    file = file_of(dark[:40, :60], "JPEG", exif=exif.tobytes())
    (result,) = client.enhance([file])
    expected = Enhancer(driver)(np.rot90(pixels_of(file), -1))
    assert furthest(pixels_of(result.file), expected) <= LEVEL


def test_50_clients_at_once(server, dark):
    files = [file_of(dark[i : i + 20, i : i + 30]) for i in range(5)]
    with client_of(server, "grpc") as client:
        expected = [client.enhance([file])[0] for file in files]
    ready = threading.Barrier(50)

    def ask(number: int) -> bool:
        with client_of(server, KINDS[number % 2]) as client:
            ready.wait()
            results = [client.enhance([files[(number + i) % 5]])[0] for i in range(2)]
        return results == [expected[(number + i) % 5] for i in range(2)]

    with concurrent.futures.ThreadPoolExecutor(50) as pool:
        assert all(pool.map(ask, range(50)))


def test_what_failed_for_the_moment_is_repeated(client, server, dark):
    server.failures = [Failure("UNAVAILABLE", "The batch scheduling queue is full")] * 2
    assert client.enhance([file_of(dark[:8, :8])])
    assert not server.failures
    server.failures = [Failure("UNAVAILABLE", "The batch scheduling queue is full")] * 3
    with pytest.raises(ServerError, match="queue is full") as said:
        client.enhance([file_of(dark[:8, :8])])
    assert (said.value.code, said.value.retryable) == ("UNAVAILABLE", True)
    assert not server.failures


@pytest.mark.parametrize("code", ["INVALID_ARGUMENT", "INTERNAL", "DEADLINE_EXCEEDED"])
def test_what_will_not_get_better_is_not_repeated(client, server, code):
    server.failures = [Failure(code, "for good")] * 2
    with pytest.raises(ServerError):
        client.input_shapes()
    assert len(server.failures) == 1


def test_waits_grow_to_a_limit_and_are_random():
    retries = Retries(first=0.1, longest=1.0)
    for attempt, longest in enumerate([0.1, 0.2, 0.4, 0.8, 1.0, 1.0]):
        waits = [retries.wait(attempt) for _ in range(200)]
        # By chance less than one in 10^25.
        assert 0.0 <= min(waits) < 0.25 * longest and 0.75 * longest < max(waits) <= longest


def test_a_slow_server_ends_the_call_in_time(server, kind, dark):
    server.delay = 2.0
    with client_of(server, kind, timeout=0.2) as client:
        with pytest.raises(ServerError, match=r"no answer within 0\.2 seconds") as said:
            client.enhance([file_of(dark[:8, :8])])
        assert said.value.code == "DEADLINE_EXCEEDED" and not said.value.retryable


def test_no_server_is_one_line(kind):
    with Client(f"{kind}://localhost:1", retries=QUICK) as client:
        with pytest.raises(ServerError) as said:
            client.states()
        assert said.value.code == "UNAVAILABLE" and "\n" not in str(said.value)
        with pytest.raises(ServerError, match="localhost:1/drgn: not available after 0 seconds"):
            client.wait_until_available(0)


@pytest.mark.parametrize("address", ["localhost:8500", "ftp://localhost", "grpc:localhost", ""])
def test_what_is_no_address_is_one_line(address):
    with pytest.raises(ServerError, match="is no address of a server; give one like grpc://"):
        Client(address)


def test_a_page_of_something_else_is_one_line(server, monkeypatch):
    monkeypatch.setattr("tests.stand_in._as_json", lambda _: {"page": 1})
    with client_of(server, "http") as client, pytest.raises(ServerError, match="not as a model"):
        client.states()


def test_a_reply_without_what_was_asked_for_is_one_line(client, server, monkeypatch, dark):
    other = {name: np.zeros(1, np.float32) for name in ("depth", "mask")}
    monkeypatch.setattr(server, "predict", lambda *_: other)
    with pytest.raises(ServerError, match="not as a model server does") as said:
        client.enhance([file_of(dark[:8, :8])])
    assert said.value.code == "UNKNOWN" and not said.value.retryable


@pytest.mark.parametrize(("parts", "code"), [(100, "DEADLINE_EXCEEDED"), (1, "UNAVAILABLE")])
def test_replies_that_drip_or_end_early(parts, code):
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.send_header("Content-Length", "100")
            self.end_headers()
            # Until the client has gone.
            with contextlib.suppress(OSError):
                for _ in range(parts):
                    self.wfile.write(b" ")
                    time.sleep(0.02)

        def log_message(self, *_):
            pass

    with http.server.ThreadingHTTPServer(("localhost", 0), Handler) as dripping:
        threading.Thread(target=dripping.serve_forever, args=(0.05,), daemon=True).start()
        address = f"http://localhost:{dripping.server_port}"
        client = Client(address, retries=QUICK, timeout=0.2)
        with client, pytest.raises(ServerError) as said:
            client.states()
        dripping.shutdown()
    assert said.value.code == code


def test_grpc_takes_each_address_in_turn():
    def server_of(version: int) -> grpc.Server:
        reply = get_model_status_pb2.GetModelStatusResponse()
        reply.model_version_status.add(version=version, state="AVAILABLE")
        method = grpc.unary_unary_rpc_method_handler(lambda *_: reply.SerializeToString())
        name = "tensorflow.serving.ModelService"
        server = grpc.server(concurrent.futures.ThreadPoolExecutor(1))
        handler = grpc.method_handlers_generic_handler(name, {"GetModelStatus": method})
        server.add_generic_rpc_handlers([handler])
        ports.append(server.add_insecure_port("127.0.0.1:0"))
        server.start()
        return server

    ports: list[int] = []
    servers = [server_of(version) for version in (1, 2)]
    address = "ipv4:" + ",".join(f"127.0.0.1:{port}" for port in ports)
    transport = GrpcTransport(address, False, "drgn", None, {}, 2**20)
    # At first there may be one connection only.
    seen: list[int] = []
    while len(set(seen)) < 2 and len(seen) < 20000:
        seen += transport.states(5.0)
    seen = [version for _ in range(4) for version in transport.states(5.0)]
    assert seen in ([1, 2, 1, 2], [2, 1, 2, 1])
    transport.close()
    for server in servers:
        server.stop(None)


def test_a_client_waits_for_the_model(client, server):
    server.state = "LOADING"
    timer = threading.Timer(0.3, lambda: setattr(server, "state", "AVAILABLE"))
    timer.start()
    client.wait_until_available(20)
    timer.join()
    assert client.states() == {1: "AVAILABLE"}
    server.state = "LOADING"
    with pytest.raises(ServerError, match="version 1 is LOADING"):
        client.wait_until_available(0)


def test_versions_labels_and_headers(server, kind):
    for version in (1, "stable"):
        with client_of(server, kind, version=version, headers={"Key": "secret"}) as client:
            assert client.input_shapes()["image_bytes"] == {"image_bytes": [-1]}
        assert server.headers["key"] == "secret"
    for wrong in ({"version": 7}, {"version": "none"}, {"model": "other"}):
        with client_of(server, kind, **wrong) as client, pytest.raises(ServerError) as said:
            client.input_shapes()
        assert said.value.code == "NOT_FOUND"


def test_replies_longer_than_the_client_takes_are_refused(server, dark):
    files = [file_of(dark[:8, :8]), file_of(dark[:100, :100])]
    refused = pytest.raises(ServerError, match="larger than max")
    with client_of(server, "grpc", largest_message=1000) as client, refused as said:
        client.enhance(files)
    assert said.value.code == "RESOURCE_EXHAUSTED" and not said.value.retryable


def test_another_model_is_one_line(client, server, monkeypatch):
    monkeypatch.setattr(server, "signatures", {})
    with pytest.raises(ServerError, match="serve a model that drgn-export made"):
        ServerDriver(client)


def test_the_client_needs_no_tensorflow(server, dark):
    code = (
        "import sys\n"
        "from drgn_tf.inference import Enhancer\n"
        "from drgn_tf.serving import Client, ServerDriver\n"
        "import numpy as np\n"
        "for address in sys.argv[1:]:\n"
        "    with Client(address) as client:\n"
        "        driver = ServerDriver(client)\n"
        "        Enhancer(driver, client.tiling)(np.zeros((8, 9, 3), np.uint8))\n"
        "    assert address[0] == 'g' or 'grpc' not in sys.modules\n"
        "print(sorted({'tensorflow', 'keras', 'tensorflow_serving'} & set(sys.modules)))\n"
    )
    addresses = [f"http://{server.rest}", f"grpc://{server.grpc}"]
    command = [sys.executable, "-c", code, *addresses]
    process = subprocess.run(command, check=True, capture_output=True, text=True)
    assert process.stdout == "[]\n"


# Ours -> theirs, whose package was made from TF Serving's own declarations.
THEIRS = {
    "PredictRequest": predict_pb2.PredictRequest,
    "PredictResponse": predict_pb2.PredictResponse,
    "StatusRequest": get_model_status_pb2.GetModelStatusRequest,
    "StatusResponse": get_model_status_pb2.GetModelStatusResponse,
    "MetadataRequest": get_model_metadata_pb2.GetModelMetadataRequest,
    "MetadataResponse": get_model_metadata_pb2.GetModelMetadataResponse,
    "Signatures": get_model_metadata_pb2.SignatureDefMap,
    "Tensor": tensor_pb2.TensorProto,
    "Signature": meta_graph_pb2.SignatureDef,
}


@pytest.mark.parametrize("name", THEIRS)
def test_messages_have_the_fields_of_tensorflow_servings(name):
    def compare(ours, theirs):
        for field in ours.fields:
            other = theirs.fields_by_number[field.number]
            assert other.name == field.name
            # Packed floats are bytes on the wire.
            assert other.is_repeated == field.is_repeated or field.name == "float_val"
            if field.message_type is not None:
                compare(field.message_type, other.message_type)

    compare(messages.CLASSES[name].DESCRIPTOR, THEIRS[name].DESCRIPTOR)


def test_tensors_of_any_form_are_read():
    def read(**fields):
        proto = tensor_pb2.TensorProto(**fields)
        for side in (2, 3):
            proto.tensor_shape.dim.add(size=side)
        tensor = messages.CLASSES["Tensor"].FromString(proto.SerializeToString())
        return messages.to_array(tensor)

    floats = np.float32([[0, 0.5, 1], [0.25, 0.125, 2]])
    assert np.array_equal(read(dtype=1, float_val=floats.ravel()), floats)
    assert np.array_equal(read(dtype=1, tensor_content=floats.tobytes()), floats)
    assert np.array_equal(read(dtype=1, float_val=[3.0]), np.full((2, 3), 3.0))
    assert np.array_equal(read(dtype=4, int_val=range(250, 256)).ravel(), range(250, 256))
    files = [b"\0", b"", b"a\0", b"b", b"c", b"d"]
    assert read(dtype=7, string_val=files).ravel().tolist() == files
    with pytest.raises(ValueError, match="reshape"):
        read(dtype=1, tensor_content=b"\0" * 28)
    with pytest.raises(ValueError, match="type 2"):
        read(dtype=2)


def test_a_client_of_others(server, driver, dark):
    """ovmsclient, made for OpenVINO's server, which speaks TF Serving's interface too."""
    photos = np.stack([dark[:30, :40], dark[50:80, :40]])
    expected = [Enhancer(driver)(photo) for photo in photos]
    for make, address in (
        (ovmsclient.make_grpc_client, server.grpc),
        (ovmsclient.make_http_client, server.rest),
    ):
        theirs = make(address)
        assert theirs.get_model_status("drgn")[1]["state"] == "AVAILABLE"
        if address == server.grpc:
            # By REST it expects other names than TF Serving's there.
            image = theirs.get_model_metadata("drgn")["inputs"]["image"]
            assert image == {"shape": [-1, -1, -1, 3], "dtype": "DT_UINT8"}
        result = theirs.predict({"image": photos}, "drgn")
        result = result["enhanced"] if isinstance(result, dict) else result
        assert furthest(np.asarray(result), np.stack(expected)) <= LEVEL
        with pytest.raises(ovmsclient.ModelNotFoundError):
            theirs.predict({"image": photos}, "other")


def run(program: str, *arguments: object) -> subprocess.CompletedProcess:
    command = [sys.executable, KIT / program, *arguments]
    return subprocess.run([*map(str, command)], capture_output=True, text=True, check=False)


def test_the_example_sends_files_and_tiles(server, driver, dark, tmp_path):
    exif = Image.Exif()
    exif[0x010F] = "Maker"
    photo, out = tmp_path / "dark.jpg", tmp_path / "out"
    photo.write_bytes(file_of(dark[:40, :50], "JPEG", exif=exif.tobytes()))
    command = ["client.py", f"--server=grpc://{server.grpc}", f"--output_dir={out}", photo]
    done = run(*command, "--exposure=0.5")
    assert (done.returncode, done.stderr) == (0, "")
    expected = Enhancer(driver)(pixels_of(photo.read_bytes()), exposure=0.5)
    assert furthest(pixels_of((out / "dark.png").read_bytes()), expected) <= LEVEL
    again = run(*command)
    assert again.returncode == 1 and "dark.png exists; give --overwrite" in again.stderr
    assert run(*command, "--tiles").returncode == 0
    assert server.requests[-1] == "float_tiled_with_brightness"
    with Image.open(out / "dark.jpg") as image:
        assert image.getexif()[0x010F] == "Maker"
    photo.write_bytes(photo.read_bytes()[:500])
    damaged = run(*command, "--overwrite")
    assert damaged.returncode == 1 and damaged.stderr.count("\n") == 1
    assert f"error: {photo}: " in damaged.stderr


def test_the_load_test_counts_answers_and_errors(server, dark, tmp_path):
    photo, report = tmp_path / "dark.png", tmp_path / "load.json"
    photo.write_bytes(file_of(dark[:20, :30]))
    # The first request only sees whether there is a server.
    server.refused_every = 3
    command = ["load_test.py", f"--photo={photo}", "--clients=3", "--seconds=0.5"]
    done = run(*command, f"--server=http://{server.rest}", f"--json={report}")
    assert done.returncode == 0, done.stderr
    result = json.loads(report.read_text())
    assert result["requests"] > 0 and result["errors"] == {"UNAVAILABLE": server.refused}
    assert result["requests"] + 1 == len(server.requests)
    times = [result[f"{name} ms"] for name in ("p50", "p95", "p99", "longest")]
    assert times == sorted(times) and times[0] > 0
    assert result["requests per second"] == pytest.approx(
        result["requests"] / result["seconds"], rel=1e-2
    )
    unreachable = run(*command, "--server=http://localhost:1")
    assert unreachable.returncode == 1 and "cannot be reached" in unreachable.stderr


@pytest.mark.parametrize("name", ["compose.yaml", "kubernetes.yaml"])
def test_probes_see_whether_the_model_is_available(server, name):
    content = [*yaml.safe_load_all((KIT / name).read_text())][-1]
    if name == "compose.yaml":
        command = content["services"]["serving"]["healthcheck"]["test"][1:]
    else:
        (container,) = content["spec"]["template"]["spec"]["containers"]
        command = container["readinessProbe"]["exec"]["command"]
    port = server.rest.rpartition(":")[2]
    command = [part.replace("/8501 ", f"/{port} ") for part in command]
    for state, code in (("AVAILABLE", 0), ("LOADING", 1)):
        server.state = state
        assert subprocess.run(command, check=False).returncode == code
