"""deploy/kubernetes: built by kustomize, valid against Kubernetes' own schemas, tight, and nothing leads nowhere."""

import subprocess
from collections.abc import Iterator
from typing import Any

import kubernetes_validate
import pytest
import yaml
from tests.deploy.site import DEPLOY

from logkeep.telemetry import METRICS

OVERLAYS = ("small", "large")
VERSIONS = ("1.31", kubernetes_validate.latest_version())  # from the oldest with all that is used here
WITHOUT_HEALTH = {"logkeep-udp"}  # has no HTTP
Manifest = dict[str, Any]


@pytest.fixture(scope="module", params=OVERLAYS)
def manifests(request: pytest.FixtureRequest, kustomize: list[str]) -> list[Manifest]:
    """What `kubectl apply -k` would send."""
    folder = DEPLOY / "kubernetes/overlays" / request.param
    done = subprocess.run([*kustomize, str(folder)], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")
    return list(yaml.safe_load_all(done.stdout))


def of_kind(manifests: list[Manifest], *kinds: str) -> Iterator[Manifest]:
    yield from (manifest for manifest in manifests if manifest["kind"] in kinds)


def workloads(manifests: list[Manifest]) -> dict[str, Manifest]:
    """Pod specifications by the name of what makes the pods."""
    made = of_kind(manifests, "Deployment", "StatefulSet")
    return {manifest["metadata"]["name"]: manifest["spec"]["template"]["spec"] for manifest in made}


def only_container(pod: Manifest) -> Manifest:
    [container] = pod["containers"]
    return dict(container)


def ports(container: Manifest) -> dict[str, tuple[int, str]]:
    return {port["name"]: (port["containerPort"], port["protocol"]) for port in container["ports"]}


def bytes_of(quantity: str) -> int:
    number, unit = (quantity[:-2], quantity[-2:])
    return int(number) << {"Mi": 20, "Gi": 30}[unit]


@pytest.mark.parametrize("version", VERSIONS)
def test_every_manifest_fits_its_schema(manifests: list[Manifest], version: str) -> None:
    for manifest in manifests:
        kubernetes_validate.validate(manifest, version, strict=True)


def test_everything_is_in_one_namespace_and_no_secret_is_among_it(manifests: list[Manifest]) -> None:
    assert {m["metadata"].get("namespace", m["metadata"]["name"]) for m in manifests} == {"logkeep"}
    assert list(of_kind(manifests, "Secret")) == []
    for pod in workloads(manifests).values():
        for variable in only_container(pod).get("env", []):
            assert list(variable["valueFrom"]) == ["secretKeyRef"], variable


def test_a_pod_runs_as_nobody_on_a_read_only_system(manifests: list[Manifest]) -> None:
    for name, pod in workloads(manifests).items():
        security, container = pod["securityContext"], only_container(pod)
        assert security["runAsNonRoot"] and security["runAsUser"] == 10001, name
        assert security["seccompProfile"] == {"type": "RuntimeDefault"}
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }
        assert {mount["mountPath"] for mount in container["volumeMounts"]} == {"/data", "/tmp"}
        assert not pod["automountServiceAccountToken"]
        # Else LOGKEEP_API_PORT=tcp://… of a Service named logkeep-api is taken for the setting.
        assert not pod["enableServiceLinks"]


def test_a_pod_has_time_to_stop_and_bounds(manifests: list[Manifest]) -> None:
    for name, pod in workloads(manifests).items():
        container = only_container(pod)
        wait_s = int(
            container.get("lifecycle", {"preStop": {"exec": {"command": ["0"]}}})["preStop"]["exec"]["command"][-1]
        )
        assert pod["terminationGracePeriodSeconds"] >= wait_s + 15, name
        requests, limits = container["resources"]["requests"], container["resources"]["limits"]
        assert bytes_of(requests["memory"]) < bytes_of(limits["memory"])
        assert "cpu" in requests and "cpu" not in limits


def test_probes_ask_ports_that_the_pod_has(manifests: list[Manifest]) -> None:
    for name, pod in workloads(manifests).items():
        container = only_container(pod)
        probes = {probe: container[probe]["httpGet"] for probe in PROBES if probe in container}
        assert set(probes) == (set() if name in WITHOUT_HEALTH else set(PROBES))
        assert all(probe["port"] in ports(container) for probe in probes.values())
        assert probes.get("readinessProbe", {"path": "/health/ready"})["path"] == "/health/ready"
        assert probes.get("livenessProbe", {"path": "/health/live"})["path"] == "/health/live"


PROBES = ("startupProbe", "livenessProbe", "readinessProbe")


def labels_of(manifests: list[Manifest]) -> dict[str, Manifest]:
    made = of_kind(manifests, "Deployment", "StatefulSet")
    return {m["metadata"]["name"]: m["spec"]["template"]["metadata"]["labels"] for m in made}


def selected(manifests: list[Manifest], selector: Manifest) -> set[str]:
    """Names of the workloads whose pods a selector means."""
    wanted = selector.get("matchLabels", {})
    among = selector.get("matchExpressions", [])
    assert all(expression["operator"] == "In" for expression in among)
    return {
        name
        for name, labels in labels_of(manifests).items()
        if wanted.items() <= labels.items() and all(labels.get(e["key"]) in e["values"] for e in among)
    }


def test_every_service_leads_to_a_port_and_every_ingress_to_a_service(manifests: list[Manifest]) -> None:
    pods = workloads(manifests)
    known = {("logkeep-nothing", "nothing")}
    for service in of_kind(manifests, "Service"):
        if service["metadata"]["name"] == "logkeep-nothing":
            assert "selector" not in service["spec"]
            continue
        [name] = selected(manifests, {"matchLabels": service["spec"]["selector"]})
        for port in service["spec"]["ports"]:
            assert ports(only_container(pods[name]))[port["targetPort"]] == (port["port"], port["protocol"])
            known.add((service["metadata"]["name"], port["name"]))
        if service["spec"].get("type") == "LoadBalancer":
            assert service["spec"]["externalTrafficPolicy"] == "Local"  # keeps the sender's address
            assert service["spec"]["loadBalancerSourceRanges"]
    hidden = set()
    for ingress in of_kind(manifests, "Ingress"):
        assert ingress["spec"]["tls"]
        for rule in ingress["spec"]["rules"]:
            backends = [path["backend"]["service"] for path in rule["http"]["paths"]]
            assert {(b["name"], b["port"]["name"]) for b in backends} <= known
            nowhere = [p for p in rule["http"]["paths"] if p["backend"]["service"]["name"] == "logkeep-nothing"]
            hidden |= {(path["path"], path["pathType"]) for path in nowhere}
    assert hidden == {("/metrics", "Exact")}  # it has no key; /v1/ leads to none of it


def test_all_traffic_is_denied_but_what_reaches_a_port_that_is_there(manifests: list[Manifest]) -> None:
    policies = {m["metadata"]["name"]: m["spec"] for m in of_kind(manifests, "NetworkPolicy")}
    assert policies.pop("default-deny") == {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}
    pods, let_in = workloads(manifests), set()
    for name, policy in policies.items():
        meant = selected(manifests, policy["podSelector"])
        assert meant, f"{name} means no pod"
        assert len(policy["policyTypes"]) == 1
        for rule in policy.get("ingress", []):
            assert rule["from"]
            let_in |= {(pod, port["port"], port["protocol"]) for pod in meant for port in rule["ports"]}
        assert all(rule["to"] and rule["ports"] for rule in policy.get("egress", []))
    there = {(name, *port) for name, pod in pods.items() for port in ports(only_container(pod)).values()}
    assert there <= let_in


def test_what_is_scaled_by_itself_names_no_replicas_and_may_be_disrupted_one_by_one(manifests: list[Manifest]) -> None:
    deployments = {m["metadata"]["name"]: m["spec"] for m in of_kind(manifests, "Deployment")}
    scalers = {m["spec"]["scaleTargetRef"]["name"]: m["spec"] for m in of_kind(manifests, "HorizontalPodAutoscaler")}
    assert {name for name, spec in deployments.items() if "replicas" not in spec} == set(scalers)
    assert all(spec["minReplicas"] >= 2 for spec in scalers.values())
    metrics = [m["external"]["metric"]["name"] for s in scalers.values() for m in s["metrics"] if "external" in m]
    assert set(metrics) <= {f"logkeep_{metric.name}" for metric in METRICS}
    disrupted = [selected(manifests, m["spec"]["selector"]) for m in of_kind(manifests, "PodDisruptionBudget")]
    assert sorted(name for names in disrupted for name in names) == sorted(deployments)
    for spec in deployments.values():
        pod = spec["template"]["spec"]
        spread = [constraint["topologyKey"] for constraint in pod["topologySpreadConstraints"]]
        assert spread == ["topology.kubernetes.io/zone", "kubernetes.io/hostname"]


def test_the_adapter_serves_the_metric_that_the_autoscaler_asks_for() -> None:
    folder = DEPLOY / "kubernetes/overlays/large"
    [rule] = yaml.safe_load((folder / "prometheus-adapter.yaml").read_text())["rules"]["external"]
    assert f"name: {rule['name']['as']}\n" in (folder / "autoscaling.yaml").read_text()
    assert rule["name"]["as"].removeprefix("logkeep_") in {metric.name for metric in METRICS}
