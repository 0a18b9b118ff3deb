"""The containers' health check: it finds the service's own port and TLS, and fails where nobody answers."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from types import ModuleType

import pytest

from fedtrain.cli.trust.certificates import make_ca
from fedtrain.data_owner.settings import DataOwnerSettings
from fedtrain.facilitator.settings import FacilitatorSettings
from fedtrain.model_owner.settings import ModelOwnerSettings
from fedtrain.service.runtime.tls import server_context
from tests.harness.certificates import issue
from tests.harness.free_ports import free_port

SCRIPT = Path(__file__).resolve().parents[2] / "deploy" / "healthcheck.py"


@pytest.fixture(scope="module")
def healthcheck() -> ModuleType:
    spec = importlib.util.spec_from_file_location("healthcheck", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["healthcheck"] = module
    spec.loader.exec_module(module)
    module.TIMEOUT_S = 3600.0  # type: ignore[attr-defined]  # a busy machine may take longer than a probe does
    return module


class _Healthy(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200 if self.path == "/healthz" else 503)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Nothing: it is asked on purpose."""


@contextmanager
def listening(tls: Path | None = None) -> Iterator[int]:
    server = HTTPServer(("127.0.0.1", 0), _Healthy)
    if tls is not None:
        context = server_context(tls / "cert.pem", tls / "key.pem", tls / "ca.pem")
        server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_it_knows_the_ports_that_the_services_have_by_default(healthcheck: ModuleType) -> None:
    settings = {"facilitator": FacilitatorSettings, "model-owner": ModelOwnerSettings, "data-owner": DataOwnerSettings}
    assert {role: kind.model_fields["port"].default for role, kind in settings.items()} == healthcheck.PORTS


def test_options_go_before_the_environment_and_that_before_the_partys_file(
    healthcheck: ModuleType, tmp_path: Path
) -> None:
    (tmp_path / "party.toml").write_text(
        'host = "0.0.0.0"\nport = 1001\ntls_cert = "tls/cert.pem"\ntls_key = "tls/key.pem"\n'
    )
    command = ["python", "fedtrain", "facilitator", "--state-dir", str(tmp_path)]
    found = healthcheck.target(command, {})
    assert (found.host, found.port) == ("127.0.0.1", 1001)
    assert (found.certificate, found.key) == (tmp_path / "tls/cert.pem", tmp_path / "tls/key.pem")
    environment = {"FEDTRAIN_PORT": "1002", "FEDTRAIN_STATE_DIR": str(tmp_path), "FEDTRAIN_HOST": "10.0.0.7"}
    assert healthcheck.target(["fedtrain", "facilitator"], environment).port == 1002
    assert healthcheck.target(["fedtrain", "facilitator"], environment).host == "10.0.0.7"
    assert healthcheck.target(["fedtrain", "facilitator", "--port=1003"], environment).port == 1003
    assert healthcheck.target([*command[:3]], {"FEDTRAIN_STATE_DIR": str(tmp_path / "empty")}).port == 8080
    with pytest.raises(ValueError, match="no service"):
        healthcheck.target(["sleep", "1000"], {})


def test_a_service_that_answers_is_healthy_and_one_that_is_not_ready_is_not(
    healthcheck: ModuleType, capsys: pytest.CaptureFixture[str]
) -> None:
    with listening() as port:
        command = ["fedtrain", "data-owner", "--port", str(port)]
        assert healthcheck.main([], command, {}) == 0
        assert healthcheck.main(["/healthz"], command, {}) == 0
        assert healthcheck.main(["/readyz"], command, {}) == 1
    assert capsys.readouterr().err == "/readyz: HTTP status 503\n"
    assert healthcheck.main([], ["fedtrain", "data-owner", "--port", str(free_port())], {}) == 1
    assert "refused" in capsys.readouterr().err


def test_a_service_that_wants_a_client_certificate_is_shown_its_own(healthcheck: ModuleType, tmp_path: Path) -> None:
    tls = tmp_path / "tls"
    tls.mkdir()
    now = datetime.now(UTC)
    ca = make_ca("lenders", now, now + timedelta(days=2))
    pair = issue(ca, "facilitator", ["localhost", "127.0.0.1"], now, now + timedelta(days=1))
    for name, content in (("ca.pem", ca.certificate), ("cert.pem", pair.certificate), ("key.pem", pair.key)):
        (tls / name).write_bytes(content)
        (tls / name).chmod(0o600)
    with listening(tls) as port:
        (tmp_path / "party.toml").write_text(
            f'port = {port}\ntls_cert = "tls/cert.pem"\ntls_key = "tls/key.pem"\ntls_client_ca = "tls/ca.pem"\n'
        )
        environment = {"FEDTRAIN_STATE_DIR": str(tmp_path)}
        assert healthcheck.main([], ["fedtrain", "facilitator"], environment) == 0
        (tmp_path / "party.toml").write_text(f"port = {port}\n")
        assert healthcheck.main([], ["fedtrain", "facilitator"], environment) == 1


def test_the_script_runs_on_the_standard_library_alone() -> None:
    done = subprocess.run(
        [sys.executable, "-I", "-S", str(SCRIPT)],
        env={"FEDTRAIN_PORT": str(free_port())},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr.startswith("/healthz: ")) == (1, True)
    assert "Traceback" not in done.stderr
