"""Without a compiler, without oneDNN, or with a compiler that fails: plain XLA serves, and it is said why."""

import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

import flambeau as torch
from flambeau.base.config import config
from flambeau.kernels import building, library
from flambeau.kernels.building import Toolchain, Unavailable, built

COMPUTES = (
    "import flambeau as torch; x = torch.ones(1, 1, 3, 3, requires_grad=True); "
    "torch.conv2d(x, torch.ones(1, 1, 2, 2)).sum().backward(); print(x.grad.sum().item()); print(torch.show_config())"
)

# Each is compiled by itself; one more call links them.
SOURCES = len(list(building._NATIVE.glob("*.cc")))


def compiler(folder: Path, script: str) -> str:
    """A compiler that is a shell script; it notes each call, and finds the file to write in ``$made``."""
    path = folder / "compiler"
    find = 'while [ "$1" != -o ]; do shift; done; made="$2"'
    path.write_text(f"#!/bin/sh\necho call >> {folder}/calls\n{find}\n{script}\n")
    path.chmod(0o700)
    return str(path)


@pytest.fixture
def tools(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Toolchain:
    """Tools that exist, a compiler that works (it writes an empty file), and a folder of our own."""
    monkeypatch.setattr(config, "kernel_folder", tmp_path / "built")
    (tmp_path / "libdnnl.so.3").touch()
    return Toolchain(compiler(tmp_path, 'sleep 0.2; : > "$made"'), tmp_path, tmp_path / "libdnnl.so.3")


def calls(folder: Path) -> int:
    return len((folder / "calls").read_text().split())


def run(**environment: str) -> tuple[str, str]:
    """What a new process computes and says, and what it logs."""
    outcome = subprocess.run(
        [sys.executable, "-c", COMPUTES],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    return outcome.stdout, outcome.stderr


@pytest.mark.parametrize(
    ("environment", "says"),
    [
        ({"FLAMBEAU_KERNELS": "0"}, "CPU kernels: off (FLAMBEAU_KERNELS=0)"),
        ({"CXX": "/nowhere/c++"}, "CPU kernels: off: "),
    ],
    ids=["forbidden", "no compiler"],
)
def test_plain_xla_serves(environment: dict[str, str], says: str) -> None:
    printed, logged = run(**environment)
    assert printed.startswith("16.0\n")
    assert says in printed
    assert "kernels" not in logged


def test_missing_packages_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(building.sys, "platform", "linux")
    monkeypatch.setattr(building.platform, "machine", lambda: "x86_64")
    monkeypatch.setattr(building, "_RUNTIME", "no-such-package")
    with pytest.raises(Unavailable, match=r"no-such-package is not installed: pip install 'flambeau\[kernels\]'"):
        building._looked_for()


def test_other_platforms_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(building.platform, "machine", lambda: "riscv64")
    with pytest.raises(Unavailable, match=r"is for Linux on x86-64, this is .* on riscv64"):
        building._looked_for()


def test_a_failed_compilation_is_kept_and_not_tried_again(tools: Toolchain, tmp_path: Path) -> None:
    failing = tools._replace(compiler=compiler(tmp_path, "echo no such header >&2; exit 1"))
    with pytest.raises(Unavailable, match=r"compiling them failed; .*\.failed says how"):
        built(failing)
    tried = calls(tmp_path)
    with pytest.raises(Unavailable, match=r"compiling them failed; .*\.failed says how"):
        built(failing)
    assert calls(tmp_path) == tried <= SOURCES
    (text,) = [path.read_text() for path in (tmp_path / "built").glob("*.failed")]
    assert ".cc -o " in text
    assert text.endswith("no such header\n")
    assert not list((tmp_path / "built").glob("building-*"))


def test_a_compiler_that_does_not_end(tools: Toolchain, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(building, "_PATIENCE", 0.3)
    with pytest.raises(Unavailable, match="took longer than 0 seconds"):
        built(tools._replace(compiler=compiler(tmp_path, "exec sleep 60")))


def test_a_compiler_that_cannot_be_run(tools: Toolchain, tmp_path: Path) -> None:
    broken = tmp_path / "broken"
    broken.write_bytes(b"\x7fELF nothing")
    broken.chmod(0o700)
    with pytest.raises(Unavailable, match="broken cannot be run"):
        built(tools._replace(compiler=str(broken)))


def test_those_who_come_at_once_build_once(tools: Toolchain, tmp_path: Path) -> None:
    found: list[Path] = []
    threads = [threading.Thread(target=lambda: found.append(built(tools)[0])) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert len(found) == 4
    assert len(set(found)) == 1
    assert calls(tmp_path) == SOURCES + 1
    built(tools)
    assert calls(tmp_path) == SOURCES + 1


def test_other_tools_build_another_library(tools: Toolchain, tmp_path: Path) -> None:
    first, key = built(tools)
    (tmp_path / "other.so").touch()
    second, other = built(tools._replace(library=tmp_path / "other.so"))
    assert first != second
    assert key != other


def test_a_folder_that_others_can_write_to_is_refused(tools: Toolchain, tmp_path: Path) -> None:
    (tmp_path / "built").mkdir()
    (tmp_path / "built").chmod(0o777)
    with pytest.raises(Unavailable, match="belongs to, or can be written by, somebody else"):
        built(tools)


def test_a_folder_that_cannot_be_made(tools: Toolchain, tmp_path: Path) -> None:
    (tmp_path / "built").write_text("a file")
    with pytest.raises(Unavailable, match="cannot be made"):
        built(tools)


def test_no_folder(tools: Toolchain, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(config, "kernel_folder", None)
    with pytest.raises(Unavailable, match=r"there is no folder to keep them in \(FLAMBEAU_CACHE=0\)"):
        built(tools)


def test_what_cannot_be_loaded_is_said_once(
    tools: Toolchain, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The compiler of the fixture writes an empty file, which is no library."""
    monkeypatch.setattr(config, "kernels", True)
    monkeypatch.setattr(library, "toolchain", lambda: tools)
    for name, value in (("_tried", False), ("_key", None), ("_reason", "")):
        monkeypatch.setattr(library, name, value)
    assert library.target("flambeau_convolution") is None
    assert library.target("flambeau_convolution") is None
    assert "cannot be loaded" in library.status()
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert "CPU kernels are not used: the library cannot be loaded" in caplog.text
    assert "CPU kernels: off: the library cannot be loaded" in torch.show_config()
