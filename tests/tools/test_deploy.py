"""What `cmake --install` puts in place, and the service unit as systemd itself judges it."""

import os
import re
import shutil
import subprocess
import sys

import pytest
import yaml
from harness import AGENT, BUILD, PATIENCE_S, REPOSITORY, Cachectl, end, start

UNIT = REPOSITORY / "deploy" / "systemd" / "bifrost-agent.service"
MOST_EXPOSURE = 20  # of 100, as systemd-analyze counts
needs_systemd = pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd-analyze is not installed")


@pytest.fixture(scope="module")
def prefix(tmp_path_factory):
    directory = tmp_path_factory.mktemp("prefix")
    installed = subprocess.run(["cmake", "--install", BUILD, "--prefix", directory], capture_output=True, text=True)
    assert installed.returncode == 0, installed.stderr
    return directory


def test_install_puts_programs_package_unit_and_manuals_in_place(prefix):
    for file in ("bin/bifrost-agent", "bin/bifrost-cachectl", "lib/systemd/system/bifrost-agent.service",
                 "share/man/man8/bifrost-agent.8", "share/man/man1/bifrost-cachectl.1",
                 "share/bash-completion/completions/bifrost-cachectl"):
        assert (prefix / file).stat().st_size > 0, file
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(next(prefix.glob("lib/python3*/*-packages")))}
    version = subprocess.run([prefix / "bin" / "bifrost-cachectl", "--version"], capture_output=True, text=True).stdout
    package = subprocess.run([sys.executable, "-c", "import bifrost_cache as b; print(b.__version__, b.__file__)"],
                             env=environment, capture_output=True, text=True, cwd="/").stdout.split()
    assert version.split() == ["bifrost-cachectl", package[0]]
    assert package[1].startswith(str(prefix))


@needs_systemd
def test_systemd_accepts_the_unit_and_finds_it_confined(tmp_path):
    unit = tmp_path / "bifrost-agent.service"
    unit.write_text(UNIT.read_text().replace("/usr/bin/bifrost-agent", str(AGENT)))
    verified = subprocess.run(["systemd-analyze", "verify", "--man=no", unit], capture_output=True, text=True)
    assert (verified.returncode, verified.stderr) == (0, "")
    judged = subprocess.run(["systemd-analyze", "security", "--offline=yes", f"--threshold={MOST_EXPOSURE}",
                             "--no-pager", unit], capture_output=True, text=True)
    assert judged.returncode == 0, judged.stdout[-1000:]


def test_the_unit_keeps_the_segment_over_restarts():
    lines = UNIT.read_text().splitlines()
    for needed in ("Type=notify", "RuntimeDirectoryPreserve=yes", "RemoveIPC=no", "WatchdogSec=30", "User=bifrost"):
        assert needed in lines, needed
    assert not any(line.startswith("DynamicUser=") for line in lines)


def test_the_unit_is_started_again_for_ever_but_for_a_wrong_setting():
    lines = UNIT.read_text().splitlines()
    unit, service = lines.index("[Unit]"), lines.index("[Service]")
    assert "StartLimitIntervalSec=0" in lines[unit:service], "systemd gives up after five quick failures"
    assert {"Restart=always", "RestartSec=5", "RestartPreventExitStatus=2"} <= set(lines[service:])
    wrong = subprocess.run([AGENT, "--max-size", "nonsense"], capture_output=True, env={})
    assert wrong.returncode == 2


def test_the_example_configuration_is_accepted():
    shown = subprocess.run([AGENT, "--config", REPOSITORY / "deploy" / "bifrost.conf",
                            "--print-config"], capture_output=True, text=True, env={})
    assert shown.returncode == 0, shown.stderr
    assert "metrics = 127.0.0.1:9464" in shown.stdout


@pytest.mark.parametrize("setting, value", [("lease", "0s"), ("log_level", "loud")])
def test_print_config_shows_a_wrong_setting_and_refuses_it_as_the_agent_would(setting, value):
    shown = subprocess.run([AGENT, "--print-config"], capture_output=True, text=True,
                           env={f"BIFROST_{setting.upper()}": value})
    assert shown.returncode == 2
    assert f"{setting} = {value}" in shown.stdout
    assert setting.replace("_", "-") in shown.stderr

# --- containers and Kubernetes ----------------------------------------------------------------------------------------

KUBERNETES = REPOSITORY / "deploy" / "kubernetes"
CONTAINERFILE = REPOSITORY / "deploy" / "container" / "Containerfile"


def manifests():
    return [document for file in sorted(KUBERNETES.glob("*.yaml")) for document in yaml.safe_load_all(file.read_text())]


def pod_of(name):
    return next(m for m in manifests() if m["kind"] != "Namespace" and m["metadata"]["name"] == name)["spec"]["template"]["spec"]


def container_of(pod, name):
    return next(c for c in pod["containers"] if c["name"] == name)


def argument(container, flag):
    return container["args"][container["args"].index(flag) + 1]


def version():
    return subprocess.run([AGENT, "--version"], capture_output=True, text=True).stdout.split()[1]


def agent_flags():
    shown = subprocess.run([AGENT, "--help"], capture_output=True, text=True).stdout
    return set(re.findall(r"--[a-z-]+", shown))


PODS = ["bifrost-agent", "workflow-worker", "workflow-worker-with-agent"]
WITH_AGENT = ["bifrost-agent", "workflow-worker-with-agent"]


def test_every_manifest_is_looked_at():
    assert sorted(m["metadata"]["name"] for m in manifests() if m["kind"] != "Namespace") == PODS


@pytest.mark.parametrize("name", PODS)
def test_pods_are_confined(name):
    pod = pod_of(name)
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["automountServiceAccountToken"] is False
    for container in pod["containers"] + pod.get("initContainers", []):
        rights = container["securityContext"]
        assert (rights["readOnlyRootFilesystem"], rights["allowPrivilegeEscalation"]) == (True, False), container["name"]
        assert rights["capabilities"]["drop"] == ["ALL"], container["name"]
        assert {"requests", "limits"} <= container["resources"].keys(), container["name"]
        assert {m["name"] for m in container["volumeMounts"]} <= {v["name"] for v in pod["volumes"]}, container["name"]


def test_workers_mount_the_agents_directory_read_only_and_trust_its_user():
    agent, worker = pod_of("bifrost-agent"), pod_of("workflow-worker")

    def segment(pod):
        path = next(v["hostPath"]["path"] for v in pod["volumes"] if v["name"] == "segment")
        return path, next(m for m in pod["containers"][0]["volumeMounts"] if m["name"] == "segment")

    assert segment(agent)[0] == segment(worker)[0]
    assert segment(worker)[1]["readOnly"] is True
    assert "readOnly" not in segment(agent)[1]
    variables = {v["name"]: v["value"] for v in worker["containers"][0]["env"]}
    assert variables["BIFROST_AGENT_UID"] == str(agent["securityContext"]["runAsUser"])
    assert variables["BIFROST_SEGMENT_DIR"] == segment(worker)[1]["mountPath"]
    assert agent["securityContext"]["runAsGroup"] in worker["securityContext"]["supplementalGroups"]


@pytest.mark.parametrize("name", WITH_AGENT)
def test_the_agents_container_is_started_and_probed_as_it_can_be(name):
    container = container_of(pod_of(name), "agent")
    used = {word for word in container["args"] if word.startswith("--")}
    assert used and used <= agent_flags()
    port = container["ports"][0]
    assert argument(container, "--metrics").endswith(f":{port['containerPort']}")
    assert container["livenessProbe"]["httpGet"] == {"path": "/livez", "port": port["name"]}
    if name == "bifrost-agent":
        assert container["readinessProbe"]["httpGet"] == {"path": "/readyz", "port": port["name"]}


@pytest.mark.parametrize("name", WITH_AGENT)
def test_the_agents_memory_limit_holds_its_largest_segment_twice(name):
    container = container_of(pod_of(name), "agent")
    units = {"M": 1 << 20, "G": 1 << 30, "Mi": 1 << 20, "Gi": 1 << 30}

    def size(text):
        number, unit = re.fullmatch(r"(\d+)(\w+)", text).groups()
        return int(number) * units[unit]

    largest = size(argument(container, "--max-size"))
    assert size(container["resources"]["limits"]["memory"]) >= 2 * largest + (256 << 20)
    for volume in pod_of(name)["volumes"]:
        if volume.get("emptyDir", {}).get("medium") == "Memory":
            assert size(volume["emptyDir"]["sizeLimit"]) > 2 * largest


def test_a_sidecar_and_its_worker_share_a_directory_that_is_trusted(bare_node, redis_url):
    """The agent as the manifest starts it, below a directory that is open to all, as the kubelet makes an emptyDir."""
    pod = pod_of("workflow-worker-with-agent")
    agent, worker = container_of(pod, "agent"), container_of(pod, "worker")
    mount = {c["name"]: next(m for m in c["volumeMounts"] if m["name"] == "segment") for c in (agent, worker)}
    assert mount["agent"]["mountPath"] == mount["worker"]["mountPath"]
    assert mount["worker"]["readOnly"] is True and "readOnly" not in mount["agent"]
    assert not any("hostPath" in v for v in pod["volumes"])
    segment_dir = next(v["value"] for v in worker["env"] if v["name"] == "BIFROST_SEGMENT_DIR")
    assert argument(agent, "--segment-dir") == segment_dir
    empty_dir = bare_node.directory / "empty-dir"
    empty_dir.mkdir()
    empty_dir.chmod(0o777)
    words = [word.replace(mount["agent"]["mountPath"], str(empty_dir)) for word in agent["args"]]
    words[words.index("--metrics") + 1] = "127.0.0.1:0"
    process = start([AGENT, *words], env={"BIFROST_REDIS_URL": redis_url}, stderr=subprocess.DEVNULL)
    try:
        here = Cachectl(segment_dir.replace(mount["worker"]["mountPath"], str(empty_dir)), redis_url)
        ready = here("wait", "--ready", "--timeout", f"{PATIENCE_S:.0f}s")
        assert ready.returncode == 0, ready.stderr.decode()
    finally:
        end(process)


def test_the_image_that_the_manual_builds_is_the_one_that_the_manifests_want():
    manual = (REPOSITORY / "docs" / "operations.md").read_text(encoding="utf-8")
    built = set(re.findall(r"REGISTRY/(bifrost-agent:\S+)", manual)) - {"bifrost-agent:|'"}
    text = "".join(file.read_text() for file in KUBERNETES.glob("*.yaml"))
    assert built == set(re.findall(r"image: (bifrost-agent:\S+)", text)) == {f"bifrost-agent:{version()}"}


def test_prometheus_finds_the_agents_of_the_manifest():
    agent = next(m for m in manifests() if m["kind"] == "DaemonSet")
    jobs = {}
    for file in ("scrape.yaml", "scrape-kubernetes.yaml"):
        jobs[file] = yaml.safe_load((REPOSITORY / "deploy" / "prometheus" / file).read_text())["scrape_configs"]
    assert [job["job_name"] for found in jobs.values() for job in found] == ["bifrost-agent"] * 2  # as the rules say
    job = jobs["scrape-kubernetes.yaml"][0]
    assert job["kubernetes_sd_configs"][0]["namespaces"]["names"] == [agent["metadata"]["namespace"]]
    kept = {r["source_labels"][0]: r["regex"] for r in job["relabel_configs"] if r.get("action") == "keep"}
    pod = agent["spec"]["template"]
    assert kept == {
        "__meta_kubernetes_pod_label_app_kubernetes_io_name": pod["metadata"]["labels"]["app.kubernetes.io/name"],
        "__meta_kubernetes_pod_container_port_name": pod["spec"]["containers"][0]["ports"][0]["name"]}


def test_the_image_runs_as_the_user_that_the_manifests_name():
    text = CONTAINERFILE.read_text()
    user = pod_of("bifrost-agent")["securityContext"]
    assert re.findall(r"^USER (.*)$", text, re.MULTILINE) == [f"{user['runAsUser']}:{user['runAsGroup']}"]
    command = re.search(r"^CMD (\[.*\])$", text, re.MULTILINE)[1]
    assert set(re.findall(r"--[a-z-]+", command)) <= agent_flags()
    for script in re.findall(r"/source/(tools/\S+)", text):
        assert os.access(REPOSITORY / script, os.X_OK), script
