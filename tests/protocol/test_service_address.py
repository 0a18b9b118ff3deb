"""Addresses as people write them, and the refusal of what can never be one."""

from __future__ import annotations

import pytest

from protocol.client.address import service_address


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        ("localhost:9090", "http://localhost:9090"),
        ("https://facilitator.example/", "https://facilitator.example"),
        (" 127.0.0.1:8080 ", "http://127.0.0.1:8080"),
        ("http://[::1]:8080", "http://[::1]:8080"),
    ],
)
def test_an_address_is_taken_as_curl_takes_it(given: str, meant: str) -> None:
    assert service_address(given) == meant


@pytest.mark.parametrize("given", ["", "http://", "ftp://host", "://host", "unix:///run/socket"])
def test_what_is_no_address_is_refused_with_how_to_write_one(given: str) -> None:
    with pytest.raises(ValueError, match="http://host:port"):
        service_address(given)


@pytest.mark.parametrize("given", ["https://a:secret@facilitator.example", "a:secret@facilitator.example:8080"])
def test_a_password_is_refused_and_not_repeated(given: str) -> None:
    with pytest.raises(ValueError, match="take them out") as caught:
        service_address(given)
    assert "secret" not in str(caught.value)
