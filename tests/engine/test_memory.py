"""Freed memory stays with the process for the next step, and goes back once a program has been compiled."""

import os
import platform
import subprocess
import sys

import pytest

_SCRIPT = """
import resource
import flambeau as torch

def resident():
    return int(open("/proc/self/status").read().split("VmRSS:")[1].split()[0]) // 1024

x = torch.ones(64, 2**16)
faults = []
for _ in range(6):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    ((x.logcumsumexp(0) * x) @ x.t()).sum().item()
    faults.append(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
large = [x * index for index in range(20)]
sum(item.sum() for item in large).item()
many = resident()
del large
torch.ones(3, 5).mul(2).tolist()
print(sorted(faults)[3], many - resident())
"""


def _measured(**settings: str) -> tuple[int, int]:
    """Page faults of a step, and megabytes given back after values were dropped and a program was compiled."""
    environment = {**os.environ, **settings}
    done = subprocess.run([sys.executable, "-c", _SCRIPT], env=environment, capture_output=True, text=True, check=True)
    faults, given_back = done.stdout.split()
    return int(faults), int(given_back)


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc is set")
def test_steps_reuse_memory_and_what_is_left_over_goes_back() -> None:
    faults, given_back = _measured()
    usual, _ = _measured(FLAMBEAU_KEEP_MEMORY="0")
    assert faults < 0.75 * usual, (faults, usual)
    assert given_back > 100
