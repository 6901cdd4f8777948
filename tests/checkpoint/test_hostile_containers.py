"""Damage and bombs in every container but today's: found, or without effect; never another exception than ours."""

import io
import random
import time
import tracemalloc
from collections.abc import Callable
from typing import Any

import pytest

from flambeau.base.errors import LoadError
from flambeau.checkpoint import Checkpoint, read
from tests.checkpoint.crafting import MAGIC, PROTOCOL, SYSTEM, Member, keys_of, tar_bytes, tar_members
from tests.checkpoint.test_hostile import BOMBS, mutated
from tests.checkpoint.test_legacy import GOLDEN, PYTHON2
from tests.checkpoint.test_script import NET, script
from tests.checkpoint.test_tar import GOOD

FILES = {"stream": GOLDEN, "stream of Python 2": PYTHON2, "tar": GOOD, "TorchScript": script(NET)}


def opened(content: bytes) -> Checkpoint:
    """Read a file, and every byte of its tensors."""
    loaded = read(content, unknown="record")
    for record in loaded.storages.values():
        assert record.load().size == record.nbytes
    return loaded


@pytest.mark.parametrize("name", FILES)
def test_random_mutations(name):
    generator = random.Random(30)
    # Behind these bytes a tar archive is padding.
    content = FILES[name]
    used = content.rstrip(b"\0")
    texts: list[str] = []
    for _ in range(600):
        changed = mutated(used, generator)
        try:
            opened(changed + content[len(used) :])
        except LoadError as error:
            texts.append(str(error))
    assert len(texts) > 150
    assert max(map(len, texts)) < 800


# Of a zip archive in a file object all records are checked at once, of one in memory those that are needed.
@pytest.mark.parametrize("name", sorted(set(FILES) - {"TorchScript"}))
def test_a_file_object_and_bytes_say_the_same(name):
    generator = random.Random(31)
    for _ in range(60):
        content = mutated(FILES[name], generator)
        said: list[Any] = []
        for source in (content, io.BytesIO(content)):
            try:
                said.append(sorted(read(source, unknown="record").storages))
            except LoadError as error:
                said.append((type(error), str(error).replace("<file>", "<bytes>")))
        assert said[0] == said[1]


def in_stream(bomb: bytes) -> bytes:
    return MAGIC + PROTOCOL + SYSTEM + bomb + keys_of()


def in_header(bomb: bytes) -> bytes:
    return MAGIC + PROTOCOL + bomb + bomb + keys_of()


def in_tar(bomb: bytes) -> bytes:
    return tar_bytes([Member(part.name, bomb) if part.name == "pickle" else part for part in tar_members(b"N")])


PLACES: dict[str, Callable[[bytes], bytes]] = {"stream": in_stream, "system information": in_header, "tar": in_tar}


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("bomb", BOMBS)
def test_bomb(place, bomb):
    content = PLACES[place](BOMBS[bomb])
    started = time.process_time()
    try:
        read(content)
    except LoadError:
        pass
    assert time.process_time() - started < 10


@pytest.mark.parametrize("bomb", ["ordered dictionaries", "sets of one list", "memo"])
def test_bomb_takes_memory_in_proportion(bomb):
    content = in_stream(BOMBS[bomb])
    tracemalloc.start()
    try:
        read(content)
    except LoadError:
        pass
    finally:
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    assert peak < (64 << 20) + 64 * len(content)
