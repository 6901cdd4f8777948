"""`scan`: what a file of any container names, and what cannot be told."""

import io
import struct
import tarfile

import pytest

from flambeau.base.errors import BadContainer, BadPickle, EmptyFile
from flambeau.checkpoint import NamedGlobal, scan
from tests.checkpoint.crafting import Part, call, checkpoint, name, number, pickled, sequence, tensor, text, zip_bytes

HARM = call("os.system", text("x"))
MAGIC = pickled(b"\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19")


def harmful(data: bytes) -> list[str]:
    return scan(data).names("suspicious")


def test_a_report() -> None:
    report = scan(checkpoint(pickled(sequence(tensor(), call("my.Model"), HARM, name("my.other")))))
    assert (report.container, report.opcodes, report.problems, report.safe) == ("zip archive", [], [], False)
    assert report.names("unknown") == ["my.Model", "my.other"]
    assert report.names("suspicious") == ["os.system"]
    assert set(report.names("allowed")) == {
        "torch.FloatStorage",
        "torch._utils._rebuild_tensor_v2",
        "collections.OrderedDict",
    }
    found = {entry.name: entry for entry in report.globals}
    assert found["my.Model"] == NamedGlobal("my.Model", "unknown", "", True, "t/data.pkl")
    assert not found["my.other"].called
    assert found["os.system"].reason == "starts programs or touches files"


def test_a_plain_file_is_safe() -> None:
    assert scan(checkpoint(pickled(b"}"))).safe
    assert scan(checkpoint(pickled(tensor()))).safe


def test_names_can_be_allowed() -> None:
    content = checkpoint(pickled(name("my.Model")))
    assert scan(content, allowed={"my.Model"}).names("allowed") == ["my.Model"]


def test_every_pickle_of_an_archive_is_scanned() -> None:
    parts = [Part("t/data.pkl", pickled(b"N")), Part("t/constants.pkl", pickled(HARM)), Part("t/x.txt", b"cos\nx\n.")]
    assert harmful(zip_bytes(parts)) == ["os.system"]


def test_a_bare_pickle() -> None:
    assert scan(pickled(HARM)).container == "bare pickle"
    assert harmful(pickled(HARM)) == ["os.system"]
    assert harmful(b"cos\nsystem\n(S'x'\ntR.") == ["os.system"]


def test_pickles_one_after_another() -> None:
    assert harmful(pickled(b"N") + pickled(HARM)) == ["os.system"]


def test_the_old_stream() -> None:
    pickles = [MAGIC, pickled(number(1001)), pickled(b"}"), pickled(HARM), pickled(b"]")]
    report = scan(b"".join(pickles) + struct.pack("<q", 2) + b"cos\nevil")
    assert report.container == "PyTorch file from before version 1.6"
    assert (report.names("suspicious"), report.problems) == (["os.system"], [])
    assert "ends without its STOP" in scan(b"".join(pickles[:3])).problems[0]


def tar(**members: bytes) -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for member, data in members.items():
            info = tarfile.TarInfo(member)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return file.getvalue()


def test_the_tar_of_2016() -> None:
    storages = pickled(number(1)) + pickled(sequence(number(1), text("cpu"), name("torch.FloatStorage")))
    storages += struct.pack("<q", 2) + b"cos\nevil" + pickled(call("sys.exit"))
    tensors = pickled(number(1)) + pickled(sequence(number(2), number(1), number(0)))
    tensors += struct.pack("<i4xqqq", 1, 2, 1, 0) + pickled(call("builtins.eval", text("x")))
    report = scan(tar(sys_info=pickled(b"}"), pickle=pickled(HARM), tensors=tensors, storages=storages))
    assert (report.container, report.problems) == ("tar file", [])
    assert report.names("suspicious") == ["os.system", "builtins.eval", "sys.exit"]
    assert {entry.where for entry in report.globals} == {"pickle", "tensors", "storages"}


def test_safetensors_name_nothing() -> None:
    header = b'{"a":{}}'
    report = scan(struct.pack("<Q", len(header)) + header)
    assert (report.container, report.globals, report.safe) == ("safetensors file", [], True)


def test_files_inside_files() -> None:
    data = pickled(HARM)
    for _ in range(3):
        data = pickled(call("torch.storage._load_from_bytes", b"B" + struct.pack("<I", len(data)) + data))
    report = scan(checkpoint(data))
    assert report.names("suspicious") == ["os.system"]
    assert report.globals[-1].where.startswith("t/data.pkl: file inside: the file: file inside: ")


REFUSED = {
    "INST at byte 3": b"(ios\nsystem\n",
    "OBJ at byte 14": b"(cos\nsystem\no",
    "EXT1 at byte 2": b"\x82\1",
    "EXT2 at byte 2": b"\x83\1\0",
    "EXT4 at byte 2": b"\x84\1\0\0\0",
    "NEXT_BUFFER at byte 2": b"\x97",
}


@pytest.mark.parametrize("opcode", REFUSED)
def test_opcodes_that_are_not_executed(opcode: str) -> None:
    report = scan(pickled(REFUSED[opcode] + b"0" + HARM))
    assert report.opcodes == [opcode]
    assert "os.system" in report.names("suspicious")


def test_a_buffer_that_is_read_only() -> None:
    assert scan(pickled(b"\x97\x98")).opcodes == ["NEXT_BUFFER at byte 2", "READONLY_BUFFER at byte 3"]


PROBLEMS = {
    "ends without its STOP": b"\x80\x02" + HARM,
    "a mark is taken where there is none": pickled(HARM + b"00"),
    "it is not a pickle opcode": pickled(HARM + b"\xff"),
    "it calls what is no class or function by name": pickled(HARM + b"0" + text("x") + b")R"),
    "an object outside the pickle is no storage": pickled(HARM + b"0" + text("x") + b"Q"),
    "an object is made of no class": pickled(HARM + b"(o"),
}


@pytest.mark.parametrize("problem", PROBLEMS)
def test_what_cannot_be_scanned_is_said(problem: str) -> None:
    report = scan(PROBLEMS[problem])
    assert any(problem in line for line in report.problems)
    assert "os.system" in report.names("suspicious")
    assert not report.safe


def test_malformed_containers() -> None:
    with pytest.raises(EmptyFile, match="the file is empty"):
        scan(b"")
    with pytest.raises(BadContainer, match="<bytes>"):
        scan(b"PK\x03\x04")
    data = bytearray(tar(pickle=pickled(b"N")))
    data[124:136] = b"x" * 12
    with pytest.raises(BadPickle, match="the size of a member of the tar file is malformed"):
        scan(bytes(data))
    data[124:136] = b"77777777777\0"
    with pytest.raises(BadPickle, match="member 'pickle' of the tar file is cut short"):
        scan(bytes(data))


def test_a_damaged_record_is_a_problem() -> None:
    content = checkpoint(pickled(text("a" * 50)))
    report = scan(content.replace(b"a" * 50, b"b" * 50))
    assert "is damaged" in report.problems[0]


def test_a_path(tmp_path) -> None:
    path = tmp_path / "x.pt"
    path.write_bytes(checkpoint(pickled(HARM)))
    assert harmful(path) == ["os.system"]
    with path.open("rb") as file:
        assert harmful(file) == ["os.system"]
