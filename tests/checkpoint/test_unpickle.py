"""The pickle: every opcode of protocols 0 to 5, the allowlist, the limits."""

import pickle
import pickletools
import struct
from collections import Counter, OrderedDict
from typing import Any

import pytest

from flambeau.base.errors import (
    BadCall,
    BadPickle,
    BadTensor,
    LimitExceeded,
    LoadError,
    TruncatedPickle,
    UnhashableKey,
    UnsupportedOpcode,
)
from flambeau.checkpoint import DtypeRecord, SizeRecord, read
from flambeau.checkpoint.opcodes import _ACTIONS, _REFUSED
from tests.checkpoint.crafting import call, checkpoint, name, number, pickled, sequence, text


def load(data: bytes) -> Any:
    return read(checkpoint(data)).obj


# Every opcode --------------------------------------------------------------------------------------------------------

OPCODES = [
    ("NONE", b"N.", None),
    ("NEWTRUE", b"\x88.", True),
    ("NEWFALSE", b"\x89.", False),
    ("BININT1", b"K\xff.", 255),
    ("BININT2", b"M\xff\xff.", 65_535),
    ("BININT", b"J\xff\xff\xff\xff.", -1),
    ("BINFLOAT", b"G?\xf8\0\0\0\0\0\0.", 1.5),
    ("LONG1", b"\x8a\x09\0\0\0\0\0\0\0\0\1.", 1 << 64),
    ("LONG1", b"\x8a\x00.", 0),
    ("LONG1", b"\x8a\x01\x80.", -128),
    ("LONG4", b"\x8b\x02\0\0\0\0\x80.", -32_768),
    ("INT", b"I-12\n.", -12),
    ("INT", b"I01\n.", True),
    ("INT", b"I00\n.", False),
    ("LONG", b"L123456789012345678901L\n.", 123456789012345678901),
    ("FLOAT", b"F-0.5e3\n.", -500.0),
    ("BINUNICODE", b"X\x03\0\0\0\xe2\x82\xac.", "€"),
    ("BINUNICODE", b"X\x03\0\0\0\xed\xa0\x80.", "\ud800"),
    ("SHORT_BINUNICODE", b"\x8c\x01a.", "a"),
    ("BINUNICODE8", b"\x8d\x01\0\0\0\0\0\0\0a.", "a"),
    ("UNICODE", b"V\\u20ac\xe4\n.", "€ä"),
    ("SHORT_BINSTRING", b"U\x02\xc3\xa4.", "ä"),
    ("BINSTRING", b"T\x01\0\0\0a.", "a"),
    ("STRING", b"S'a\\n\\x41\\\\\\'\"\\t\\\\x'\n.", "a\nA\\'\"\t\\x"),
    ("STRING", b'S""\n.', ""),
    ("SHORT_BINBYTES", b"C\x02\xff\x00.", b"\xff\0"),
    ("BINBYTES", b"B\x01\0\0\0\xff.", b"\xff"),
    ("BINBYTES8", b"\x8e\x01\0\0\0\0\0\0\0\xff.", b"\xff"),
    ("BYTEARRAY8", b"\x96\x01\0\0\0\0\0\0\0\xff.", bytearray(b"\xff")),
    ("EMPTY_TUPLE", b").", ()),
    ("TUPLE1", b"K\1\x85.", (1,)),
    ("TUPLE2", b"K\1K\2\x86.", (1, 2)),
    ("TUPLE3", b"K\1K\2K\3\x87.", (1, 2, 3)),
    ("TUPLE", b"(K\1K\2K\3K\4t.", (1, 2, 3, 4)),
    ("EMPTY_LIST", b"].", []),
    ("APPEND", b"]K\1a.", [1]),
    ("APPENDS", b"](K\1K\2e.", [1, 2]),
    ("LIST", b"(K\1K\2l.", [1, 2]),
    ("EMPTY_DICT", b"}.", {}),
    ("SETITEM", b"}K\1K\2s.", {1: 2}),
    ("SETITEMS", b"}(K\1K\2K\3K\4u.", {1: 2, 3: 4}),
    ("DICT", b"(K\1K\2d.", {1: 2}),
    ("EMPTY_SET", b"\x8f.", set()),
    ("ADDITEMS", b"\x8f(K\1K\2\x90.", {1, 2}),
    ("FROZENSET", b"(K\1K\2\x91.", frozenset((1, 2))),
    ("POP", b"K\1K\x020.", 1),
    ("POP", b"K\1(0.", 1),
    ("MARK", b"K\1(K\x021.", 1),
    ("POP_MARK", b"K\1(K\x021.", 1),
    ("DUP", b"K\x012\x86.", (1, 1)),
    ("PUT", b"K\1p300\n0g300\n.", 1),
    ("GET", b"K\1p300\n0g300\n.", 1),
    ("BINPUT", b"K\1q\x070h\x07.", 1),
    ("BINGET", b"K\1q\x070h\x07.", 1),
    ("LONG_BINPUT", b"K\1r\xff\xff\xff\xff0j\xff\xff\xff\xff.", 1),
    ("LONG_BINGET", b"K\1r\xff\xff\xff\xff0j\xff\xff\xff\xff.", 1),
    ("MEMOIZE", b"K\1\x940K\2\x94h\0\x86.", (2, 1)),
    ("GLOBAL", b"ctorch\nfloat32\n.", DtypeRecord("float32")),
    ("STACK_GLOBAL", b"\x8c\x05torch\x8c\x08bfloat16\x93.", DtypeRecord("bfloat16")),
    ("REDUCE", b"ctorch\nSize\n(K\2K\3t\x85R.", SizeRecord((2, 3))),
    ("NEWOBJ", b"ccollections\nOrderedDict\n)\x81.", OrderedDict()),
    ("NEWOBJ_EX", b"ccollections\nOrderedDict\n)}\x92.", OrderedDict()),
    ("PROTO", b"\x80\x05N.", None),
    ("FRAME", b"\x80\x04\x95\x02\0\0\0\0\0\0\0N.", None),
]


@pytest.mark.parametrize(("opcode", "data", "expected"), OPCODES, ids=[row[0] for row in OPCODES])
def test_opcode(opcode, data, expected):
    assert opcode in [found.name for found, _, _ in pickletools.genops(data)]
    value = load(data)
    assert value == expected
    assert type(value) is type(expected)


def test_every_opcode_of_pickle_is_executed_or_refused_by_name():
    assert set(_ACTIONS) | set(_REFUSED) | {ord(".")} == {ord(opcode.code) for opcode in pickletools.opcodes}
    covered = {row[0] for row in OPCODES} | {"BUILD", "BINPERSID", "PERSID"}
    assert {opcode.name for opcode in pickletools.opcodes if ord(opcode.code) in _ACTIONS} == covered


@pytest.mark.parametrize("opcode", sorted(_REFUSED))
def test_opcode_that_is_refused(opcode):
    with pytest.raises(UnsupportedOpcode, match=rf"byte 2: Unsupported operand {opcode}: [A-Z0-9_]+ "):
        load(pickled(bytes((opcode,)) + b"\n\n\n\n"))


def test_byte_that_is_no_opcode():
    with pytest.raises(UnsupportedOpcode, match="Unsupported operand 255: it is not a pickle opcode"):
        load(b"\xff")


PLAIN = {
    "numbers": [0, 255, 256, 65_535, 65_536, -1, 2**31, -(2**31), 2**100, -(2**100), 1 << 5000, 0.5, 1 + 2j],
    "text": ["", "a\nb\0", "ü€😀", "\ud800", "x" * 70_000],
    "bytes": [b"", b"\0\xff", b"x" * 70_000, bytearray(), bytearray(b"\xff")],
    "nested": [(), ((), [{}]), {(1, (2, "x")): {3, 4}, frozenset((5,)): None}, True, False],
    "ordered": OrderedDict([("b", 1), ("a", OrderedDict())]),
    "counter": Counter("aab"),
    "range": [range(1, 9, 2), slice(1, None, 2)],
}


@pytest.mark.parametrize("protocol", range(6))
def test_plain_values_of_every_protocol(protocol):
    value = dict(PLAIN)
    if protocol < 2:
        value["range"] = []  # described by names of Python's own machinery
    data = pickle.dumps(value, protocol)
    if protocol < 2:
        for found in (b"copy_reg\n_reconstructor", b"copyreg\n_reconstructor"):
            assert found not in data
    loaded = load(data)
    assert loaded == value
    assert repr(loaded) == repr(value)


def test_shared_values_stay_shared():
    inner = [1]
    loaded = load(pickle.dumps([inner, inner, {"x": inner}], 2))
    assert loaded[0] is loaded[1] is loaded[2]["x"]


def test_deep_nesting_needs_no_recursion():
    value = load(b"\x80\x02" + b"]" * 50_000 + b"a" * 49_999 + b".")
    for _ in range(49_999):
        (value,) = value
    assert value == []


# Malformations -------------------------------------------------------------------------------------------------------

ODICT = call("collections.OrderedDict")
ARRAY = call("numpy._core.multiarray._reconstruct", name("numpy.ndarray"), b"K\0\x85", text("b"))
U1 = call("numpy.dtype", text("U1"))
FLOATS = call("numpy.dtype", text("f4"), b"\x89", b"\x88")

MALFORMED: list[tuple[type[LoadError], str, bytes]] = [
    (TruncatedPickle, "ends without its STOP", b""),
    (TruncatedPickle, "ends without its STOP", b"\x80\x02N"),
    (TruncatedPickle, "4 bytes expected, 1 are left", b"X\0"),
    (TruncatedPickle, "9 bytes expected, 1 are left", b"X\x09\0\0\0a"),
    (TruncatedPickle, "bytes expected", b"\x8b\xff\xff\xff\xff."),
    (TruncatedPickle, "a line does not end", b"I12"),
    (TruncatedPickle, "a frame of 9 bytes is cut short", b"\x95\x09\0\0\0\0\0\0\0N."),
    (BadPickle, "pickle protocol 6 is not read", b"\x80\x06N."),
    (BadPickle, "2 bytes follow the pickle", b"N.N."),
    (BadPickle, "values left over, or with none", b"."),
    (BadPickle, "values left over, or with none", b"NN."),
    (BadPickle, "values left over, or with none", b"N(."),
    (BadPickle, "taken from an empty stack", b"(R."),
    (BadPickle, "taken from an empty stack", b"\x86."),
    (BadPickle, "looked for on an empty stack", b"2."),
    (BadPickle, "looked for on an empty stack", b"N(q\0."),
    (BadPickle, "a mark is taken where there is none", b"t."),
    (BadPickle, "a mark is taken where there is none", b"0."),
    (BadPickle, "the memo has no entry 3", b"h\3."),
    (BadPickle, "an index of the memo has more than 32 bits", b"Np-1\n."),
    (BadPickle, "an index of the memo has more than 32 bits", b"Np4294967296\n."),
    (BadPickle, "'1_0' is not an integer", b"I1_0\n."),
    (BadPickle, "'' is not an integer", b"L\n."),
    (BadPickle, "'x' is not a number", b"Fx\n."),
    (BadPickle, "is not a quoted string", b"S'a\n."),
    (BadPickle, "holds an unknown escape", b"S'\\y'\n."),
    (BadPickle, "holds an unknown escape", b"S'\\x4'\n."),
    (BadPickle, "text cannot be decoded", b"X\1\0\0\0\xff."),
    (BadTensor, "identifier is not a tuple", b"P20\n."),
    (BadPickle, "text cannot be decoded", b"V\\ud\n."),
    (BadPickle, "appended to 'tuple'", b")Na."),
    (BadPickle, "a key is set in 'list'", b"]NNs."),
    (BadPickle, "a key is set without a value", b"}(Nu."),
    (BadPickle, "a value is added to 'list'", b"](N\x90."),
    (BadPickle, "a name is 'int' instead of a string", b"K\1K\1\x93."),
    (BadPickle, "the arguments of a call are not a tuple", pickled(name("torch.Size") + b"]R")),
    (BadPickle, "a call has keyword arguments", pickled(name("torch.Size") + b")}K\1K\1s\x92")),
    (
        BadPickle,
        "Trying to call reduce for unrecognized function torch.FloatStorage",
        pickled(call("torch.FloatStorage")),
    ),
    (BadPickle, "unrecognized function an object of type 'str'", pickled(text("os.system") + b")R")),
    (BadPickle, "unrecognized function an object of type 'DtypeRecord'", pickled(call("torch.float32"))),
    (BadPickle, "Can only build OrderedDict, but got an object of type 'dict'", pickled(b"}}b")),
    (BadPickle, "the state of an OrderedDict is not a dictionary", pickled(ODICT + b"Nb")),
    (
        BadCall,
        "collections.OrderedDict is called with 2 arguments",
        pickled(call("collections.OrderedDict", b"N", b"N")),
    ),
    (BadCall, "something other than pairs", pickled(call("collections.OrderedDict", b"]Na"))),
    (BadCall, "something other than pairs", pickled(call("collections.OrderedDict", b"]](NNNea"))),
    (BadCall, "something other than a list", pickled(call("collections.OrderedDict", b"}"))),
    (BadCall, "something other than a dictionary", pickled(call("collections.Counter", text("aab")))),
    (BadCall, "something other than counts", pickled(call("collections.Counter", b"}K\1Ns"))),
    (BadCall, "set is called with something other than a list", pickled(call("builtins.set", text("abc")))),
    (BadCall, "frozenset is called with something other", pickled(call("builtins.frozenset", b"K\1"))),
    (BadCall, "builtins.bytes is called with 1 arguments", pickled(call("builtins.bytes", number(1 << 40)))),
    (
        BadCall,
        "bytearray is called with something other than bytes",
        pickled(call("builtins.bytearray", number(1 << 40))),
    ),
    (BadCall, "other than a string and 'latin1'", pickled(call("_codecs.encode", text("x"), text("zlib")))),
    (BadCall, "other than a string and 'latin1'", pickled(call("_codecs.encode", b"C\1x", text("latin1")))),
    (BadCall, "characters that are no bytes", pickled(call("_codecs.encode", text("€"), text("latin1")))),
    (BadCall, "complex is called with something other", pickled(call("builtins.complex", text("1"), text("2")))),
    (BadCall, "slice is called with something other", pickled(call("builtins.slice", b"]", b"N", b"N"))),
    (BadCall, "range is called with something other", pickled(call("builtins.range", b"K\1", b"K\1", b"K\0"))),
    (BadCall, "torch.Size is called with something other", pickled(call("torch.Size", b"]"))),
    (BadCall, "torch.Size is called with something other", pickled(call("torch.Size", sequence(b"N")))),
    (BadCall, "torch.device is called with something other", pickled(call("torch.device", b"K\1"))),
    (BadCall, "torch.device is called with something other", pickled(call("torch.device", text("cuda:x")))),
    (BadCall, "torch.device is called with something other", pickled(call("torch.device", text("cuda"), number(-1)))),
    (
        BadCall,
        "_get_layout is called with something other",
        pickled(call("torch.serialization._get_layout", text("x"))),
    ),
    (BadCall, "no number or text type", pickled(call("numpy.dtype", text("O8")))),
    (BadCall, "no number or text type", pickled(call("numpy.dtype", text("U99999999")))),
    (
        BadCall,
        "a NumPy scalar is made of something other",
        pickled(call("numpy._core.multiarray.scalar", FLOATS, b"C\1x")),
    ),
    (
        BadPickle,
        "numbers that are no characters",
        pickled(call("numpy._core.multiarray.scalar", U1, b"C\4\xff\xff\xff\xff")),
    ),
    (BadPickle, "the state of a NumPy array is malformed", pickled(ARRAY + b"Nb")),
    (
        BadPickle,
        "the shape of a NumPy array is malformed",
        pickled(ARRAY + sequence(b"K\1", b"]", FLOATS, b"\x89", b"C\0") + b"b"),
    ),
    (
        BadPickle,
        "only NumPy arrays of numbers or text",
        pickled(ARRAY + sequence(b"K\1", b")", FLOATS, b"\x89", b"]") + b"b"),
    ),
    (
        BadPickle,
        r"of shape \(2,\) and type float32 has 4 bytes",
        pickled(ARRAY + sequence(b"K\1", b"K\2\x85", FLOATS, b"\x89", b"C\x04abcd") + b"b"),
    ),
    (BadPickle, "of the other byte order", pickled(FLOATS + sequence(b"K\3", text(">"), b"N") + b"b")),
    (BadPickle, "of the other byte order", pickled(FLOATS + sequence(b"K\3", ARRAY, b"N") + b"b")),
    (BadCall, "other than a string and 'latin1'", pickled(call("_codecs.encode", text("x"), ARRAY))),
    (UnhashableKey, "unhashable type in a key: 'list'", b"}]Ns."),
    (UnhashableKey, "unhashable type in a key: 'tuple'", b"}]\x85Ns."),
    (UnhashableKey, "unhashable type in a key: 'dict'", b"\x8f(}\x90."),
    (UnhashableKey, "unhashable type in a key: 'ndarray'", pickled(b"}" + ARRAY + b"Ns")),
]


@pytest.mark.parametrize(("error", "match", "data"), MALFORMED, ids=[row[1] for row in MALFORMED])
def test_malformed(error, match, data):
    with pytest.raises(error, match=match) as caught:
        load(data)
    assert type(caught.value) is error
    assert "data.pkl" in str(caught.value)


# Limits --------------------------------------------------------------------------------------------------------------


def doubled_tuple(times: int) -> bytes:
    """A tuple of itself, doubled: as a key, two to the power of `times` parts."""
    return b")" + b"q\0h\0\x86" * times


LIMITED = [
    ("an integer has 4301 digits", b"I" + b"1" * 4_301 + b"\n."),
    ("a number has 5000 digits", b"F" + b"1" * 5_000 + b"\n."),
    ("a name has 40000 characters", b"c" + b"a" * 40_000 + b"\nb\n."),
    ("a name has 40000 characters", pickled(text("a" * 40_000) + text("b") + b"\x93")),
    ("a key has more than 256 parts", b"}" + doubled_tuple(60) + b"Ns."),
    ("a key has more than 256 parts", b"})" + b"\x85" * 100_000 + b"Ns."),
    ("a key has more than 256 parts", b"\x8f((" + b"K\1" * 300 + b"t\x90."),
    ("far more memory", b"\x80\x02(" + (b"h\0)R" * 500_000).replace(b"h\0", ODICT[:-3] + b"q\0", 1) + b"t."),
    (
        "far more memory",
        pickled(
            text("x" * 1_000_000) + b"q\0" + b"".join(b"0c_codecs\nencode\n(h\0X\x06\0\0\0latin1tR" for _ in range(200))
        ),
    ),
]


@pytest.mark.parametrize(("match", "data"), LIMITED, ids=[row[0] for row in LIMITED])
def test_limit(match, data):
    with pytest.raises(LimitExceeded, match=match):
        load(data)


def test_keys_made_to_collide_are_refused():
    modulus = (1 << 61) - 1
    keys = b"".join(number((1 << 62) // modulus * modulus + modulus * index) + b"N" for index in range(10_100))
    with pytest.raises(LimitExceeded, match="too many keys have equal hashes"):
        load(b"}(" + keys + b"u.")


def test_the_work_of_comparing_keys_is_bounded():
    key = b"X" + struct.pack("<I", 1 << 20) + b"k" * (1 << 20)
    data = b"}" + key + b"q\x00N0" + b"0}" + b"h\0Ns" * 5_000 + b"."
    with pytest.raises(LimitExceeded, match="would take too long to hash"):
        load(data.replace(b"N0" + b"0}", b"0", 1))


def test_ordinary_keys_are_no_problem():
    value = {(i, j): i for i in range(-100, 100) for j in range(-50, 50)}
    assert load(pickle.dumps(value, 2)) == value
