# SPDX-License-Identifier: Apache-2.0
"""helm, and the values that the chart is tried with."""
import os
import pathlib
import subprocess

import pytest
import yaml

SOURCE = pathlib.Path(__file__).resolve().parents[2]
CHART = SOURCE / "helm" / "rollcall"
TOKENS = {"adminToken": "admin-token-of-the-tests", "readToken": "read-token-of-the-tests"}
LATEST = "1.30.0"

# What people set, each a case of its own: name -> values.
MATRIX = {
    "default": {},
    "load_balancer": {"sip": {"service": {
        "type": "LoadBalancer", "loadBalancerClass": "example.com/lb", "loadBalancerIP": "192.0.2.10",
        "loadBalancerSourceRanges": ["198.51.100.0/24"], "healthCheckNodePort": 32000,
        "annotations": {"example.com/a": "b"}, "ipFamilyPolicy": "PreferDualStack"}}},
    "split": {"sip": {"service": {"type": "LoadBalancer", "split": True,
                                  "annotationsUdp": {"example.com/shared": "x"},
                                  "annotationsTcp": {"example.com/shared": "x"}}}},
    "node_port": {"sip": {"service": {"type": "NodePort", "nodePortUdp": 30060, "nodePortTcp": 30060,
                                      "externalIPs": ["192.0.2.11"]}}},
    "host_network": {"sip": {"hostNetwork": True, "ipv6": True}},
    "udp_only": {"sip": {"tcp": False, "port": 5070}, "api": {"port": 9090}},
    "tcp_only": {"sip": {"udp": False}},
    "no_volume": {"persistence": {"enabled": False}},
    "own_claim_and_secret": {
        "persistence": {"existingClaim": "mine"}, "serviceAccount": {"create": False},
        "auth": {"existingSecret": "mine", "adminTokenKey": "admin", "readTokenKey": "", "nonceSecretKey": "nonce"}},
    "everything": {
        "fullnameOverride": "registrar", "commonLabels": {"team": "voice"},
        "imagePullSecrets": [{"name": "pull"}], "annotations": {"a": "b"},
        "config": {"registrar": {"domains": ["example.com", "example.net"], "min_expires": 30,
                                 "nat_max_expires": 120, "expires_jitter": 10},
                   "auth": {"algorithms": ["SHA-256", "MD5"]}, "abuse": {"exempt": ["10.0.0.0/8"]},
                   "store": {"lock_wait": 60, "max_size": "6GiB"}, "log": {"format": "json"}},
        "persistence": {"storageClassName": "fast", "accessModes": ["ReadWriteOncePod"],
                        "annotations": {"a": "b"}, "whenDeleted": "Delete"},
        "podAnnotations": {"a": "b"}, "podLabels": {"c": "d"}, "priorityClassName": "high",
        "nodeSelector": {"disk": "fast"}, "tolerations": [{"key": "voice", "operator": "Exists"}],
        "affinity": {"nodeAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": [
            {"weight": 1, "preference": {"matchExpressions": [{"key": "a", "operator": "Exists"}]}}]}},
        "topologySpreadConstraints": [{
            "maxSkew": 1, "topologyKey": "topology.kubernetes.io/zone", "whenUnsatisfiable": "ScheduleAnyway",
            "labelSelector": {"matchLabels": {"app.kubernetes.io/name": "rollcall"}}}],
        "extraEnv": [{"name": "ROLLCALL_LOG_LEVEL", "value": "debug"}],
        "extraEnvFrom": [{"configMapRef": {"name": "more"}}],
        "extraVolumes": [{"name": "x", "emptyDir": {}}], "extraVolumeMounts": [{"name": "x", "mountPath": "/x"}],
        "extraContainers": [{"name": "side", "image": "example.com/side:1"}],
        "initContainers": [{"name": "first", "image": "example.com/first:1"}],
        "networkPolicy": {"enabled": True, "apiFrom": [{"namespaceSelector": {}}],
                          "sipFrom": [{"ipBlock": {"cidr": "198.51.100.0/24"}}]},
        "podDisruptionBudget": {"enabled": True},
        "metrics": {"serviceMonitor": {"enabled": True, "labels": {"release": "prometheus"}},
                    "prometheusRule": {"enabled": True}, "grafanaDashboard": {"enabled": True}},
        "api": {"service": {"annotations": {"a": "b"}},
                "ingress": {"enabled": True, "className": "nginx", "hosts": ["rollcall.example.com"],
                            "tls": [{"secretName": "tls", "hosts": ["rollcall.example.com"]}]}},
        "backup": {"enabled": True, "command": "echo \"$BACKUP\"", "extraEnv": [{"name": "A", "value": "b"}],
                   "extraVolumes": [{"name": "x", "emptyDir": {}}],
                   "extraVolumeMounts": [{"name": "x", "mountPath": "/x"}]},
    },
}


def tool(name):
    """The path of one of the tools that the tier has built; a named skip without it."""
    path = SOURCE / "build" / "tools" / "bin" / name
    if not path.exists():
        pytest.skip("%s: %s" % (name, os.environ.get("CHART_TOOLS_LACK") or "not built"))
    return str(path)


def helm(*arguments, values=None, check=True):
    """The CompletedProcess of one command; `values` are given as a file would be."""
    command = [tool("helm")] + list(arguments)
    if values is not None:
        command += ["--values", "-"]
    result = subprocess.run(command, input=yaml.safe_dump(values or {}), capture_output=True, text=True)
    assert not check or result.returncode == 0, result.stderr
    return result


def template(values, *arguments, kube=LATEST, release="rollcall"):
    """The rendered manifests as text; tokens are given, so that nothing is random."""
    auth = dict(TOKENS, **values.get("auth", {}))
    return helm("template", release, str(CHART), "--namespace", "voice", "--kube-version", kube, *arguments,
                values=dict(values, auth=auth)).stdout


def objects(text):
    """(kind, name) -> the object."""
    found = {}
    for one in yaml.safe_load_all(text):
        if one:
            key = one["kind"], one["metadata"]["name"]
            assert key not in found, "twice: %s" % (key,)
            found[key] = one
    return found


def render(case, **options):
    return objects(template(MATRIX[case], **options))
