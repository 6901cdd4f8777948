"""Names in pickles, found without executing anything: of every protocol, however they are put together."""

import io
import os
import pickle
import posix
from collections import OrderedDict

import numpy as np
import pytest

from flambeau.base.errors import UnsupportedContainer, UnsupportedTensor
from flambeau.checkpoint import scan
from tests.checkpoint.crafting import SIX, Part, checkpoint, pickled, tensor, zip_bytes


class Harm:
    """What a hostile file holds."""

    def __reduce__(self):
        return os.system, ("touch harm",)


def names(found):
    return [(name.name, name.verdict) for name in found]


SYSTEM = (f"{posix.__name__}.system", "dangerous")


@pytest.mark.parametrize("protocol", range(6))
def test_every_protocol(protocol):
    data = pickle.dumps({"a": [1.5, b"x", 2**70, {3}], "b": Harm(), "c": OrderedDict(d="e")}, protocol=protocol)
    found = names(scan(data))
    assert SYSTEM in found
    assert ("collections.OrderedDict", "allowed") in found
    assert {verdict for _, verdict in found} == {"allowed", "dangerous"}


@pytest.mark.parametrize(
    "data",
    [
        b"cos\nsystem\n(S'x'\ntR.",
        b"(S'x'\nios\nsystem\n.",
        b"(cos\nsystem\nS'x'\no.",
        b"\x80\x04\x8c\x02os\x94\x8c\x06system\x94h\x00h\x01\x93.",
        b"\x80\x04\x8c\x02os\x8c\x06system0\x8c\x06system\x93.",
        b"\x80\x04(\x8c\x01x1\x8c\x02os2p5\n0g5\nX\x06\0\0\0system\x93.",
        b"\x80\x04V\\u006fs\nS'sys\\x74em'\n\x93.",
        b"\x80\x04\x95\xff\xff\0\0\0\0\0\0\x8d\x02\0\0\0\0\0\0\0os\x8c\x06system\x93.",
    ],
    ids=["GLOBAL", "INST", "OBJ", "memo", "POP", "marks and text", "escapes", "FRAME"],
)
def test_every_way_to_a_name(data):
    assert names(scan(data)) == [("os.system", "dangerous")]


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"\x80\x04N\x8c\x01x\x93.", [("a name that the pickle puts together", "dangerous")]),
        (b"\x80\x02\x82\x05.", [("copyreg extension 5", "dangerous")]),
        (b"cmy.module\nModel\n)\x81.", [("my.module.Model", "unknown")]),
        (b"c__builtin__\neval\n.", [("builtins.eval", "dangerous")]),
        (b"cos\nsystem\n\xff", [("os.system", "dangerous"), ("there is no opcode 255", "broken")]),
        (b"cos\nsystem\n", [("os.system", "dangerous"), ("the pickle ends too early", "broken")]),
        (b"cos\nsystem\nX\xff\xff\xff\xffx", [("os.system", "dangerous"), ("the pickle ends too early", "broken")]),
        (b"\x80\x02N.\x80\x02cos\nsystem\n.", [("os.system", "dangerous")]),
        (b"\x80\x02K\x01.trailing", []),
    ],
)
def test_what_else_is_told(data, expected):
    assert names(scan(data)) == expected


def test_the_place_of_a_name():
    [found] = scan(b"\x80\x02K\x010cos\nsystem\n.")
    assert (found.position, found.record) == (5, "")


def test_every_pickle_of_an_archive():
    assert {name.verdict for name in scan(checkpoint(pickled(tensor()), {"0": SIX}))} == {"allowed"}
    file = zip_bytes(
        [Part("t/data.pkl", b"N."), Part("t/code.pkl", b"cos\nsystem\n.", deflated=True), Part("t/x", b"cos")]
    )
    [found] = scan(file)
    assert (found.name, found.record, found.verdict) == ("os.system", "t/code.pkl", "dangerous")


def test_files_without_a_pickle():
    assert scan((8).to_bytes(8, "little") + b"{}      ") == []
    file = io.BytesIO()
    np.savez(file, a=np.ones(2))
    assert scan(file.getvalue()) == []
    objects = io.BytesIO()
    np.savez(objects, a=np.array([{}], object))
    with pytest.raises(UnsupportedTensor, match="NumPy's type object"):
        scan(objects.getvalue())


def test_the_shards_of_an_index(tmp_path):
    (tmp_path / "a.bin").write_bytes(checkpoint(b"cos\nsystem\n."))
    path = tmp_path / "pytorch_model.bin.index.json"
    path.write_text('{"weight_map": {"x": "a.bin"}}')
    [found] = scan(path)
    assert (found.name, found.record) == ("os.system", "a.bin/t/data.pkl")
    with pytest.raises(UnsupportedContainer, match="give its path"):
        scan(path.read_bytes())


def test_many_names_take_linear_time():
    assert len(scan(b"\x80\x02" + b"cos\nsystem\n0" * 100_000 + b"N.")) == 100_000
