"""Each operation of a kernel against gmpy2, at sizes around full lanes: run under sanitizers by the test beside it."""

from __future__ import annotations

import importlib.util
import random
import sys

import gmpy2
from gmpy2 import mpz

from fedtrain.crypto import FixedBaseTable, LocalEngine
from fedtrain.crypto.engine.native import engine as module
from fedtrain.crypto.engine.native.engine import NativeEngine

found = importlib.util.spec_from_file_location("_kernel", sys.argv[1])
assert found is not None and found.loader is not None
kernel = importlib.util.module_from_spec(found)
found.loader.exec_module(kernel)
module._kernel = kernel
module._BUILT = True

native, local, source = NativeEngine(), LocalEngine(), random.Random(3)
compared = 0
for bits in (256, 300, 512, 1040, 4096):
    root = gmpy2.next_prime(mpz(source.getrandbits(bits) | 1 << (bits - 1)) >> 1)
    square = root * root
    for count in (1, 2, 8, 9):
        bases = [mpz(source.randrange(1, int(square))) for _ in range(count)]
        rows = [[source.randrange(-1000, 1001) for _ in bases] for _ in range(3)]
        results = []
        for secret in (False, True):
            results.append(
                (native.powers(bases, 2**70 + 5, square, secret=secret), [pow(b, 2**70 + 5, square) for b in bases])
            )
            table = FixedBaseTable(bases[0], square, 77, 4, secret=secret)
            exponents = [source.getrandbits(77) for _ in bases]
            results.append((native.fixed_base_powers(table, exponents), [pow(bases[0], e, square) for e in exponents]))
        results.append((native.product([bases, bases], square), local.product([bases, bases], square)))
        groups = [bases, bases[:1]]
        results.append((native.horner(groups, 9, square), local.horner(groups, 9, square)))
        packed = (bases, rows, 10, square, 2, 12)
        results.append((native.multi_exponentiate_packed(*packed), local.multi_exponentiate_packed(*packed)))
        results.append((native.horner([bases] * 9, 3, square), local.horner([bases] * 9, 3, square)))
        for ours, expected in results:
            assert ours == expected, (bits, count)
            compared += 1
sys.stdout.write(f"compared {compared}\n")
