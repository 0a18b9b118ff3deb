def can_run() -> bool: ...
def load(count: int, digits: int, numbers: bytes, pairs: bytes, /) -> bytes: ...
def store(count: int, digits: int, numbers: bytes, residues: bytes, /) -> bytes: ...
def powers(
    count: int,
    digits: int,
    numbers: bytes,
    residues: bytes,
    exponents: bytes,
    exponent_bits: int,
    shared: bool,
    window_bits: int,
    secret: bool,
    /,
) -> bytes: ...
def fixed_base_table(
    count: int, digits: int, numbers: bytes, base: bytes, positions: int, window_bits: int, secret: bool, /
) -> bytes: ...
def fixed_base_powers(
    count: int,
    digits: int,
    numbers: bytes,
    table: bytes,
    exponents: bytes,
    powers: int,
    exponent_bits: int,
    window_bits: int,
    segments: int,
    secret: bool,
    /,
) -> bytes: ...
def joint_tables(
    count: int, digits: int, numbers: bytes, bases: bytes, group_size: int, window_bits: int, /
) -> bytes: ...
def joint_products(
    count: int,
    digits: int,
    numbers: bytes,
    tables: bytes,
    first: bytes,
    first_squarings: int,
    indices: bytes,
    positions: int,
    groups: int,
    segments: int,
    group_size: int,
    window_bits: int,
    /,
) -> bytes: ...
def horner(count: int, digits: int, numbers: bytes, residues: bytes, size: int, shift_bits: int, /) -> bytes: ...
def product(digits: int, modulus: bytes, rows: int, numbers: bytes, /) -> bytes: ...
