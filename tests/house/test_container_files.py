"""Dockerfile, compose and Kubernetes files: what they name exists, what must not be in an image is not.

No container engine runs here. These tests read the files as an engine would, and hold every command, option, setting,
port, path and probe in them against the command line, the settings and the routes.
"""

from __future__ import annotations

import fnmatch
import os
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from fedtrain.cli.trust.consortium import read_consortium
from fedtrain.data_owner.settings import DataOwnerSettings
from fedtrain.facilitator.settings import FacilitatorSettings
from fedtrain.model_owner.settings import ModelOwnerSettings
from fedtrain.service.runtime.settings import ServiceSettings
from fedtrain.service.web.access import PUBLIC_PATHS

ROOT = Path(__file__).resolve().parents[2]
DEPLOY = ROOT / "deploy"
SETTINGS: dict[str, type[ServiceSettings]] = {
    "facilitator": FacilitatorSettings,
    "data-owner": DataOwnerSettings,
    "model-owner": ModelOwnerSettings,
}
PROBE = ["python", "/opt/fedtrain/healthcheck.py"]
MANIFESTS = sorted((DEPLOY / "kubernetes").glob("*.yaml"))


def instructions() -> list[tuple[str, str]]:
    """The Dockerfile's instructions, continued lines joined, comments left out."""
    lines = [line for line in (DEPLOY / "Dockerfile").read_text().splitlines() if not line.lstrip().startswith("#")]
    joined = re.sub(r"\\\n\s*", " ", "\n".join(lines))
    return [(line.split(None, 1)[0], line.split(None, 1)[1]) for line in joined.splitlines() if line.strip()]


def of(kind: str) -> list[str]:
    return [rest for word, rest in instructions() if word == kind]


RULES = [line for line in (ROOT / ".dockerignore").read_text().splitlines() if line and not line.startswith("#")]


def is_let_in(path: str) -> bool:
    """Say whether .dockerignore lets a file into a build: the last pattern that fits it, or a folder that it is in."""
    let_in, with_folders = True, [path, *(folder.as_posix() for folder in Path(path).parents)]
    for rule in RULES:
        if fnmatch.filter(with_folders, rule.removeprefix("!").replace("**/", "*")):
            let_in = rule.startswith("!")
    return let_in


def context() -> list[str]:
    """Files and links that get into a build, but those in folders with a dot before their name, which are many."""
    paths = []
    for folder, folders, names in os.walk(ROOT):
        folders[:] = [name for name in folders if not name.startswith(".")]
        links = [name for name in folders if (Path(folder) / name).is_symlink()]
        paths += [(Path(folder) / name).relative_to(ROOT).as_posix() for name in (*names, *links)]
    return [path for path in paths if is_let_in(path)]


def settings_in(environment: Mapping[str, str]) -> set[str]:
    return {name.removeprefix("FEDTRAIN_").lower() for name in environment if name.startswith("FEDTRAIN_")}


# The image


def test_what_goes_into_a_build_is_the_packages_and_no_test_state_or_key() -> None:
    allowed = set(context())
    packages = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["packages"]["find"]["include"]
    tops = {path.split("/")[0] for path in allowed}
    assert tops == {
        *(package.removesuffix("*") for package in packages),
        *(link.name for link in (ROOT / "fedtrain").iterdir() if link.is_symlink()),
        *("LICENSE", "README.md", "pyproject.toml", "requirements.txt", "setup.py", "deploy"),
    }
    kept = (".key", ".pem", ".token", ".tar", ".so")
    assert not [path for path in allowed if "test" in path or path.endswith(kept)]
    assert {"requirements.txt", "fedtrain/service/problems/texts.toml", "deploy/healthcheck.py"} <= allowed
    for kept_out in (".fedtrain/demo/parties/acme/identity.key", ".git/config", ".venv/pyvenv.cfg"):
        assert not is_let_in(kept_out)
    for half_written in ("fedtrain/cli/__pycache__/main.cpython-311.pyc.140", "fedtrain/service/__pycache__/x.pyc.1"):
        assert not is_let_in(half_written)  # by any process that is the first to import it


def test_every_file_that_is_copied_is_there_and_let_in() -> None:
    allowed = context()
    sources = [source for rest in of("COPY") if "--from" not in rest for source in rest.split()[:-1]]
    assert sources
    for source in sources:
        assert any(path == source or path.startswith(f"{source}/") for path in allowed), source


def test_both_stages_stand_on_one_pinned_python_that_the_lock_is_for() -> None:
    images = [rest.split()[0] for rest in of("FROM")]
    assert len(set(images)) == 1
    python = re.fullmatch(r"python:(\d+\.\d+)-slim-bookworm", images[0])
    assert python
    assert f"with Python {python[1]}" in (ROOT / "requirements.txt").read_text()


def test_packages_come_by_their_hashes_and_the_service_is_not_root() -> None:
    installs = [rest for rest in of("RUN") if "pip install" in rest]
    assert len(installs) == 2
    assert "--require-hashes" in installs[0]
    assert "--no-deps --no-build-isolation" in installs[1]
    last = [word for word, _ in instructions()]
    assert of("USER") == ["10001:10001"]
    assert last.index("USER") < last.index("ENTRYPOINT")


def test_the_image_starts_the_command_and_its_settings_are_settings() -> None:
    scripts = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["scripts"]
    assert of("ENTRYPOINT") == [f'["{next(iter(scripts))}"]']
    names = set(re.findall(r"FEDTRAIN_(\w+)=", " ".join(of("ENV"))))
    assert names
    assert {name.lower() for name in names} <= set(ServiceSettings.model_fields)


def test_the_image_asks_a_route_that_everyone_may_ask() -> None:
    (check,) = of("HEALTHCHECK")
    command = yaml.safe_load(check.split("CMD", 1)[1])
    assert command[:2] == PROBE
    assert command[2] in PUBLIC_PATHS
    assert f"COPY deploy/healthcheck.py {PROBE[1]}" in (DEPLOY / "Dockerfile").read_text()


# Compose


@pytest.fixture(scope="module")
def compose() -> Any:
    return yaml.safe_load((DEPLOY / "compose.yaml").read_text())


def test_compose_starts_every_party_of_its_consortium_in_its_role(compose: Any) -> None:
    consortium = read_consortium(DEPLOY / "consortium.toml")
    roles = {consortium.facilitator.name: "facilitator"}
    roles |= {party.name: "model-owner" for party in consortium.model_owner}
    roles |= {party.name: "data-owner" for party in consortium.data_owner}
    assert {name: service["command"] for name, service in compose["services"].items()} == {
        name: [role] for name, role in roles.items()
    }
    for name, service in compose["services"].items():
        assert f"./parties/{name}:/state" in service["volumes"]


def test_compose_sets_settings_of_the_role_and_publishes_the_port_of_the_address(compose: Any) -> None:
    for name, service in compose["services"].items():
        assert settings_in(service["environment"]) <= set(SETTINGS[service["command"][0]].model_fields), name
    url = read_consortium(DEPLOY / "consortium.toml").facilitator.url
    port = url.rsplit(":", 1)[1]
    assert compose["services"]["facilitator"]["ports"] == [f"{port}:{port}"]
    assert not any("ports" in service for name, service in compose["services"].items() if name != "facilitator")


def test_compose_takes_every_right_away_that_a_service_does_not_need(compose: Any) -> None:
    for service in compose["services"].values():
        assert service["read_only"] is True
        assert service["cap_drop"] == ["ALL"]
        assert service["security_opt"] == ["no-new-privileges:true"]
        assert service["build"] == {"context": "..", "dockerfile": "deploy/Dockerfile"}
        assert all(volume.endswith(":ro") for volume in service["volumes"] if not volume.endswith(":/state"))


def test_what_is_waited_for_is_there_and_has_a_health_check(compose: Any) -> None:
    waits = [service["depends_on"] for service in compose["services"].values() if "depends_on" in service]
    assert len(waits) == 4
    assert all(wait == {"facilitator": {"condition": "service_healthy"}} for wait in waits)
    assert of("HEALTHCHECK")


def test_compose_with_postgresql_gives_the_facilitator_its_database_and_no_password_in_an_address() -> None:
    more = yaml.safe_load((DEPLOY / "compose.postgres.yaml").read_text())
    environment = more["services"]["facilitator"]["environment"]
    assert settings_in(environment) <= set(FacilitatorSettings.model_fields)
    assert re.fullmatch(r"postgresql://\w+@database/\w+", environment["FEDTRAIN_DATABASE_URL"])
    assert more["services"]["facilitator"]["depends_on"] == {"database": {"condition": "service_healthy"}}
    assert "healthcheck" in more["services"]["database"]
    assert set(more["volumes"]) == {"database"}


def test_compose_with_dask_has_a_scheduler_and_two_workers_that_see_the_owners_table_under_its_path(
    compose: Any,
) -> None:
    more = yaml.safe_load((DEPLOY / "compose.dask.yaml").read_text())
    services, owner = more["services"], compose["services"]["hospital-a"]
    assert set(services) == {"hospital-a", "dask-scheduler", "dask-worker-1", "dask-worker-2"}
    engine = services["hospital-a"]["environment"]["FEDTRAIN_ENGINE"]
    assert DataOwnerSettings(state_dir=Path("state"), engine=engine).engine == engine
    name, port = engine.removeprefix("dask://").split(":")
    assert services[name]["command"][:2] == ["--port", port]
    for worker in ("dask-worker-1", "dask-worker-2"):
        assert services[worker]["command"][0] == f"tcp://{name}:{port}"
        assert services[worker]["volumes"] == [mount for mount in owner["volumes"] if ":/data" in mount] != []
    for service in services.values():
        assert service["image"].endswith("-dask") and (DEPLOY.parent / service["build"]["dockerfile"]).is_file()
        assert "dask" in service["networks"] and "ports" not in service
    for added in (services[one] for one in services if one.startswith("dask-")):
        assert added["read_only"] and added["cap_drop"] == ["ALL"] and added["networks"] == ["dask"]
    assert more["networks"] == {"dask": {"internal": True}}


@pytest.mark.parametrize("command", ["dask-scheduler", "dask-worker-1"])
def test_dask_knows_every_option_that_compose_gives_it(command: str) -> None:
    service = yaml.safe_load((DEPLOY / "compose.dask.yaml").read_text())["services"][command]
    shown = subprocess.run([sys.executable, "-m", *service["entrypoint"], "--help"], capture_output=True, text=True)
    options = [word for word in service["command"] if word.startswith("--")]
    assert options and all(re.search(rf"{option}\b", shown.stdout) for option in options)


def test_the_image_with_dask_takes_the_locks_versions_and_is_not_root() -> None:
    lines = (DEPLOY / "Dockerfile.dask").read_text().splitlines()
    assert lines[-1] == "USER 10001:10001"
    (pattern,) = re.findall(r"grep -oE '([^']+)'", "\n".join(lines))
    versions = re.findall(pattern, (ROOT / "requirements-test.txt").read_text(), re.MULTILINE)
    assert {"dask", "distributed"} <= {version.split("==")[0] for version in versions}
    assert (DEPLOY / "Dockerfile.dask.dockerignore").read_text().splitlines()[1:] == ["*", "!requirements-test.txt"]


# Kubernetes


def documents(path: Path) -> dict[str, Any]:
    return {document["kind"]: document for document in yaml.safe_load_all(path.read_text())}


def containers(path: Path) -> Iterator[dict[str, Any]]:
    pod = documents(path)["StatefulSet"]["spec"]["template"]["spec"]
    yield from [*pod["initContainers"], *pod["containers"]]


def test_there_is_a_manifest_for_every_role() -> None:
    assert [path.stem for path in MANIFESTS] == sorted(SETTINGS)


@pytest.mark.parametrize("path", MANIFESTS, ids=lambda path: path.stem)
def test_a_stateful_set_starts_one_service_of_the_role(path: Path) -> None:
    spec = documents(path)["StatefulSet"]["spec"]
    (container,) = spec["template"]["spec"]["containers"]
    assert spec["replicas"] == 1
    assert container["args"] == [path.stem]
    environment = {one["name"]: one["value"] for one in container["env"]}
    assert settings_in(environment) <= set(SETTINGS[path.stem].model_fields)
    assert spec["selector"]["matchLabels"].items() <= spec["template"]["metadata"]["labels"].items()


@pytest.mark.parametrize("path", MANIFESTS, ids=lambda path: path.stem)
def test_probes_ask_routes_that_everyone_may_ask(path: Path) -> None:
    (container,) = documents(path)["StatefulSet"]["spec"]["template"]["spec"]["containers"]
    asked = {name: container[f"{name}Probe"]["exec"]["command"] for name in ("startup", "liveness", "readiness")}
    assert asked == {
        "startup": [*PROBE, "/healthz"],
        "liveness": [*PROBE, "/healthz"],
        "readiness": [*PROBE, "/readyz"],
    }
    assert {command[2] for command in asked.values()} <= PUBLIC_PATHS


@pytest.mark.parametrize("path", MANIFESTS, ids=lambda path: path.stem)
def test_nothing_in_a_pod_is_root_or_writes_where_it_need_not(path: Path) -> None:
    pod = documents(path)["StatefulSet"]["spec"]["template"]["spec"]
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["runAsUser"] == int(of("USER")[0].split(":")[0])
    assert pod["automountServiceAccountToken"] is False
    for container in containers(path):
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }


@pytest.mark.parametrize("path", MANIFESTS, ids=lambda path: path.stem)
def test_every_mount_has_its_volume_and_every_port_its_name(path: Path) -> None:
    spec = documents(path)["StatefulSet"]["spec"]
    volumes = {volume["name"] for volume in spec["template"]["spec"]["volumes"]}
    volumes |= {claim["metadata"]["name"] for claim in spec["volumeClaimTemplates"]}
    for container in containers(path):
        assert {mount["name"] for mount in container["volumeMounts"]} <= volumes
    service = documents(path).get("Service")
    if service is None:
        assert path.stem == "data-owner"
        return
    (container,) = spec["template"]["spec"]["containers"]
    assert service["spec"]["selector"] == spec["selector"]["matchLabels"]
    assert [port["targetPort"] for port in service["spec"]["ports"]] == [port["name"] for port in container["ports"]]
    assert spec["serviceName"] == service["metadata"]["name"]


def test_the_first_start_unpacks_what_provision_made_and_later_ones_leave_it(tmp_path: Path) -> None:
    out = tmp_path / "parties"
    subprocess.run(
        [
            sys.executable,
            "-m",
            "fedtrain.cli.main",
            "provision",
            "--demo",
            str(DEPLOY / "consortium.toml"),
            "--out",
            str(out),
        ],
        cwd=ROOT,
        check=True,
        capture_output=True,
    )
    state, party = tmp_path / "state", tmp_path / "party"
    state.mkdir()
    party.mkdir()
    shutil.copy(out / "hospital-a.tar", party / "party.tar")
    (unpack,) = documents(DEPLOY / "kubernetes" / "data-owner.yaml")["StatefulSet"]["spec"]["template"]["spec"][
        "initContainers"
    ]
    command = [word.replace("/state", str(state)).replace("/party/", f"{party}/") for word in unpack["command"]]
    subprocess.run(command, check=True)
    assert (state / "party.toml").read_text() == (out / "hospital-a" / "party.toml").read_text()
    (state / "party.toml").write_text("# by hand\n")
    (state / "identity.key").chmod(0o660)  # as fsGroup leaves it
    subprocess.run(command, check=True)
    assert (state / "party.toml").read_text() == "# by hand\n"
    assert (state / "identity.key").stat().st_mode & 0o777 == 0o600


# The build, as far as it goes without an engine


@pytest.mark.slow
def test_the_steps_of_the_dockerfile_make_a_command_that_starts(tmp_path: Path) -> None:
    """COPY and RUN of the first stage, in folders below `tmp_path` in place of / (the packages come from the network),
    then the command that the image starts."""
    source, target = tmp_path / "src", tmp_path / "opt" / "fedtrain"
    source.mkdir()
    target.parent.mkdir()
    allowed = context()
    first_stage = instructions()[: [word for word, _ in instructions()].index("FROM", 1)]
    for word, rest in first_stage:
        if word == "COPY":
            *sources, destination = rest.split()
            for path in (path for path in allowed if any(path == one or path.startswith(f"{one}/") for one in sources)):
                to = Path(destination.replace("/opt/fedtrain", str(target)))
                to = to if to.is_absolute() else source / path
                to.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(ROOT / path, to, follow_symlinks=False)
        elif word == "RUN" and not rest.startswith("apt-get "):  # the image's system, not this one's
            command = rest.replace("/opt/fedtrain", str(target)).replace("python -m venv", f"{sys.executable} -m venv")
            patient = {"PIP_RETRIES": "20", "PIP_DEFAULT_TIMEOUT": "120", **os.environ}
            done = subprocess.run(
                ["sh", "-c", command], cwd=source, env=patient, capture_output=True, text=True, check=False
            )
            assert done.returncode == 0, done.stdout + done.stderr
    shutil.rmtree(source)  # the second stage has /opt/fedtrain alone
    state = tmp_path / "state"
    environment = {"PATH": f"{target}/bin:/usr/bin:/bin", "FEDTRAIN_STATE_DIR": str(state), "FEDTRAIN_PORT": "0"}
    environment |= {"FEDTRAIN_LOG_FORMAT": "json", "FEDTRAIN_WORKERS": "1"}
    started = subprocess.Popen(
        ["fedtrain", "facilitator"], env=environment, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    assert started.stdout is not None
    try:
        said = []
        for line in started.stdout:
            said.append(line)
            if b'"listening"' in line:
                break
        url = re.search(rb"http://[^\"]+", said[-1])
        assert url, b"".join(said)
        http = httpx.Client(base_url=url[0].decode(), trust_env=False, timeout=3600)
        assert http.get("/healthz").json() == {"status": "ok"}
        assert http.get("/problems/internal").status_code == 200
        http.close()
        port = url[0].decode().rsplit(":", 1)[1]
        probe = [f"{target}/bin/python", str(target / "healthcheck.py")]
        # The first process of this machine is another than the service's, so the port is given.
        asked = subprocess.run(probe, env={**environment, "FEDTRAIN_PORT": port}, check=False)
        assert asked.returncode == 0
    finally:
        started.terminate()
        assert started.wait() == 0
