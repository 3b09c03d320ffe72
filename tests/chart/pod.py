# SPDX-License-Identifier: Apache-2.0
"""Turns rendered manifests into what `podman kube play` takes, and plays them.

podman 4.3 knows no StatefulSet and no CronJob, panics over Secrets in volumes, runs probes with a
shell and curl inside the container, and knows no Service: so the pod template becomes a Pod, its
claims volumes, Secrets ConfigMaps; probes are asked from outside; names of Services become hostAliases.
"""
import base64
import copy

import yaml

from podman import IMAGE, alive, inspect, podman

TOOLS = "localhost/rollcall-tools:test"


def config_map(secret):
    data = {k: base64.b64decode(v).decode() for k, v in (secret.get("data") or {}).items()}
    data.update(secret.get("stringData") or {})
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": secret["metadata"]["name"]}, "data": data}


def playable(spec):
    """A pod's spec as podman can play it."""
    spec = copy.deepcopy(spec)
    spec["restartPolicy"] = "Never"
    for volume in spec.get("volumes", []):
        if "secret" in volume:
            secret = volume.pop("secret")
            volume["configMap"] = {"name": secret["secretName"]}
    for one in spec["containers"]:
        for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
            one.pop(probe, None)
        one["imagePullPolicy"] = "Never"
        # Not a volume of podman's that it could account.
        for kind in one.get("resources", {}).values():
            kind.pop("ephemeral-storage", None)
    return spec


def make_pod(name, template, hosts=None):
    spec = playable(template["spec"])
    if hosts:
        spec["hostAliases"] = [{"ip": ip, "hostnames": names} for ip, names in hosts.items()]
    return {"apiVersion": "v1", "kind": "Pod",
            "metadata": {"name": name, "labels": template["metadata"].get("labels", {})}, "spec": spec}


def own(pod, settings):
    """The settings under names of this pod's own: podman makes each a volume, which two pods cannot share."""
    prefix = pod["metadata"]["name"] + "."
    for volume in pod["spec"].get("volumes", []):
        if "configMap" in volume:
            volume["configMap"]["name"] = prefix + volume["configMap"]["name"]
    return [dict(one, metadata={"name": prefix + one["metadata"]["name"]}) for one in settings]


def of_stateful_set(found):
    """What the registrar's pod needs: its ConfigMaps, its claim, itself."""
    (one,) = [o for (kind, _), o in found.items() if kind == "StatefulSet"]
    name = one["metadata"]["name"] + "-0"
    pod = make_pod(name, one["spec"]["template"])
    claims = []
    for claim in one["spec"].get("volumeClaimTemplates", []):
        claim_name = "%s-%s" % (claim["metadata"]["name"], name)
        claims.append({"apiVersion": "v1", "kind": "PersistentVolumeClaim",
                       "metadata": {"name": claim_name}, "spec": claim["spec"]})
        pod["spec"]["volumes"].append({"name": claim["metadata"]["name"],
                                       "persistentVolumeClaim": {"claimName": claim_name}})
    return settings_of(found), claims, pod


def settings_of(found):
    return [config_map(o) if kind == "Secret" else o
            for (kind, _), o in found.items() if kind in ("Secret", "ConfigMap")]


class Pod:
    """One pod that podman plays; its volumes outlive it until remove()."""

    def __init__(self, pod, settings, claims=()):
        self.pod, self.settings, self.claims = pod, settings, list(claims)
        self.name = pod["metadata"]["name"]

    def container(self):
        return "%s-%s" % (self.name, self.pod["spec"]["containers"][0]["name"])

    def play(self):
        """A claim that is there is not made again: podman takes that for an error."""
        there = podman("volume", "ls", "--format", "{{.Name}}").stdout.split()
        for setting in self.settings:
            if setting["metadata"]["name"] in there:
                podman("volume", "rm", setting["metadata"]["name"])
        documents = self.settings + [c for c in self.claims if c["metadata"]["name"] not in there] + [self.pod]
        podman("kube", "play", "-", input=yaml.safe_dump_all(documents))
        return self

    def address(self):
        """Its address on podman's bridge."""
        infra = inspect("pod", self.name)["InfraContainerID"]
        networks = inspect("container", infra)["NetworkSettings"]["Networks"]
        return next(iter(networks.values()))["IPAddress"]

    def alive(self):
        return alive(self.container())

    def exec(self, *arguments):
        return podman("exec", self.container(), "/usr/local/bin/rollcall", *arguments, check=False)

    def stop(self):
        """SIGTERM and the pod's grace, as the kubelet does; podman's own `kube down` kills at once."""
        podman("pod", "stop", "-t", str(self.pod["spec"].get("terminationGracePeriodSeconds", 30)), self.name)
        return inspect("container", self.container())["State"]["ExitCode"]

    def wait(self):
        """Of a pod that ends by itself: (exit code, what it said)."""
        code = int(podman("wait", self.container()).stdout.strip())
        said = podman("logs", self.container())
        return code, said.stdout + said.stderr

    def remove(self, volumes=False):
        podman("pod", "rm", "-f", "-t", "0", self.name, check=False)
        if volumes:
            for one in self.settings + self.claims:
                podman("volume", "rm", "-f", one["metadata"]["name"], check=False)


def values(more=None):
    """Values with the images that are there."""
    def image(full):
        repository, _, tag = full.rpartition(":")
        return {"repository": repository, "tag": tag, "pullPolicy": "Never"}

    base = {"image": image(IMAGE), "test": {"image": image(TOOLS)},
            "backup": {"enabled": True, "keep": 2, "image": image(TOOLS)},
            "config": {"registrar": {"domains": ["example.com"]}, "process": {"drain_delay": 1},
                       "store": {"lock_wait": 60}, "log": {"format": "json"}}}
    return dict(base, **(more or {}))
