from __future__ import annotations

import inspect
import pickle

import pytest

from fedtrain import crypto
from fedtrain.crypto import errors


def test_all_names_exactly_what_is_exported() -> None:
    public = {name for name, value in vars(crypto).items() if not name.startswith("_") and not inspect.ismodule(value)}
    assert public == set(crypto.__all__)


def test_every_error_of_the_tree_is_exported_and_is_a_crypto_error() -> None:
    classes = {name for name, value in vars(errors).items() if inspect.isclass(value) and not name.startswith("_")}
    assert classes <= set(crypto.__all__)
    assert all(issubclass(getattr(crypto, name), crypto.CryptoError) for name in classes)


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (crypto.CapacityExceeded(130, 124), ("130", "124")),
        (crypto.KeyMismatch(expected="aa", received="bb"), ("aa", "bb")),
        (crypto.ScaleMismatch(expected=40, received=41), ("40", "41")),
        (crypto.LayoutMismatch(expected="(3, 1)", received="(1, 3)"), ("(3, 1)", "(1, 3)")),
        (crypto.MalformedCiphertext(7, "too long"), ("7", "too long")),
        (crypto.MalformedKey("it is even"), ("it is even",)),
        (crypto.KeyTooSmall(1024, 2048), ("1024", "2048")),
        (crypto.DecodedOutOfBound(5, 60), ("5", "60")),
    ],
)
def test_an_error_says_both_values_and_survives_the_way_back_from_a_worker(
    error: Exception, said: tuple[str, ...]
) -> None:
    copy = pickle.loads(pickle.dumps(error))  # noqa: S301 - our own bytes
    assert type(copy) is type(error)
    assert str(copy) == str(error)
    assert vars(copy) == vars(error)
    for part in said:
        assert part in str(error)
