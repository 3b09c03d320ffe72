# SPDX-License-Identifier: Apache-2.0
"""What the chart renders: for a matrix of values, held to what a registrar in a cluster needs."""
import json
import os
import shutil
import subprocess

import pytest
import yaml

from chart import CHART, MATRIX, SOURCE, helm, objects, render, template, tool

SNAPSHOT = SOURCE / "tests" / "chart" / "snapshot.yaml"
KUBERNETES = ("1.26", "1.27", "1.28", "1.29", "1.30")
BINARY = os.environ.get("ROLLCALL_BINARY", str(SOURCE / "build" / "rollcall"))


def stateful_set(found):
    (one,) = [o for (kind, _), o in found.items() if kind == "StatefulSet"]
    return one


def pod_of(found):
    return stateful_set(found)["spec"]["template"]["spec"]


def container(found):
    return pod_of(found)["containers"][0]


def services(found):
    return {name: o["spec"] for (kind, name), o in found.items() if kind == "Service"}


def test_lint_finds_nothing():
    for case in ("default", "everything"):
        helm("lint", "--strict", str(CHART), "--kube-version", "1.30.0", values=MATRIX[case])


@pytest.mark.parametrize("version", KUBERNETES)
def test_every_case_is_valid_for_kubernetes(version, tmp_path):
    for case, values in MATRIX.items():
        (tmp_path / (case + ".yaml")).write_text(template(values, kube=version + ".0"))
    result = subprocess.run([tool("kubectl-validate"), "--version", version, "--local-crds",
                             str(SOURCE / "tests" / "chart" / "crds"), str(tmp_path)],
                            capture_output=True, text=True)
    assert result.returncode == 0, result.stdout + result.stderr
    assert (result.stdout + result.stderr).count("OK") == len(MATRIX)


def test_the_validator_finds_a_field_that_there_is_not(tmp_path):
    (tmp_path / "wrong.yaml").write_text(template({}).replace("enableServiceLinks:", "enableServiceLink:"))
    result = subprocess.run([tool("kubectl-validate"), "--version", "1.30", str(tmp_path)],
                            capture_output=True, text=True)
    assert result.returncode != 0 and "enableServiceLink" in result.stdout + result.stderr


def test_the_defaults_render_as_before():
    text = template({})
    if os.environ.get("ROLLCALL_SNAPSHOT") == "write":
        SNAPSHOT.write_text(text)
    assert text == SNAPSHOT.read_text(), "ROLLCALL_SNAPSHOT=write ./dev test chart makes it anew"


def test_practice_is_good():
    text = template(dict(MATRIX["everything"], initContainers=[], extraContainers=[]))
    # No CPU limit (throttling makes answers late) and no pull at each start, both on purpose.
    result = subprocess.run(
        [tool("kube-score"), "score", "--kubernetes-version", "v1.30", "--output-format", "json",
         "--ignore-container-cpu-limit", "--ignore-test", "container-image-pull-policy", "-"],
        input=text, capture_output=True, text=True)
    bad = ["%s: %s: %s" % (one["object_name"], check["check"]["name"], check.get("comments"))
           for one in json.loads(result.stdout) for check in one["checks"] or []
           if not check["skipped"] and check["grade"] < 5]
    assert not bad, "\n".join(bad)


@pytest.mark.parametrize("case", MATRIX)
def test_check_config_accepts_the_rendered_configuration(case, tmp_path):
    found = render(case)
    (name,) = {v["configMap"]["name"] for v in pod_of(found)["volumes"] if v["name"] == "config"}
    text = found["ConfigMap", name]["data"]["rollcall.yaml"]
    mounted = [m["mountPath"] for m in container(found)["volumeMounts"] if m["name"] == "tokens"][0]
    for key in ("admin-token", "read-token", "admin", "nonce"):
        (tmp_path / key).write_text("a-token-of-the-tests\n")
    path = tmp_path / "rollcall.yaml"
    path.write_text(text.replace(mounted, str(tmp_path)))
    result = subprocess.run([BINARY, "check-config", "--config", str(path)], capture_output=True, text=True,
                            env={})
    assert result.returncode == 0 and not result.stderr, result.stderr
    for section, keys in (MATRIX[case].get("config") or {}).items():
        for key, value in keys.items():
            assert yaml.safe_load(text)[section][key] == value


@pytest.mark.parametrize("case", MATRIX)
def test_the_pod_has_no_privilege(case):
    found = render(case)
    pod = pod_of(found)
    assert pod["automountServiceAccountToken"] is False and pod["enableServiceLinks"] is False
    assert pod["securityContext"]["runAsNonRoot"] is True and pod["securityContext"]["runAsUser"] >= 1000
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    own = container(found)["securityContext"]
    assert own["readOnlyRootFilesystem"] is True and own["allowPrivilegeEscalation"] is False
    assert own["capabilities"] == {"drop": ["ALL"]}
    probes = {p: container(found)[p]["httpGet"]["path"]
              for p in ("startupProbe", "livenessProbe", "readinessProbe")}
    assert probes == {"startupProbe": "/healthz", "livenessProbe": "/healthz", "readinessProbe": "/readyz"}
    assert stateful_set(found)["spec"]["replicas"] == 1
    config = yaml.safe_load(found["ConfigMap", stateful_set(found)["metadata"]["name"]]["data"]["rollcall.yaml"])
    drain = config.get("process", {}).get("drain_delay", 0)
    assert pod["terminationGracePeriodSeconds"] >= drain + 30


def test_services_keep_the_phones_addresses():
    for case, names in (("load_balancer", ["rollcall-sip"]), ("node_port", ["rollcall-sip"]),
                        ("split", ["rollcall-sip-udp", "rollcall-sip-tcp"])):
        found = services(render(case))
        assert sorted(n for n in found if "-sip" in n) == sorted(names)
        for name in names:
            assert found[name]["externalTrafficPolicy"] == "Local"
    mixed = services(render("load_balancer"))["rollcall-sip"]["ports"]
    assert {(p["protocol"], p["port"]) for p in mixed} == {("UDP", 5060), ("TCP", 5060)}
    split = services(render("split"))
    assert [p["protocol"] for p in split["rollcall-sip-udp"]["ports"]] == ["UDP"]
    ports = services(render("node_port"))["rollcall-sip"]["ports"]
    assert [p["nodePort"] for p in ports] == [30060, 30060]


def test_on_the_node_s_network_there_is_no_service_for_sip():
    found = render("host_network")
    assert pod_of(found)["hostNetwork"] is True
    assert pod_of(found)["dnsPolicy"] == "ClusterFirstWithHostNet"
    assert sorted(services(found)) == ["rollcall-api", "rollcall-headless"]


def test_one_transport_alone_opens_no_other_port():
    found = render("udp_only")
    assert {(p["name"], p["containerPort"]) for p in container(found)["ports"]} == {
        ("sip-udp", 5070), ("http", 9090)}
    assert [p["protocol"] for p in services(found)["rollcall-sip"]["ports"]] == ["UDP"]


def test_a_change_of_configuration_or_tokens_restarts_the_pod():
    def sums(values):
        annotations = stateful_set(objects(template(values)))["spec"]["template"]["metadata"]["annotations"]
        return {k: v for k, v in annotations.items() if k.startswith("checksum/")}

    before = sums({})
    assert sums({}) == before and len(before) == 2
    assert sums({"config": {"log": {"level": "debug"}}})["checksum/config"] != before["checksum/config"]
    assert sums({"auth": {"adminToken": "another"}})["checksum/tokens"] != before["checksum/tokens"]


def test_tokens_that_nobody_gave_are_random_and_long():
    def secret():
        text = helm("template", "rollcall", str(CHART), "--kube-version", "1.30.0").stdout
        return objects(text)["Secret", "rollcall-tokens"]["data"]

    first, second = secret(), secret()
    assert set(first) == {"admin-token", "read-token"}
    assert not set(first.values()) & set(second.values()) and min(map(len, first.values())) >= 40


def test_an_own_secret_and_claim_are_used():
    found = render("own_claim_and_secret")
    assert not [kind for kind, _ in found if kind in ("Secret", "ServiceAccount")]
    volumes = {v["name"]: v for v in pod_of(found)["volumes"]}
    assert volumes["tokens"]["secret"]["secretName"] == "mine"
    assert volumes["data"]["persistentVolumeClaim"]["claimName"] == "mine"
    assert "volumeClaimTemplates" not in stateful_set(found)["spec"]


def test_the_network_policy_lets_phones_and_the_chart_s_own_pods_in():
    found = render("everything")
    policy = found["NetworkPolicy", "registrar"]["spec"]
    sip, api = policy["ingress"]
    assert {p["port"] for p in sip["ports"]} == {"sip-udp", "sip-tcp"} and policy["egress"] == []
    for rule in (sip, api):
        assert {"podSelector": {"matchLabels": {"app.kubernetes.io/instance": "rollcall"}}} in rule["from"]


def test_what_watches_is_there_when_wanted():
    found = render("everything")
    kinds = {kind for kind, _ in found}
    assert {"ServiceMonitor", "PrometheusRule", "PodDisruptionBudget", "CronJob", "Ingress"} <= kinds
    assert not {"ServiceMonitor", "PrometheusRule", "PodDisruptionBudget", "CronJob", "Ingress",
                "NetworkPolicy"} & {kind for kind, _ in render("default")}
    rules = found["PrometheusRule", "registrar"]["spec"]
    assert rules == yaml.safe_load((SOURCE / "docs" / "alerts.yaml").read_text())
    board = found["ConfigMap", "registrar-dashboard"]["data"]["rollcall.json"]
    assert json.loads(board) == json.loads((SOURCE / "docs" / "grafana-dashboard.json").read_text())
    monitor = found["ServiceMonitor", "registrar"]["spec"]
    labels = monitor["selector"]["matchLabels"].items()
    chosen = [name for (kind, name), o in found.items()
              if kind == "Service" and labels <= o["metadata"]["labels"].items()]
    assert chosen == ["registrar-api"]
    assert monitor["endpoints"][0]["port"] in [p["name"] for p in services(found)["registrar-api"]["ports"]]


def test_selectors_choose_the_registrar_alone():
    found = render("everything")
    pods = {"registrar": stateful_set(found)["spec"]["template"],
            "backup": found["CronJob", "registrar-backup"]["spec"]["jobTemplate"]["spec"]["template"],
            "test": found["Pod", "registrar-test"]}
    for name, service in services(found).items():
        matching = [pod for pod, o in pods.items()
                    if service["selector"].items() <= o["metadata"]["labels"].items()]
        assert matching == ["registrar"], name


def test_promtool_takes_the_alerts():
    result = subprocess.run([tool("promtool"), "check", "rules", str(SOURCE / "docs" / "alerts.yaml")],
                            capture_output=True, text=True)
    assert result.returncode == 0, result.stdout + result.stderr
    result = subprocess.run([tool("promtool"), "test", "rules", "alerts_test.yaml"], capture_output=True,
                            text=True, cwd=SOURCE / "tests" / "chart")
    assert result.returncode == 0, result.stdout + result.stderr


@pytest.mark.parametrize("values,said", [
    ({"nosuch": 1}, "nosuch"),
    ({"replicaCount": 2}, "replicaCount"),
    ({"sip": {"port": 70000}}, "port"),
    ({"sip": {"port": "5060"}}, "port"),
    ({"sip": {"udp": False, "tcp": False}}, "sip"),
    ({"sip": {"service": {"type": "Loadbalancer"}}}, "type"),
    ({"sip": {"service": {"externalTrafficPolicy": "local"}}}, "externalTrafficPolicy"),
    ({"persistence": {"size": "8 GB"}}, "size"),
    ({"persistence": {"accessModes": ["ReadWriteMany"]}}, "accessModes"),
    ({"config": {"sip": {"nosuch": 1}}}, "nosuch"),
    ({"config": {"sip": {"listen": ["udp://0.0.0.0:5060"]}}}, "listen"),
    ({"config": {"api": {"admin_token": ["in-a-configmap"]}}}, "admin_token"),
    ({"config": {"registra": {}}}, "registra"),
    ({"terminationGracePeriodSeconds": 1}, "terminationGracePeriodSeconds"),
    ({"backup": {"schedule": "daily"}}, "schedule"),
    ({"backup": {"keep": 0}}, "keep"),
    ({"auth": {"adminToken": "two words"}}, "adminToken"),
    ({"auth": {"nonceSecretKey": "nonce"}}, "nonceSecretKey"),
    ({"image": {"pullPolicy": "always"}}, "pullPolicy"),
    ({"extraEnv": [{"value": "x"}]}, "extraEnv"),
    ({"metrics": {"serviceMonitor": {"interval": "often"}}}, "interval")], ids=str)
def test_nonsense_is_refused_with_its_name(values, said):
    result = helm("template", "rollcall", str(CHART), "--kube-version", "1.30.0", values=values, check=False)
    assert result.returncode != 0 and said in result.stderr


def test_an_old_kubernetes_is_refused():
    result = helm("template", "rollcall", str(CHART), "--kube-version", "1.25.0", check=False)
    assert result.returncode != 0 and "1.26" in result.stderr


def test_the_notes_end_in_a_registered_phone(tmp_path):
    # helm shows notes only where there is a cluster: here they are rendered as a ConfigMap's text.
    copy = shutil.copytree(CHART, tmp_path / "rollcall")
    shutil.move(copy / "templates" / "NOTES.txt", copy / "notes")
    (copy / "templates" / "notes.yaml").write_text(
        "kind: ConfigMap\nmetadata:\n  name: notes\ndata:\n  notes: |\n"
        "    {{- tpl (.Files.Get \"notes\") . | nindent 4 }}\n")
    for case in ("default", "load_balancer", "split", "node_port", "host_network", "no_volume", "everything"):
        text = helm("template", "rollcall", str(copy), "--kube-version", "1.30.0", "-s", "templates/notes.yaml",
                    values=MATRIX[case]).stdout
        notes = yaml.safe_load(text)["data"]["notes"]
        assert "/users/alice" in notes and "helm test" in notes
        assert ("example.com" in notes) and ("WARNING" in notes) == (case == "no_volume")
