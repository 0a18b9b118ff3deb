"""The compiled kernel. Optional: without a C compiler the project installs all the same, and gmpy2 does the work."""

from pathlib import Path

from setuptools import Extension, setup

NATIVE = Path("crypto", "engine", "native")

setup(
    ext_modules=[
        Extension(
            "fedtrain.crypto.engine.native._kernel",
            sorted(map(str, NATIVE.glob("*.c"))),
            depends=sorted(map(str, NATIVE.glob("*.h"))),
            extra_compile_args=["-std=c11", "-O3", "-fvisibility=hidden"],
            py_limited_api=True,
            optional=True,
        )
    ],
    options={"bdist_wheel": {"py_limited_api": "cp311"}},
)
