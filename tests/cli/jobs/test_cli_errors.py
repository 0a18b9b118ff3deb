"""Every failure of the command is one line on stderr and an exit code that is not 0."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import threading
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from importlib.metadata import version
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from fedtrain.cli.jobs.client import Service, read_json
from fedtrain.cli.jobs.remedies import REMEDIES
from fedtrain.cli.main import app
from fedtrain.cli.output import Failure, describe_error
from fedtrain.cli.trust.certificates import make_ca
from fedtrain.service.runtime.extras import EXTRA_OF
from fedtrain.service.runtime.tls import server_context
from fedtrain.service.vault.identity_file import load_or_create_identity
from fedtrain.spec.problems import Code, Problem
from tests.harness.certificates import issue
from tests.harness.free_ports import free_port


def fedtrain(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    clean = {name: value for name, value in os.environ.items() if not name.startswith("FEDTRAIN_")}
    return subprocess.run(
        [sys.executable, "-m", "fedtrain.cli.main", *arguments],
        capture_output=True,
        text=True,
        check=False,
        env={**clean, **environment},
    )


def assert_one_line(done: subprocess.CompletedProcess[str], *words: str) -> None:
    assert done.returncode != 0
    assert len(done.stderr.splitlines()) == 1, done.stderr
    assert "Traceback" not in done.stderr
    for word in words:
        assert word in done.stderr


def test_help_names_every_command() -> None:
    done = fedtrain("--help")
    assert done.returncode == 0
    for command in ("facilitator", "data-owner", "model-owner", "deploy", "status", "predict", "cancel", "check"):
        assert command in done.stdout


@pytest.mark.slow
def test_help_has_every_command_in_one_named_group() -> None:
    groups = re.findall(r"^(\S.*):\n((?:  .*\n)+)", fedtrain("--help").stdout, re.MULTILINE)
    titles = [title for title, _ in groups if title != "Options"]
    assert "Commands" not in titles and len(titles) > 3
    listed = [line.split()[0] for title, body in groups if title != "Options" for line in body.splitlines()]
    listed = [word for word in listed if word in typer.main.get_command(app).commands]  # type: ignore[attr-defined]
    assert sorted(listed) == sorted(typer.main.get_command(app).commands)  # type: ignore[attr-defined]


def test_version_is_that_of_the_package() -> None:
    done = fedtrain("--version")
    assert done.returncode == 0
    assert done.stdout.split()[:2] == ["fedtrain", version("federated-trainer")]


@pytest.mark.parametrize("module", sorted(EXTRA_OF))
def test_a_package_of_an_extra_that_is_missing_is_named_with_how_to_install_it(module: str) -> None:
    told = describe_error(ModuleNotFoundError(f"No module named '{module}'", name=f"{module}.part"))
    assert told.startswith(f"{module} is not installed here") and f"install_extra.sh {EXTRA_OF[module]}" in told
    assert "\n" not in told and "internal error" not in told
    assert "internal error" in describe_error(ModuleNotFoundError("No module named 'other'", name="other"))


HTTP_WORDS = re.compile(
    r"\b(GET|POST|PUT|DELETE) /|/docs\b(?!/)|/readyz|Content-Type|Retry-After|Idempotency-Key|bearer|HTTP"
    r"|`errors`|`fixes`"
)


@pytest.mark.parametrize("code", list(Code))
def test_what_to_do_is_told_in_commands_and_options(code: Code) -> None:
    told = describe_error(Problem(code, "It went wrong.", errors=[{"field": "rows", "message": "too many"}]))
    assert "It went wrong." in told and "rows: too many" in told
    assert len(told) > len("It went wrong. | rows: too many")
    assert HTTP_WORDS.search(told) is None, told


def test_the_commands_that_remedies_name_are_there() -> None:
    commands = typer.main.get_command(app).commands  # type: ignore[attr-defined]
    texts = [*REMEDIES.values(), *(code.remedy for code in Code)]
    named = {name for text in texts for name in re.findall(r"`fedtrain ([a-z-]+)", text)}
    assert len(named) > 5 and named <= commands.keys() | {"--help"}


def test_help_imports_no_service() -> None:
    code = "import sys; import fedtrain.cli.main; print(sorted({m.split('.')[0] for m in sys.modules}))"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    for heavy in ("fastapi", "sqlalchemy", "numpy", "pyarrow", "facilitator", "data_owner", "model_owner"):
        assert f"'{heavy}'" not in loaded


def test_no_arguments_show_the_help() -> None:
    done = fedtrain()
    assert done.returncode == 0
    assert "Usage" in done.stdout


def test_unknown_command_is_refused_by_name() -> None:
    assert_one_line(fedtrain("tarin"), "tarin")


def test_unknown_option_is_refused_by_name() -> None:
    assert_one_line(fedtrain("status", "--fast"), "--fast")


@pytest.mark.slow
def test_unreachable_service_is_named_by_its_address() -> None:
    url = f"http://127.0.0.1:{free_port()}"
    assert_one_line(fedtrain("status", "--model-owner", url), url)
    assert_one_line(fedtrain("predict", FEDTRAIN_MODEL_OWNER=url), url)


def test_missing_spec_file_is_named() -> None:
    assert_one_line(fedtrain("deploy", "no-such.json"), "no-such.json")


@pytest.mark.slow
def test_spec_that_is_no_json_is_named_with_line_and_column(tmp_path: Path) -> None:
    spec = tmp_path / "spec.json"
    spec.write_text('{\n  "model_type": oops}\n')
    assert_one_line(fedtrain("deploy", str(spec)), "line 2", "column 17")


@pytest.mark.parametrize("text", ["[" * 100_000, "1" * 5_000])
def test_json_that_no_reader_takes_is_named(text: str, tmp_path: Path) -> None:
    spec = tmp_path / "spec.json"
    spec.write_text(text)
    with pytest.raises(Failure, match=r"spec\.json: nested too deep, or with a number"):
        read_json(spec)


@pytest.mark.parametrize("address", ["http://host:abc", "ftp://host"])
def test_an_address_to_verify_at_that_is_none_is_named_by_its_option(address: str, tmp_path: Path) -> None:
    load_or_create_identity(tmp_path)
    done = CliRunner().invoke(app, ["verify", "0" * 32, "--state-dir", str(tmp_path), "--facilitator", address])
    assert (done.exit_code, "internal" in done.stderr) == (1, False)
    assert done.stderr.startswith(f"fedtrain: --facilitator: {address!r} is no address of a service")


def test_a_facilitator_to_verify_at_may_be_named_without_its_scheme(tmp_path: Path) -> None:
    load_or_create_identity(tmp_path)
    address = f"127.0.0.1:{free_port()}"
    done = CliRunner().invoke(app, ["verify", "0" * 32, "--state-dir", str(tmp_path), "--facilitator", address])
    assert f"The Facilitator at http://{address} cannot be reached: All connection attempts failed" in done.stderr


@pytest.mark.slow
def test_spec_with_an_unknown_field_is_refused_by_name(tmp_path: Path) -> None:
    spec = tmp_path / "spec.json"
    columns = (
        '"features": [{"col_idx": 0, "type": "continuous", "range": [0, 1]}], "target": {"col_idx": 1, "range": [0, 1]}'
    )
    spec.write_text(f'{{"model_type": "LINEAR_REGRESSION", "data_props": {{{columns}, "colour": 1}}}}')
    table = tmp_path / "t.csv"
    table.write_text("1,2\n")
    assert_one_line(fedtrain("check", str(spec), "--data", str(table)), "data_props.colour")


def test_a_problem_is_told_with_its_fields_and_remedy() -> None:
    problem = Problem(
        Code.INVALID_SPEC, "The spec is wrong.", errors=[{"field": "training.rounds", "message": "too big"}]
    )
    line = describe_error(problem)
    assert "The spec is wrong." in line
    assert "training.rounds: too big" in line
    assert "Correct the fields that are named" in line


def test_a_certificate_that_is_not_believed_is_told_with_the_setting_that_names_its_ca(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = datetime.now(UTC)
    ca = make_ca("lenders", now, now + timedelta(days=2))
    pair = issue(ca, "acme", ["localhost"], now, now + timedelta(days=1))
    for name, content in (("ca.pem", ca.certificate), ("cert.pem", pair.certificate), ("key.pem", pair.key)):
        (tmp_path / name).write_bytes(content)
    (tmp_path / "key.pem").chmod(0o600)
    monkeypatch.delenv("FEDTRAIN_CA_FILE", raising=False)
    server = HTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler)
    server.socket = server_context(tmp_path / "cert.pem", tmp_path / "key.pem").wrap_socket(
        server.socket, server_side=True
    )
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    address = f"https://localhost:{server.server_port}"
    try:
        with pytest.raises(Failure, match=r"is not believed .*: FEDTRAIN_CA_FILE names the CA to believe"):
            Service(address).get("/models")
        monkeypatch.setenv("FEDTRAIN_CA_FILE", str(tmp_path / "ca.pem"))
        with pytest.raises(Problem, match="answered 501"):
            Service(address).get("/models")
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_an_unexpected_error_is_told_without_its_trace() -> None:
    line = describe_error(ZeroDivisionError("division by zero"))
    assert line.startswith("internal error, ZeroDivisionError")
    assert "\n" not in line


@pytest.mark.parametrize("error", [Failure("this happened"), OSError(2, "No such file", "x.csv")])
def test_expected_errors_are_not_called_internal(error: Exception) -> None:
    assert "internal" not in describe_error(error)
