"""The compiled kernel. Optional: without a C compiler the project installs all the same, and gmpy2 does the work."""

from pathlib import Path

from setuptools import Extension, setup

LINKED = ("crypto", "facilitator", "data_owner", "model_owner")
lost = [name for name in LINKED if not Path("fedtrain", name, "__init__.py").is_file()]
if lost:
    raise SystemExit(
        f"fedtrain/{lost[0]} is no folder: it is a link to ../{lost[0]}, and links were lost on the way here (a zip "
        "archive turns them into text files). Use git clone, a tar.gz archive or the sdist."
    )

NATIVE = Path("fedtrain", "crypto", "engine", "native")

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
