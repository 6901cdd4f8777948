"""Pickles made to do harm: every classic way to have code run by whoever loads them, each a body without its STOP.

Whatever runs one of them with Python's own pickle would leave the marker: a file, or a line of output.
"""

import pickle
import struct

from tests.checkpoint.crafting import call, name, number, sequence, text

MARKER = "flambeau-was-here"
COMMAND = f"touch {MARKER}"
CODE = f"open({MARKER!r}, 'w').close()"

# Full name, and the arguments of the call.
CALLS: dict[str, tuple[bytes, ...]] = {
    "os.system": (text(COMMAND),),
    "os.popen": (text(COMMAND),),
    "os.execlp": (text("touch"), text("touch"), text(MARKER)),
    "os.spawnlp": (number(0), text("touch"), text("touch"), text(MARKER)),
    "os.posix_spawn": (text("/usr/bin/touch"), sequence(text("touch"), text(MARKER)), b"}"),
    "os.mkdir": (text(MARKER),),
    "os.remove": (text(MARKER),),
    "os.putenv": (text("A"), text("B")),
    "posix.system": (text(COMMAND),),
    "nt.system": (text(COMMAND),),
    "sys.exit": (),
    "sys.settrace": (b"N",),
    "builtins.eval": (text(CODE),),
    "builtins.exec": (text(CODE),),
    "builtins.compile": (text(CODE), text("x"), text("exec")),
    "builtins.__import__": (text("antigravity"),),
    "builtins.open": (text(MARKER), text("w")),
    "builtins.getattr": (name("os.path"), text("os")),
    "builtins.setattr": (name("builtins.object"), text("x"), text("y")),
    "builtins.map": (name("os.system"), sequence(text(COMMAND))),
    "builtins.filter": (name("os.system"), sequence(text(COMMAND))),
    "builtins.input": (),
    "builtins.breakpoint": (),
    "builtins.globals": (),
    "builtins.type": (text("X"), b")", b"}"),
    "subprocess.Popen": (b"](" + text("touch") + text(MARKER) + b"e",),
    "subprocess.run": (text(COMMAND),),
    "subprocess.call": (text(COMMAND),),
    "subprocess.check_output": (text(COMMAND),),
    "subprocess.getoutput": (text(COMMAND),),
    "_posixsubprocess.fork_exec": (),
    "importlib.import_module": (text("antigravity"),),
    "importlib.reload": (name("os"[:0] + "antigravity.fly"),),
    "runpy.run_path": (text("/tmp/x.py"),),
    "runpy._run_code": (text(CODE), b"}"),
    "pty.spawn": (text(COMMAND),),
    "platform.popen": (text(COMMAND),),
    "commands.getoutput": (text(COMMAND),),
    "timeit.timeit": (text(CODE),),
    "cProfile.run": (text(CODE),),
    "profile.run": (text(CODE),),
    "pdb.run": (text(CODE),),
    "bdb.Bdb.run": (text(CODE),),
    "trace.Trace": (),
    "code.interact": (),
    "codeop.compile_command": (text(CODE),),
    "ast.literal_eval": (text("1"),),
    "doctest.debug_script": (text(CODE),),
    "pydoc.pipepager": (text(""), text(COMMAND)),
    "idlelib.autocomplete.AutoComplete": (),
    "lib2to3.pgen2.grammar.Grammar.loads": (b"C\1x",),
    "pickle.loads": (b"C\x20" + b"cos\nsystem\n(S'true'\ntR.".ljust(32, b"."),),
    "_pickle.loads": (b"C\1N",),
    "marshal.loads": (b"C\1N",),
    "shelve.open": (text(MARKER),),
    "dill.loads": (b"C\1N",),
    "joblib.load": (text("/tmp/x"),),
    "copyreg._reconstructor": (name("builtins.object"), name("builtins.object"), b"N"),
    "copyreg.add_extension": (text("os"), text("system"), number(1)),
    "operator.attrgetter": (text("system"),),
    "operator.methodcaller": (text("system"), text(COMMAND)),
    "operator.itemgetter": (number(0),),
    "functools.reduce": (name("os.system"), sequence(text(COMMAND))),
    "itertools.starmap": (name("os.system"), sequence(sequence(text(COMMAND)))),
    "types.FunctionType": (),
    "types.CodeType": (),
    "ctypes.CDLL": (text("libc.so.6"),),
    "socket.create_connection": (sequence(text("127.0.0.1"), number(9)),),
    "urllib.request.urlopen": (text("http://127.0.0.1:9/"),),
    "http.client.HTTPConnection": (text("127.0.0.1"),),
    "ftplib.FTP": (text("127.0.0.1"),),
    "smtplib.SMTP": (text("127.0.0.1"),),
    "webbrowser.open": (text("http://127.0.0.1:9/"),),
    "asyncio.create_subprocess_shell": (text(COMMAND),),
    "asyncio.unix_events._UnixSubprocessTransport._start": (),
    "multiprocessing.util.spawnv_passfds": (b"C\1x", b"]", b"]"),
    "concurrent.futures.ThreadPoolExecutor": (),
    "threading.Thread": (),
    "signal.raise_signal": (number(2),),
    "shutil.rmtree": (text("/tmp/nothing-of-this-name"),),
    "tempfile.mkstemp": (),
    "logging.config._resolve": (text("os.system"),),
    "logging.config.fileConfig": (text("/tmp/x"),),
    "venv.create": (text(MARKER),),
    "ensurepip.bootstrap": (),
    "pip.main": (b"]",),
    "pkgutil.resolve_name": (text("os:system"),),
    "site.addsitedir": (text("/tmp"),),
    "numpy.load": (text("/tmp/x.npy"), b"N", b"\x88"),
    "numpy.lib.npyio.load": (text("/tmp/x.npy"),),
    "numpy.f2py.crackfortran.myeval": (text(CODE),),
    "numpy.testing._private.utils.runstring": (text(CODE), b"}"),
    "numpy.core.multiarray._reconstruct": (name("os.system"), text(COMMAND), b"N", b"N"),
    "torch.load": (text("/tmp/x.pt"),),
    "torch.hub.load": (text("a/b"), text("c")),
    "torch.hub.load_state_dict_from_url": (text("http://127.0.0.1:9/"),),
    "torch.jit.load": (text("/tmp/x.pt"),),
    "torch.serialization.load": (text("/tmp/x.pt"),),
    "torch.storage._load_from_bytes": (b"C\x05hello",),
    "torch._utils._import_dotted_name": (text("os.system"),),
    "torch.utils.collect_env.run": (text(COMMAND),),
    "torch._dynamo.guards.GuardBuilder.get": (text(CODE),),
    "torch._inductor.codecache.compile_file": (text(CODE),),
    "torch.fx.experimental.symbolic_shapes.ShapeEnv.evaluate_guards_expression": (text(CODE), b"]"),
    "torch.utils._config_module.ConfigModule.load_config": (b"C\1N",),
    "torch.utils.data.datapipes.utils.decoder.basichandlers": (text("pkl"), b"C\1N"),
    "flambeau.load": (text("/tmp/x.pt"),),
    "flambeau.checkpoint.read": (text("/tmp/x.pt"),),
    "flambeau.nn.modules.module.Module": (),
}


def stacked(full: str) -> bytes:
    """The same name by STACK_GLOBAL."""
    module, _, last = full.rpartition(".")
    return text(module) + text(last) + b"\x93"


def split(module: str, last: str) -> bytes:
    """A name by STACK_GLOBAL, split anywhere."""
    return text(module) + text(last) + b"\x93"


ARGUMENTS = sequence(text(COMMAND))
SYSTEM = name("os.system")
ODICT = call("collections.OrderedDict")
HUGE = number(1 << 40)
LINEAR = name("torch.nn.modules.linear.Linear") + b")\x81"


class Reduced:
    """What `__reduce__` makes of any object."""

    def __reduce__(self):
        return eval, (CODE,)


def pythons(protocol: int) -> bytes:
    """The body of a pickle that Python itself makes."""
    return pickle.dumps([Reduced()], protocol)[:-1]


def state(**fields: bytes) -> bytes:
    """A dictionary of fields."""
    return b"}(" + b"".join(text(key) + value for key, value in fields.items()) + b"u"


FORMS: dict[str, bytes] = {
    **{f"Python's own, protocol {protocol}": pythons(protocol) for protocol in range(6)},
    "INST": b"(" + text(COMMAND) + b"ios\nsystem\n",
    "OBJ": b"(" + SYSTEM + text(COMMAND) + b"o",
    "NEWOBJ": SYSTEM + ARGUMENTS + b"\x81",
    "NEWOBJ_EX": SYSTEM + ARGUMENTS + b"}\x92",
    "NEWOBJ_EX with keywords": SYSTEM + ARGUMENTS + state(x=b"N") + b"\x92",
    "EXT1": b"\x82\x01" + ARGUMENTS + b"R",
    "EXT2": b"\x83\x01\x00" + ARGUMENTS + b"R",
    "EXT4": b"\x84\x01\x00\x00\x00" + ARGUMENTS + b"R",
    "PERSID": b"Pos.system\n" + ARGUMENTS + b"R",
    "BINPERSID": text("os.system") + b"Q",
    "BINPERSID of a tuple": sequence(text("module"), SYSTEM, text("x"), text(CODE)) + b"Q",
    "NEXT_BUFFER": b"\x97\x98",
    "name from the memo": text("os") + b"q\x00" + text("system") + b"q\x010" + b"0h\x00h\x01\x93" + ARGUMENTS + b"R",
    "name from DUP": text("os.system") + b"2\x93" + ARGUMENTS + b"R",
    "name that is bytes": b"C\x02osC\x06system\x93" + ARGUMENTS + b"R",
    "function from the memo": SYSTEM + b"q\x000h\x00" + ARGUMENTS + b"R",
    "dotted: module in the name": split("torch", "serialization.os.system") + ARGUMENTS + b"R",
    "dotted: attribute of an allowed name": split("collections", "OrderedDict.__reduce__.__globals__") + b")R",
    "dotted: through __builtins__": split("torch.nn", "__builtins__.eval") + ARGUMENTS + b"R",
    "dotted: through __class__": split("torch", "Size.__class__.__base__.__subclasses__") + b")R",
    "dotted: through __init__": split("torch.nn.modules.linear", "Linear.__init__.__globals__") + b")R",
    "no module": split("", "os.system") + ARGUMENTS + b"R",
    "no name": split("os.system", "") + ARGUMENTS + b"R",
    "spaces": split("os ", " system") + ARGUMENTS + b"R",
    "NUL": split("os\0", "system\0") + ARGUMENTS + b"R",
    "line feed": split("os\nsystem", "x\n") + ARGUMENTS + b"R",
    "Cyrillic": split("оs", "systеm") + ARGUMENTS + b"R",
    "full width": split("ｏｓ", "ｓｙｓｔｅｍ") + ARGUMENTS + b"R",
    "surrogate": b"X\x03\0\0\0\xed\xa0\x80" + text("system") + b"\x93" + ARGUMENTS + b"R",
    "capitals": split("OS", "System") + ARGUMENTS + b"R",
    "Python 2's builtins": name("__builtin__.eval") + sequence(text(CODE)) + b"R",
    "Python 2's commands": name("commands.getoutput") + ARGUMENTS + b"R",
    "relative": split(".os", "system") + ARGUMENTS + b"R",
    "a path": split("/tmp/x", "y") + ARGUMENTS + b"R",
    "call of a call": call("builtins.getattr", name("os.path"), text("os")) + ARGUMENTS + b"R",
    "call of text": text("os.system") + ARGUMENTS + b"R",
    "call of an object": ODICT + ARGUMENTS + b"R",
    "getattr chain": call(
        "builtins.getattr", call("builtins.getattr", name("builtins.object"), text("__class__")), text("mro")
    ),
    "partial": call("functools.partial", SYSTEM) + ARGUMENTS + b"R",
    "partial with a state": call("functools.partial", name("builtins.dict"))
    + sequence(SYSTEM, ARGUMENTS, b"}", b"N")
    + b"b",
    "defaultdict with a factory": call("collections.defaultdict", SYSTEM) + text(COMMAND) + b"Ns",
    "BUILD of a class": name("collections.OrderedDict") + state(x=b"N") + b"b",
    "BUILD with __setstate__": ODICT + state(__setstate__=SYSTEM) + b"b" + text(COMMAND) + b"b",
    "BUILD with __class__": ODICT + state(__class__=SYSTEM) + b"b",
    "BUILD with __dict__": ODICT + state(__dict__=b"}") + b"b",
    "BUILD with slots": ODICT + sequence(b"N", state(__class__=SYSTEM)) + b"b",
    "BUILD of a namespace": name("argparse.Namespace") + b")\x81" + state(__class__=SYSTEM) + b"b",
    "BUILD of a layer with forward": LINEAR + state(forward=SYSTEM) + b"b",
    "BUILD of a layer with __call__": LINEAR + state(__call__=name("builtins.dict")) + b"b",
    "BUILD of a layer with __class__": LINEAR + state(__class__=name("torch.nn.modules.linear.Linear")) + b"b",
    "BUILD of a layer with a hook": LINEAR + state(_forward_hooks=b"}K\1" + text("x") + b"s") + b"b",
    "BUILD of a layer with nonsense": LINEAR + state(_parameters=b"]", _modules=b"K\1") + b"b",
    "a layer with arguments": name("torch.nn.modules.linear.Linear")
    + sequence(number(1 << 40), number(1 << 40))
    + b"\x81",
    "a layer that is called": call("torch.nn.modules.linear.Linear", number(1 << 40), number(1 << 40)),
    "an optimizer with nonsense": name("torch.optim.sgd.SGD") + b")\x81" + state(param_groups=b"K\1") + b"b",
    "a schedule with nonsense": name("torch.optim.lr_scheduler.StepLR") + b")\x81" + state(optimizer=SYSTEM) + b"b",
    "a generator with nonsense": call("torch._C.Generator", text("cpu")),
    "a function of PyTorch's": call("torch.nn.functional.relu", number(1)),
    "tensor from a foreign function": call(
        "torch._tensor._rebuild_from_type_v2", SYSTEM, name("torch.Tensor"), ARGUMENTS, b"N"
    ),
    "tensor of a foreign class": call(
        "torch._utils._rebuild_wrapper_subclass",
        SYSTEM,
        name("torch.float32"),
        b")",
        b")",
        number(0),
        b"N",
        b"N",
        b"\x89",
    ),
    "array of objects": call("numpy._core.multiarray._reconstruct", name("numpy.ndarray"), b"K\0\x85", text("b"))
    + sequence(number(1), sequence(number(1)), call("numpy.dtype", text("O8"), b"\x89", b"\x88"), b"\x89", b"]Na")
    + b"b",
    "array with names": call("numpy.dtype", text("V16"), b"\x89", b"\x88")
    + sequence(number(3), text("|"), b"N", sequence(text("a")), state(a=SYSTEM), number(16), number(1), number(16))
    + b"b",
    "files inside files": call("torch.storage._load_from_bytes", b"B" + struct.pack("<I", 4) + b"PK\3\4"),
    "itself as an argument": b"]q\x00" + SYSTEM + b"h\x00\x85R" + b"a",
    "itself as its state": name("x.Y") + b")\x81q\x00" + state(me=b"h\x00") + b"bh\x00a",
    "two states": name("x.Y") + b")\x81" + state(a=SYSTEM) + b"b" + state(b=SYSTEM) + b"b",
}

PAYLOADS: dict[str, bytes] = {
    **{full: call(full, *arguments) for full, arguments in CALLS.items()},
    **{f"{full} by STACK_GLOBAL": stacked(full) + sequence(*arguments) + b"R" for full, arguments in CALLS.items()},
    **FORMS,
}
