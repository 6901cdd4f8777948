"""Write the doorplate's table: which public name lives in which module, read off the modules' ``__all__``.

python scripts/doorplate.py          rewrite src/flambeau/_names.py
python scripts/doorplate.py --check  fail if it is not what it should be
"""

import ast
import sys
import textwrap
from pathlib import Path

SOURCE = Path(__file__).resolve().parent.parent / "src" / "flambeau"
TARGET = SOURCE / "_names.py"

# Modules whose public names are names of the package, and the names of theirs that are not.
MODULES: dict[str, set[str]] = {
    "tensors/tensor.py": set(),
    "tensors/creation.py": {"Creation", "filled"},
    "tensors/ranges.py": set(),
    "tensors/index_ranges.py": set(),
    "tensors/binning.py": set(),
    "tensors/parts.py": set(),
    "tensors/slopes.py": set(),
    "nn/functional/native.py": set(),
    "nn/functional/aten.py": set(),
    "tensors/segments.py": set(),
    "tensors/selection.py": {"Selection"},
    "tensors/legacy.py": {"Legacy"},
    "tensors/windows.py": {"cosines", "kaiser", "triangle"},
    "tensors/random.py": {"Random", "device_key", "drawn_tensor", "fork_rng", "default_generator", "on_tape_of"},
    "tensors/counts.py": set(),
    "tensors/generator.py": {"device_key", "fork_rng", "keys_after"},
    "tensors/printing.py": {"Printing", "Which", "get_printoptions", "printoptions", "tensor_text"},
    "base/shapes.py": {
        "broadcast",
        "contiguous_strides",
        "hashable",
        "infer_shape",
        "normalize_axes",
        "normalize_axis",
    },
    "devices/device.py": {"CPU", "META", "as_device"},
    "dtypes/kinds.py": {"DTYPES", "from_numpy_dtype", "python_dtype", "set_default_dtype", "named"},
    "dtypes/layouts.py": {"LAYOUTS", "MEMORY_FORMATS"},
    "dtypes/limits.py": set(),
    "differentiation/modes.py": set(),
    "serialization/loading.py": {"built"},
    "serialization/saving.py": {"prepared"},
    "inspection/configuration.py": set(),
    "inspection/summary.py": {"Row", "Summary"},
    "transforms/vmap.py": set(),
    "compiler/compiling.py": set(),
    "amp/state.py": {"enabled_types", "is_autocast_available", "is_present", "kept"},
    "autograd/anomaly_mode.py": {"detect_anomaly", "set_detect_anomaly"},
    "amp/autocast_mode.py": {"custom_bwd", "custom_fwd", "is_autocast_available"},
    **{
        str(path.relative_to(SOURCE)): set()
        for path in sorted((SOURCE / "functions").glob("[a-z]*.py"))
        if path.name != "making.py"
    },
}

# Names that PyTorch has at its top, too, of modules that have many others.
SOME: dict[str, str] = {
    "base/errors.py": "OutOfMemoryError",
    "nn/functional/__init__.py": (
        "adaptive_avg_pool1d avg_pool1d bilinear celu celu_ channel_shuffle conv1d conv2d conv3d conv_tbc "
        "conv_transpose1d conv_transpose2d conv_transpose3d cosine_similarity hardshrink max_pool1d max_pool2d "
        "max_pool3d native_channel_shuffle pairwise_distance pdist pixel_shuffle pixel_unshuffle prelu rms_norm "
        "rrelu rrelu_ selu selu_ threshold threshold_"
    ),
}


def exported(path: Path) -> list[str]:
    """Names in a module's ``__all__``."""
    for statement in ast.parse(path.read_text()).body:
        if isinstance(statement, ast.Assign) and getattr(statement.targets[0], "id", "") == "__all__":
            return [str(name) for name in ast.literal_eval(statement.value)]
    return []


def dotted(module: str) -> str:
    """A module's name, from its path."""
    return "flambeau." + module.removesuffix(".py").removesuffix("/__init__").replace("/", ".")


def text() -> str:
    """The table as a module."""
    seen: set[str] = set()
    homes: dict[str, list[str]] = {}
    for module, hidden in MODULES.items():
        path = SOURCE / module
        if not path.exists():
            continue
        found = sorted(set(exported(path)) - hidden - seen)
        seen.update(found)
        homes[dotted(module)] = found
    for module, names in SOME.items():
        present = set(exported(SOURCE / module)) - seen
        homes[dotted(module)] = [name for name in names.split() if name in present]
    lines = [
        '"""Which public name lives in which module. Made by scripts/doorplate.py; do not edit."""',
        "",
        "_NAMES: dict[str, str] = {",
    ]
    for module, names in homes.items():
        if names:
            rows = textwrap.wrap(" ".join(names), 112, break_on_hyphens=False)
            lines += [f'    "{module}": """', *(f"        {row}" for row in rows), '    """,']
    lines += [
        "}",
        "HOMES: dict[str, str] = {name: module for module, names in _NAMES.items() for name in names.split()}",
    ]
    return "\n".join([*lines, ""])


def main() -> int:
    """Write the table, or compare it."""
    wanted = text()
    if "--check" not in sys.argv:
        TARGET.write_text(wanted)
        return 0
    if TARGET.exists() and TARGET.read_text() == wanted:
        return 0
    print("src/flambeau/_names.py is not up to date: run scripts/fix")
    return 1


if __name__ == "__main__":
    sys.exit(main())
