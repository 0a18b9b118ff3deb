"""Addresses as people write them, and the refusal of what can never be one."""

from __future__ import annotations

import pytest

from fedtrain.client.address import service_address


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


@pytest.mark.parametrize(
    "given",
    [
        *("", "http://", "ftp://host", "://host", "unix:///run/socket"),
        *("http://host:abc", "host:99999", "host:0", "http://[::1", "http://host:8080/?model=1"),
    ],
)
def test_what_is_no_address_is_refused_with_how_to_write_one(given: str) -> None:
    with pytest.raises(ValueError, match="http://host:port"):
        service_address(given)


@pytest.mark.parametrize("given", ["https://a:secret@facilitator.example", "a:secret@facilitator.example:8080"])
def test_a_password_is_refused_and_not_repeated(given: str) -> None:
    with pytest.raises(ValueError, match="take them out") as caught:
        service_address(given)
    assert "secret" not in str(caught.value)


def test_what_may_be_a_password_in_no_address_is_not_repeated() -> None:
    with pytest.raises(ValueError, match="http://host:port") as caught:
        service_address("https://a:sec/ret@facilitator.example")
    assert "ret" not in str(caught.value)
