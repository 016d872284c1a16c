"""The files of examples/serving agree with what is exported and with each other."""

from __future__ import annotations

import pathlib
import re

import pytest
import yaml
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory, text_format
from tensorflow_serving.config import model_server_config_pb2

from drgn_tf.exports import pipeline
from drgn_tf.models import DRGN, preset

ROOT = pathlib.Path(__file__).parents[2]
KIT = ROOT / "examples" / "serving"
DOCS = ROOT / "docs" / "serving.md"
# TF Serving's, in its image.
GRPC, REST = 8500, 8501


def yamls(name: str) -> list[dict]:
    return list(yaml.safe_load_all((KIT / name).read_text()))


@pytest.fixture(scope="module")
def compose():
    (content,) = yamls("compose.yaml")
    return content["services"]


@pytest.fixture(scope="module")
def cluster():
    return {part["kind"]: part for part in yamls("kubernetes.yaml")}


@pytest.fixture(scope="module")
def pod(cluster):
    return cluster["Deployment"]["spec"]["template"]["spec"]


def models(text: str) -> list:
    config = text_format.Parse(text, model_server_config_pb2.ModelServerConfig())
    return list(config.model_config_list.config)


# Fields that the files may have, of messages that are not in tensorflow-serving-api: those of TF
# Serving's monitoring_config.proto and session_bundle_config.proto.
OTHERS = {
    "PrometheusConfig": {"enable": "bool", "path": "string"},
    "MonitoringConfig": {"prometheus_config": "PrometheusConfig"},
    "Int64Value": {"value": "int64"},
    "BatchingParameters": {
        "max_batch_size": "Int64Value", "batch_timeout_micros": "Int64Value",
        "max_enqueued_batches": "Int64Value", "num_batch_threads": "Int64Value",
        "pad_variable_length_inputs": "bool",
    },
}  # fmt: skip


def parsed(text: str, name: str):
    file = descriptor_pb2.FileDescriptorProto(name="kit.proto", package="kit", syntax="proto3")
    for message, fields in OTHERS.items():
        declared = file.message_type.add(name=message)
        for number, (field, kind) in enumerate(fields.items(), 1):
            added = declared.field.add(name=field, number=number, label="LABEL_OPTIONAL")
            if kind in OTHERS:
                added.type, added.type_name = added.TYPE_MESSAGE, f".kit.{kind}"
            else:
                added.type = f"TYPE_{kind.upper()}"
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    kind = message_factory.GetMessageClass(pool.FindMessageTypeByName(f"kit.{name}"))
    return text_format.Parse(text, kind())


def metrics_path(text: str) -> str:
    config = parsed(text, "MonitoringConfig").prometheus_config
    assert config.enable
    return config.path


def test_images_are_pinned_and_no_older_than_what_exports(compose, pod):
    (container,) = pod["containers"]
    images = [service["image"] for service in compose.values()] + [container["image"]]
    for image in images:
        assert re.fullmatch(r"[a-z/]+:v?\d+\.\d+\.\d+", image)
    assert container["image"] == compose["serving"]["image"]
    served = tuple(map(int, container["image"].partition(":")[2].split(".")))
    project = (ROOT / "pyproject.toml").read_text()
    newest = re.search(r'"tensorflow>=[\d.]+,<(\d+)\.(\d+)"', project).groups()
    assert served[:2] == (int(newest[0]), int(newest[1]) - 1)


def test_compose_mounts_what_the_export_writes(compose):
    serving = compose["serving"]
    mounts = dict(entry.removesuffix(":ro").rsplit(":", 1) for entry in serving["volumes"])
    (model,) = models((KIT / "model_config.txt").read_text())
    source = next(key for key, target in mounts.items() if target == model.base_path)
    default = re.fullmatch(r"\$\{MODEL:-(.*)\}", source)[1]
    assert (KIT / default).resolve() == ROOT / "exported" / "saved_model"
    for key, target in mounts.items():
        if key != source:
            assert (KIT / key).is_file() and target == f"/config/{pathlib.Path(key).name}"
    targets = set(mounts.values())
    for argument in serving["command"]:
        name, _, value = argument.partition("=")
        assert value in targets if name.endswith("_file") else value.isdecimal()
    collected = compose["prometheus"]["volumes"]
    assert collected == ["./prometheus.yaml:/etc/prometheus/prometheus.yml:ro"]


def test_the_export_writes_what_is_mounted():
    options = pipeline.ExportOptions(name="mobile", formats=("saved_model",))
    (artefact,) = pipeline.plan(DRGN(preset("tiny")), options, [])
    assert str(artefact.path) == "saved_model/1"
    (command,) = re.findall(r"^# +drgn-export (.*)$", (KIT / "compose.yaml").read_text(), re.M)
    assert {"--output_dir=exported", "--formats=saved_model"} <= set(command.split())


def test_the_model_has_one_name(compose, cluster):
    (model,) = models((KIT / "model_config.txt").read_text())
    (in_cluster,) = models(cluster["ConfigMap"]["data"]["model_config.txt"])
    assert model == in_cluster
    assert (model.name, model.base_path) == ("drgn", "/models/drgn")
    probes = [compose["serving"]["healthcheck"]["test"][-1], shell(cluster)]
    for probe in probes:
        assert f"GET /v1/models/{model.name} HTTP" in probe and f"localhost/{REST} " in probe
    for program in ("client.py", "load_test.py"):
        text = (KIT / program).read_text()
        assert f'"--model", default="{model.name}"' in text
        assert f'"--server", default="grpc://localhost:{GRPC}"' in text


def shell(cluster) -> str:
    (container,) = cluster["Deployment"]["spec"]["template"]["spec"]["containers"]
    return container["readinessProbe"]["exec"]["command"][-1]


def test_metrics_are_collected_where_they_are_shown(compose, cluster):
    path = metrics_path((KIT / "monitoring_config.txt").read_text())
    assert metrics_path(cluster["ConfigMap"]["data"]["monitoring_config.txt"]) == path
    (prometheus,) = yamls("prometheus.yaml")
    (job,) = prometheus["scrape_configs"]
    assert job["metrics_path"] == path
    assert job["static_configs"] == [{"targets": [f"serving:{REST}"]}]
    annotations = cluster["Deployment"]["spec"]["template"]["metadata"]["annotations"]
    assert annotations["prometheus.io/path"] == path
    assert annotations["prometheus.io/port"] == str(REST)


def test_ports_lead_to_the_server(compose, cluster, pod):
    published = {entry.rsplit(":", 1)[1] for entry in compose["serving"]["ports"]}
    assert published == {str(GRPC), str(REST)}
    (container,) = pod["containers"]
    ports = {port["name"]: port["containerPort"] for port in container["ports"]}
    assert ports == {"grpc": GRPC, "rest": REST}
    service = cluster["Service"]["spec"]
    assert {port["name"]: port["port"] for port in service["ports"]} == ports
    for probe in ("startupProbe", "livenessProbe"):
        assert container[probe]["tcpSocket"]["port"] in ports


def test_the_pod_mounts_what_its_arguments_name(cluster, pod):
    (container,) = pod["containers"]
    volumes = {volume["name"]: volume for volume in pod["volumes"]}
    mounts = {mount["mountPath"]: volumes[mount["name"]] for mount in container["volumeMounts"]}
    config = cluster["ConfigMap"]
    assert mounts["/config"]["configMap"]["name"] == config["metadata"]["name"]
    assert "persistentVolumeClaim" in mounts["/models/drgn"]
    for argument in container["args"]:
        name, _, value = argument.partition("=")
        if name.endswith("_file"):
            assert value.startswith("/config/") and value.removeprefix("/config/") in config["data"]
    labels = cluster["Deployment"]["spec"]["template"]["metadata"]["labels"]
    assert cluster["Deployment"]["spec"]["selector"]["matchLabels"] == labels
    assert cluster["Service"]["spec"]["selector"] == labels
    for size in (container["resources"]["requests"], container["resources"]["limits"]):
        assert size["memory"].endswith("Gi")


def test_batching_keeps_the_sizes_of_photos():
    text = (KIT / "batching_parameters.txt").read_text()
    batching = parsed(text, "BatchingParameters")
    assert not batching.pad_variable_length_inputs
    sizes = [value.value for _, value in batching.ListFields()]
    assert len(sizes) == 4 and min(sizes) > 0
    (shown,) = indented(r"max_batch_size .*")
    assert str(parsed(shown, "BatchingParameters")) == str(batching)


def test_versions_and_labels_are_those_that_are_asked_for():
    (text,) = indented(r"model_config_list .*")
    (model,) = models(text)
    assert model.name == "drgn"
    assert set(model.version_labels.values()) <= set(model.model_version_policy.specific.versions)
    (label,) = re.findall(r"/labels/(\w+):predict", DOCS.read_text())
    assert label in model.version_labels


def test_documented_commands_have_the_programs_flags():
    text = DOCS.read_text() + "".join(path.read_text() for path in KIT.glob("*.py"))
    commands = re.findall(r"^ {4}python examples/serving/(\w+\.py) (.*(?:\\\n.*)*)", text, re.M)
    assert {name for name, _ in commands} == {"client.py", "load_test.py"}
    for name, arguments in commands:
        for flag in re.findall(r"--\w+", arguments):
            assert f'"{flag}"' in (KIT / name).read_text(), flag


def indented(first: str) -> list[str]:
    """Returns the indented blocks of the document whose first line matches."""
    return re.findall(rf"^(?<!.\n) {{4}}({first}\n(?:(?: {{4}}.*)?\n)*)", DOCS.read_text(), re.M)
