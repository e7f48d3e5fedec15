"""The manifests for Kubernetes: valid against its schemas, restricted, and open only between callers and called."""

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from known_variables import KNOWN_VARIABLES
from ops.keys.pair_keys import CALLS, SERVICES
from ops.settings_reader import mistakes
from ops.stack.environment import PROCESSES, keys, settings_of
from runtime.rpc.health import STACK
from tests.harness.processes import ROOT, SECRET

BIN = Path(sys.executable).parent
OVERLAYS = ("production", "development")
COMPONENT = "app.kubernetes.io/component"
PORTS = {"identity": 50051, "notifications": 50052, "cache": 50053}
STORE_PORTS = {3306: "identity", 5432: "identity", 27017: "notifications", 6379: "cache"}
Manifest = dict[str, Any]


def built(overlay: str) -> str:
    """Return an overlay's manifests, as `kubectl apply -k` sends them."""
    command = [str(BIN / "kubectl"), "kustomize", str(ROOT / "deploy/kubernetes" / overlay)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


@pytest.fixture(scope="module", params=OVERLAYS)
def manifests(request: pytest.FixtureRequest) -> list[Manifest]:
    return list(yaml.safe_load_all(built(request.param)))


@pytest.fixture(scope="module")
def production() -> list[Manifest]:
    return list(yaml.safe_load_all(built("production")))


def of_kind(manifests: list[Manifest], *kinds: str) -> dict[str, Manifest]:
    return {each["metadata"]["name"]: each for each in manifests if each["kind"] in kinds}


def pods(manifests: list[Manifest]) -> dict[str, Manifest]:
    """Return each pod's spec by the name of what makes it."""
    found = {}
    for name, each in of_kind(manifests, "Deployment", "StatefulSet", "Job", "CronJob").items():
        spec = each["spec"]["jobTemplate"]["spec"] if each["kind"] == "CronJob" else each["spec"]
        found[name] = spec["template"]["spec"]
    return found


def containers(pod: Manifest) -> list[Manifest]:
    return [*pod.get("initContainers", []), *pod["containers"]]


def validated(file: Path) -> "subprocess.CompletedProcess[str]":
    command = [str(BIN / "kubernetes-validate"), "--strict", str(file)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_an_overlay_is_valid_against_the_schemas_of_kubernetes(tmp_path: Path, overlay: str) -> None:
    file = tmp_path / "manifests.yaml"
    file.write_text(built(overlay))
    checked = validated(file)
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_a_misspelled_field_is_found(tmp_path: Path) -> None:
    file = tmp_path / "manifests.yaml"
    file.write_text(built("production").replace("readinessProbe:", "readynessProbe:"))
    assert validated(file).returncode != 0


def test_every_pod_is_restricted(manifests: list[Manifest]) -> None:
    """The pod security standard `restricted`, which the namespace enforces."""
    assert (
        of_kind(manifests, "Namespace")["trivet"]["metadata"]["labels"]["pod-security.kubernetes.io/enforce"]
        == "restricted"
    )
    for name, pod in pods(manifests).items():
        assert pod["securityContext"]["runAsNonRoot"] is True, name
        assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}, name
        assert pod["automountServiceAccountToken"] is False, name
        for container in containers(pod):
            assert container["securityContext"]["allowPrivilegeEscalation"] is False, name
            assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}, name
            if container["image"].partition(":")[0].rpartition("/")[2].startswith("trivet"):
                assert container["securityContext"]["readOnlyRootFilesystem"] is True, name


def test_every_container_requests_memory_and_cpu_and_has_a_bound_of_memory(manifests: list[Manifest]) -> None:
    for name, pod in pods(manifests).items():
        for container in containers(pod):
            assert container["resources"]["requests"].keys() == {"cpu", "memory"}, name
            assert container["resources"]["limits"].keys() == {"memory"}, "a limit of CPU stalls an event loop"


def test_every_process_has_replicas_a_budget_and_its_own_probes(production: list[Manifest]) -> None:
    for name in PROCESSES:
        assert of_kind(production, "PodDisruptionBudget")[name]["spec"]["maxUnavailable"] == 1
        scaler = of_kind(production, "HorizontalPodAutoscaler")[name]["spec"]
        assert scaler["minReplicas"] >= 2
        assert scaler["scaleTargetRef"]["name"] == name
        deployment = of_kind(production, "Deployment")[name]["spec"]
        assert "replicas" not in deployment, "a roll would undo what the autoscaler decided"
        assert deployment["strategy"]["rollingUpdate"]["maxUnavailable"] == 0
        pod = deployment["template"]["spec"]
        assert {each["topologyKey"] for each in pod["topologySpreadConstraints"]} == {
            "topology.kubernetes.io/zone",
            "kubernetes.io/hostname",
        }
        own = pod["containers"][0]
        if name in SERVICES:
            assert own["readinessProbe"]["grpc"] == {"port": PORTS[name]}
            assert own["livenessProbe"]["grpc"] == {"port": PORTS[name], "service": STACK.format("kubernetes")}
            assert {"name": "TRIVET_STACK_ID", "value": "kubernetes"} in own["env"]
        else:
            assert own["readinessProbe"]["httpGet"]["path"] == "/readyz"
            assert own["livenessProbe"]["httpGet"]["path"] == "/healthz"


def test_the_services_are_headless_and_called_by_dns(production: list[Manifest]) -> None:
    settings = next(each["data"] for each in production if each["kind"] == "ConfigMap")
    for name in SERVICES:
        assert of_kind(production, "Service")[name]["spec"]["clusterIP"] == "None"
        address = f"dns:///{name}.trivet.svc.cluster.local:{PORTS[name]}"
        assert settings[f"TRIVET_{name.upper()}_ADDRESS"] == address


def selected(selector: Manifest) -> set[str]:
    """Return the components that a pod selector names."""
    names = set(selector.get("matchLabels", {}).values())
    for each in selector.get("matchExpressions", []):
        names |= set(each["values"])
    return names


def allowed(manifests: list[Manifest], direction: str, other: str) -> Iterator[tuple[str, Manifest, set[int]]]:
    """Yield (component, peer, ports) of all rules."""
    for policy in of_kind(manifests, "NetworkPolicy").values():
        for rule in policy["spec"].get(direction, []):
            for peer in rule[other]:
                for component in selected(policy["spec"]["podSelector"]) or {"*"}:
                    yield component, peer, {each["port"] for each in rule["ports"]}


def test_the_network_is_closed_but_for_the_calls_that_processes_make(production: list[Manifest]) -> None:
    default = of_kind(production, "NetworkPolicy")["default-deny"]["spec"]
    assert default == {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}
    wanted = {(caller, service, PORTS[service]) for caller, services in CALLS.items() for service in services}
    out = {
        (component, target, port)
        for component, peer, ports in allowed(production, "egress", "to")
        if "podSelector" in peer and "namespaceSelector" not in peer
        for target in selected(peer["podSelector"])
        for port in ports
    }
    into = {
        (caller, component, port)
        for component, peer, ports in allowed(production, "ingress", "from")
        if "podSelector" in peer
        for caller in selected(peer["podSelector"])
        for port in ports
    }
    assert out == wanted
    assert into == wanted


def test_a_store_is_reached_by_its_owner_and_by_migrations_and_backups_alone(production: list[Manifest]) -> None:
    reached: dict[int, set[str]] = {}
    for component, peer, ports in allowed(production, "egress", "to"):
        if "ipBlock" in peer:
            for port in ports:
                reached.setdefault(port, set()).add(component)
    for port, owner in STORE_PORTS.items():
        assert reached[port] == {owner} | ({"migrate", "backup"} if port != 6379 else set())
    assert reached[443] == {"identity"}, "providers and Stripe"


def test_what_a_pod_is_given_starts_its_process(manifests: list[Manifest]) -> None:
    settings = next(each["data"] for each in manifests if each["kind"] == "ConfigMap")
    for name in PROCESSES:
        container = pods(manifests)[name]["containers"][0]
        secret = {
            **keys(name, SECRET, ("ops",)),
            "TRIVET_BASE_URL": "https://app.example.com",
            "DATABASE_URL": "mysql://a:b@db/trivet",
            "MONGODB_URI": "mongodb://m/trivet",
        }
        own = {each["name"]: each["value"] for each in container["env"]}
        assert mistakes(settings_of(name), {**settings, **secret, **own}) == [], name
        assert [source["secretRef"]["name"] for source in container["envFrom"] if "secretRef" in source] == [
            f"trivet-{name}"
        ]


def test_no_manifest_holds_a_secret_and_every_variable_is_read(manifests: list[Manifest]) -> None:
    assert of_kind(manifests, "Secret") == {}
    named = {each["name"] for pod in pods(manifests).values() for c in containers(pod) for each in c.get("env", [])}
    named |= {name for each in manifests if each["kind"] == "ConfigMap" for name in each["data"]}
    assert KNOWN_VARIABLES.unread(dict.fromkeys(named, "")) == []
    assert not any(word in name for name in named for word in ("SECRET", "PASSWORD", "_KEYS", "_URL"))


def test_the_migration_runs_before_the_processes_change() -> None:
    script = (ROOT / "deploy/kubernetes/roll.sh").read_text()
    applied, waited = script.index("component=migrate'"), script.index("--for=condition=complete")
    everything = script.index('kubectl apply -f "$manifests"\n')
    assert script.index("delete job migrate") < applied < waited < everything < script.index("rollout status")


def test_every_step_of_a_roll_has_something_to_apply(manifests: list[Manifest]) -> None:
    """`kubectl apply` fails if its selector finds nothing."""
    script = (ROOT / "deploy/kubernetes/roll.sh").read_text()
    steps = re.findall(rf"--selector '{re.escape(COMPONENT)}(?:=| in \()([\w,]+)\)?'", script)
    assert len(steps) == script.count("--selector")
    components = {each["metadata"]["labels"].get(COMPONENT) for each in manifests}
    for step in steps:
        assert components & set(step.split(",")), step
    assert None not in components, "roll.sh finds each by its component"
    first = steps[0].split(",")
    kinds = {each["kind"] for each in manifests if each["metadata"]["labels"][COMPONENT] in first}
    assert kinds >= {"Namespace", "ServiceAccount", "ConfigMap", "NetworkPolicy", "PersistentVolumeClaim"}
    assert not kinds & {"Deployment", "Job", "CronJob"}


def test_a_roll_applies_nothing_if_the_migration_fails(tmp_path: Path) -> None:
    """With a `kubectl` that notes what it is asked, and whose migration does not complete."""
    calls = tmp_path / "calls"
    fake = tmp_path / "kubectl"
    fake.write_text(f'#!/bin/sh\necho "$*" >>{calls}\ncase "$*" in *--for=condition=complete*) exit 1 ;; esac\n')
    fake.chmod(0o755)
    script = str(ROOT / "deploy/kubernetes/roll.sh")
    environ = {"PATH": f"{tmp_path}:/usr/bin:/bin"}
    done = subprocess.run(["sh", script, "overlay"], env=environ, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    asked = calls.read_text().splitlines()
    assert asked[-1].endswith("job/migrate")
    assert not any("rollout" in each for each in asked)
    assert all("--selector" in each for each in asked if each.startswith("apply"))
    fake.write_text(f'#!/bin/sh\necho "$*" >>{calls}\n')
    assert subprocess.run(["sh", script, "overlay"], env=environ, check=False).returncode == 0
    assert calls.read_text().splitlines()[-1].endswith("deployment/gateway")
