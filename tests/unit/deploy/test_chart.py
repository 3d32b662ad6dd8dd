"""The Helm chart is rendered by Helm, and what comes out is held to Kubernetes' own schemas."""

import json
import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import kubernetes_validate
import pytest
import yaml

from shub.operations.setup import known
from tests.clients import obtain

CHART = Path(__file__).parents[3] / "deploy/helm/shub"
# The oldest that the chart takes, and newer ones.
RELEASES = ["1.25", "1.30", "1.37"]

LEAST: dict[str, Any] = {
    "publicUrl": "https://registry.example.org",
    "store": {"server": "s3.example.org"},
}
ALL: dict[str, Any] = {
    **LEAST,
    "image": {"repository": "images.example.org/shub", "tag": "1.2", "pullSecrets": ["pull"]},
    "secret": {"name": "words", "keys": {"OIDC_CLIENT_SECRET": "oidc_client_secret",
                                         "MINIO_UPLOAD_ACCESS_KEY": ""}},
    "store": {"server": "minio:9000", "externalServer": "store.example.org", "tls": False,
              "makeUploadUser": True, "authority": {"secret": "authority"}},
    "administrator": {"name": "mara", "email": "mara@example.org"},
    "settings": {"REGISTRY_NAME": 'Mara\'s "own": yes', "DEFAULT_QUOTA_BYTES": 10**12,
                 "DEFAULT_PRIVATE": True, "WEB_WORKERS": 4},
    "trustedProxies": ["10.42.0.0/16", "10.43.0.0/16"],
    "web": {"autoscaling": {"enabled": True}, "podAnnotations": {"a": "b"},
            "nodeSelector": {"disk": "fast"}, "priorityClassName": "high",
            "tolerations": [{"key": "a", "operator": "Exists"}],
            "affinity": {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {
                "nodeSelectorTerms": [{"matchExpressions": [
                    {"key": "a", "operator": "Exists"}]}]}}}},
    "sweep": {"replicas": 3, "nodeSelector": {"disk": "fast"}},
    "ingress": {"className": "nginx", "tls": {"secretName": "certificate"}},
    "metrics": {"enabled": True, "serviceMonitor": {"enabled": True, "labels": {"a": "b"}}},
    "networkPolicy": {
        "from": [{"namespaceSelector": {"matchLabels": {"name": "ingress"}}}],
        "egress": [{"to": [{"ipBlock": {"cidr": "10.0.0.0/8"}}]}],
    },
    "serviceAccount": {"annotations": {"a": "b"}},
}  # fmt: skip
BARE: dict[str, Any] = {
    **LEAST,
    "publicUrl": "http://registry.lab",
    "web": {"replicas": 1},
    "ingress": {"enabled": False},
    "networkPolicy": {"enabled": False},
    "serviceAccount": {"create": False},
    "nameOverride": "images",
}
SETS = {"least": LEAST, "all": ALL, "bare": BARE}


@pytest.fixture(scope="module")
def helm() -> Path:
    """Helm; where it cannot be had, a skip with words, and in CI a failure."""
    try:
        return obtain.helm(build=False).path
    except obtain.Missing as lack:
        if os.environ.get("CI"):
            raise
        pytest.skip(str(lack))


def run(
    helm: Path, verb: list[str], values: dict[str, Any], folder: Path, release: str = "1.30"
) -> subprocess.CompletedProcess[str]:
    file = folder / "values.json"
    file.write_text(json.dumps(values))
    return subprocess.run(
        [helm, *verb, CHART, "--values", file, "--kube-version", release],
        env={"PATH": os.environ["PATH"], "HOME": str(folder)},
        capture_output=True,
        text=True,
        check=False,
        timeout=100,
    )


def rendered(
    helm: Path, values: dict[str, Any], folder: Path, release: str = "1.30"
) -> list[dict[str, Any]]:
    done = run(helm, ["template", "images", "--namespace", "lab"], values, folder, release)
    assert done.returncode == 0, done.stderr
    return [found for found in yaml.safe_load_all(done.stdout) if found]


def of_kind(found: list[dict[str, Any]], kind: str, end: str = "") -> dict[str, Any]:
    (one,) = [
        each for each in found if each["kind"] == kind and each["metadata"]["name"].endswith(end)
    ]
    return one


def pods(found: list[dict[str, Any]]) -> Iterator[tuple[str, dict[str, Any]]]:
    for each in found:
        if each["kind"] in {"Deployment", "Job"}:
            yield each["metadata"]["name"], each["spec"]["template"]["spec"]
        elif each["kind"] == "Pod":
            yield each["metadata"]["name"], each["spec"]


@pytest.mark.parametrize("name", SETS)
def test_helm_finds_nothing_to_say_of_the_chart(helm: Path, name: str, tmp_path: Path) -> None:
    done = run(helm, ["lint", "--strict"], SETS[name], tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "[WARNING]" not in done.stdout


@pytest.mark.parametrize("release", RELEASES)
@pytest.mark.parametrize("name", SETS)
def test_kubernetes_takes_what_is_rendered(
    helm: Path, name: str, release: str, tmp_path: Path
) -> None:
    found = rendered(helm, SETS[name], tmp_path, release)
    assert {"Deployment", "Job", "Service", "ConfigMap"} <= {each["kind"] for each in found}
    for each in found:
        if each["kind"] != "ServiceMonitor":
            kubernetes_validate.validate(each, release, strict=True)


def test_the_schemas_refuse_a_slip(helm: Path, tmp_path: Path) -> None:
    deployment = of_kind(rendered(helm, LEAST, tmp_path), "Deployment", "-web")
    deployment["spec"]["template"]["spec"]["containers"][0]["livenessprobe"] = {}
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(deployment, "1.30", strict=True)


@pytest.mark.parametrize("name", SETS)
def test_every_pod_is_shut_in(helm: Path, name: str, tmp_path: Path) -> None:
    found = dict(pods(rendered(helm, SETS[name], tmp_path)))
    assert len(found) == 4
    for pod in found.values():
        assert pod["automountServiceAccountToken"] is False
        assert pod["securityContext"]["runAsNonRoot"] is True
        assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        for container in pod["containers"]:
            context = container["securityContext"]
            assert context["readOnlyRootFilesystem"] is True
            assert context["allowPrivilegeEscalation"] is False
            assert context["capabilities"] == {"drop": ["ALL"]}
            assert container["resources"]["limits"]["memory"]


@pytest.mark.parametrize("name", SETS)
def test_no_secret_is_in_the_chart_and_each_is_a_file(
    helm: Path, name: str, tmp_path: Path
) -> None:
    found = rendered(helm, SETS[name], tmp_path)
    assert not [each for each in found if each["kind"] == "Secret"]
    for pod_name, pod in pods(found):
        if pod_name.endswith("-answers"):
            continue
        (container,) = pod["containers"]
        files = {
            f"/run/secrets/shub/{item['path']}"
            for volume in pod["volumes"]
            for item in volume.get("secret", {}).get("items", [])
        }
        for variable in container["env"]:
            assert variable["name"].removesuffix("_FILE") in known.secrets() | {"METRICS_TOKEN"}
            assert variable["value"] in files


@pytest.mark.parametrize("name", SETS)
def test_what_is_set_is_a_setting_and_a_text(helm: Path, name: str, tmp_path: Path) -> None:
    found = rendered(helm, SETS[name], tmp_path)
    maps = {
        each["metadata"]["name"].endswith("-prepare"): each["data"]
        for each in found
        if each["kind"] == "ConfigMap"
    }
    web, prepare = maps[False], maps[True]
    assert web == prepare
    assert all(isinstance(value, str) for value in web.values())
    later = {"WEB_WORKERS", "WEB_THREADS", "WEB_DRAIN_SECONDS", "WEB_STOP_SECONDS", "LOG_FORMAT"}
    assert set(web) - later <= known.settings()


def test_a_setting_of_the_site_wins_and_is_written_as_it_is(helm: Path, tmp_path: Path) -> None:
    data = of_kind(rendered(helm, ALL, tmp_path), "ConfigMap", "-shub")["data"]
    assert data["REGISTRY_NAME"] == 'Mara\'s "own": yes'
    assert data["DEFAULT_PRIVATE"] == "true"
    assert data["DEFAULT_QUOTA_BYTES"] == "1000000000000"
    assert data["WEB_WORKERS"] == "4"
    assert data["MINIO_EXTERNAL_SERVER"] == "store.example.org"
    assert data["MINIO_CA_FILE"] == "/run/secrets/store/ca.crt"
    assert data["TRUSTED_PROXIES"] == "10.42.0.0/16,10.43.0.0/16"


def test_prepare_runs_before_all_and_needs_nothing_that_is_not_there_yet(
    helm: Path, tmp_path: Path
) -> None:
    found = rendered(helm, ALL, tmp_path)
    job = of_kind(found, "Job")
    assert job["metadata"]["annotations"]["helm.sh/hook"] == "pre-install,pre-upgrade"
    pod = job["spec"]["template"]["spec"]
    assert pod["serviceAccountName"] == "default"
    (source,) = pod["containers"][0]["envFrom"]
    settings = of_kind(found, "ConfigMap", source["configMapRef"]["name"])
    assert settings["metadata"]["annotations"]["helm.sh/hook"] == "pre-install,pre-upgrade"
    assert int(settings["metadata"]["annotations"]["helm.sh/hook-weight"]) < 0
    script, *words = pod["containers"][0]["args"]
    assert "prepare --upload-user" in script
    assert words == [
        "prepare", "mara", "--password-file=/run/secrets/shub/administrator_password",
        "--email=mara@example.org",
    ]  # fmt: skip


def test_a_pod_is_given_the_time_that_its_requests_are_promised(helm: Path, tmp_path: Path) -> None:
    values = {**LEAST, "web": {"drainSeconds": 20, "stopSeconds": 300}}
    found = rendered(helm, values, tmp_path)
    pod = of_kind(found, "Deployment", "-web")["spec"]["template"]["spec"]
    assert pod["terminationGracePeriodSeconds"] > 320


def test_services_and_policies_find_the_pods_that_they_mean(helm: Path, tmp_path: Path) -> None:
    found = rendered(helm, ALL, tmp_path)

    def labels(end: str) -> dict[str, str]:
        deployment = of_kind(found, "Deployment", end)
        assert (
            deployment["spec"]["selector"]["matchLabels"].items()
            <= deployment["spec"]["template"]["metadata"]["labels"].items()
        )
        return deployment["spec"]["template"]["metadata"]["labels"]

    selectors = [
        of_kind(found, "Service")["spec"]["selector"],
        of_kind(found, "PodDisruptionBudget")["spec"]["selector"]["matchLabels"],
        of_kind(found, "NetworkPolicy", "-web")["spec"]["podSelector"]["matchLabels"],
    ]
    for selector in selectors:
        assert selector.items() <= labels("-web").items()
        assert not selector.items() <= labels("-sweep").items()
    backend = of_kind(found, "Ingress")["spec"]["rules"][0]["http"]["paths"][0]["backend"]
    assert backend["service"]["name"] == of_kind(found, "Service")["metadata"]["name"]


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"publicUrl": "https://registry.example.org/path"}, "publicUrl"),
        ({"publicUrl": ""}, "publicUrl"),
        ({"store": {"server": ""}}, "server"),
        ({"store": {"server": "https://s3.example.org"}}, "server"),
        ({"settings": {"OIDC_CLIENT_SECRET": "word"}}, "is a secret"),
        ({"settings": {"EMAIL_HOST_PASSWORD": "word"}}, "is a secret"),
        ({"wbe": {"replicas": 3}}, "wbe"),
        ({"web": {"replicas": "three"}}, "replicas"),
        ({"sweep": {"replicas": 0}}, "replicas"),
        ({"metrics": {"serviceMonitor": {"enabled": True}}}, "needs metrics.enabled"),
    ],
)
def test_values_that_cannot_be_are_refused_with_their_name(
    helm: Path, values: dict[str, Any], words: str, tmp_path: Path
) -> None:
    done = run(helm, ["template", "images"], {**LEAST, **values}, tmp_path)
    assert done.returncode != 0
    assert words in done.stderr


def test_every_secret_setting_is_known_for_one() -> None:
    """By the expression in the template, which refuses to have one in a ConfigMap."""
    template = (CHART / "templates/_pods.tpl").read_text()
    found = re.search(r'regexMatch "([^"]+)" \$name', template)
    assert found
    # Facts that are no secrets, though long enough to be given as a file.
    free = {"REGISTRY_ABOUT", "SAML_IDP_CERTIFICATE", "SAML_SP_CERTIFICATE", "MINIO_ROOT_USER"}
    for name in known.secrets() - free:
        assert re.search(found[1], name), name


def test_the_values_that_are_shipped_fit_their_schema_but_for_what_has_to_be_given() -> None:
    values = yaml.safe_load((CHART / "values.yaml").read_text())
    schema = json.loads((CHART / "values.schema.json").read_text())
    values["publicUrl"] = LEAST["publicUrl"]
    values["store"]["server"] = "s3"
    jsonschema.validate(values, schema)
    assert set(values) == set(schema["properties"]) - {"global"}
