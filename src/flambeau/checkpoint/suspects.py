"""Names that only a file made to do harm has a use for. The reader needs no such list: it calls nothing anyway.

It is for people: `scan` tells such names from classes that are merely unknown, and a refusal does not advise to allow
them.
"""

from typing import Final

__all__ = ["suspicion"]

# What harm comes of names: modules (with all that is in them), and single names of others.
_HARMS: Final = {
    "starts programs or touches files": "os posix nt subprocess _posixsubprocess pty commands popen2 multiprocessing "
    "shutil tempfile io _io fileinput glob fcntl mmap linecache tarfile zipfile",
    "reaches the process": "_posixshmem signal _signal threading _thread concurrent atexit",
    "imports or inspects code": "sys gc inspect importlib _frozen_importlib _frozen_importlib_external imp pkgutil "
    "runpy zipimport site ensurepip venv pip setuptools distutils pydoc doctest",
    "runs code": "code codeop _codeop ast dis types.CodeType types.FunctionType bdb pdb cProfile profile timeit trace "
    "test idlelib lib2to3 unittest",
    "loads objects with code": "pickle _pickle dill cloudpickle joblib shelve marshal copyreg pandas.io jsonpickle",
    "reaches the network": "socket _socket ssl select asyncio http urllib urllib2 ftplib smtplib telnetlib "
    "socketserver xmlrpc imaplib poplib nntplib requests httplib aiohttp webbrowser",
    "reaches native code": "ctypes _ctypes cffi torch.utils.cpp_extension",
    "calls what it is given": "operator _operator functools.reduce itertools.starmap _functools weakref.finalize",
    "loads or runs code": "torch.hub torch.load torch.serialization.load torch.jit torch.package torch.ops torch.fx "
    "torch._utils._import_dotted_name torch.utils.model_zoo torch.distributed.rpc torch.utils.collect_env "
    "torch._dynamo torch._inductor torch.utils.bottleneck torch.utils.data.datapipes torch._C._jit "
    "torch.testing._internal torch.cuda._compile_kernel",
    "touches files or runs code": "numpy.load numpy.loadtxt numpy.fromfile numpy.lib.npyio numpy.lib.format numpy.f2py "
    "numpy.testing numpy.ctypeslib numpy.distutils numpy.fromregex numpy.save numpy.memmap",
}
_MODULES: Final[dict[str, str]] = {name: harm for harm, names in _HARMS.items() for name in names.split()}

# Python's own functions with whose help a pickle could reach any other.
_BUILTINS: Final = frozenset(
    "__import__ apply breakpoint compile copyright credits delattr dir eval exec execfile exit file filter getattr "
    "globals hasattr help input license locals map memoryview open quit raw_input reduce reload setattr type "
    "vars".split()
)


def suspicion(name: str) -> str | None:
    """Say what harm a name could do, or None where it is not known for any.

    Args:
        name: full name of a class or function.

    Example:
        >>> suspicion("os.system")
        'starts programs or touches files'
        >>> suspicion("my_project.Model")
    """
    if name.removeprefix("builtins.") in _BUILTINS and name.startswith("builtins."):
        return "runs code or looks things up by name"
    parts = name.split(".")
    if any(part.startswith("__") and part not in ("__main__", "__mp_main__") for part in parts):
        return "reaches inside objects"
    for length in range(1, min(len(parts), 4) + 1):
        harm = _MODULES.get(".".join(parts[:length]))
        if harm is not None:
            return harm
    return None
