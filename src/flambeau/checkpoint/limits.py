"""Every limit on what a file may ask for, in one table.

A limit stands where a few bytes could otherwise ask for much time or memory. Ordinary checkpoints stay far below each.
"""

from typing import Final

__all__ = [
    "COLLISIONS",
    "DIMENSIONS",
    "HEADER_BYTES",
    "HEADER_ENTRY",
    "HEADER_NAMES",
    "INDEX_BYTES",
    "INFLATED_BYTES_FREE",
    "INFLATE_RATIO",
    "KEY_PARTS",
    "KEY_WORK",
    "NAME_LENGTH",
    "NESTED_FILES",
    "OBJECT_BYTES_FREE",
    "OBJECT_BYTES_RATIO",
    "PATH_CHARACTERS",
    "PATH_PARTS",
    "PAX_BYTES",
    "RECORDS",
    "SCRIPT_MODULES",
    "SCRIPT_NAME_LENGTH",
    "TEXT_DIGITS",
]

# Archive
RECORDS: Final = 4_194_304  # records in one archive
PAX_BYTES: Final = 65_536  # bytes of an extended header in a tar archive
INFLATE_RATIO: Final = 200  # inflated bytes for one stored byte ...
INFLATED_BYTES_FREE: Final = 1 << 20  # ... in records that inflate to more than this

# Pickle
OBJECT_BYTES_FREE: Final = 64 << 20  # estimated bytes of Python objects ...
OBJECT_BYTES_RATIO: Final = 32  # ... beyond this many for one byte of pickle
NAME_LENGTH: Final = 1_024  # characters in the name of a module, class or function
TEXT_DIGITS: Final = 4_300  # digits of a number written as text: Python's own limit
PATH_CHARACTERS: Final = 65_536  # characters in the path of a file
PATH_PARTS: Final = 1_000  # levels of a record that are searched for tensors
NESTED_FILES: Final = 1_000  # storages that are whole files of their own, inside the pickle

# Hashed keys: hashing a tuple visits all its parts, and equal hashes make a dictionary slow
KEY_PARTS: Final = 256  # parts of one key, counted through nested tuples and frozen sets
KEY_WORK: Final = 4_000_000_000  # characters and parts hashed or compared, over all keys
COLLISIONS: Final = 10_000  # different keys with the hash of an earlier one

# TorchScript: modules may be shared, and a hostile file may put one inside itself
SCRIPT_MODULES: Final = 100_000  # places of modules in a module
SCRIPT_NAME_LENGTH: Final = 10_000  # characters in the name of such a place

# Tensors
DIMENSIONS: Final = 64  # dimensions of a tensor: NumPy's own limit

# Headers and indexes written as JSON
HEADER_BYTES: Final = 100_000_000  # bytes of a safetensors header: the format's own limit
HEADER_ENTRY: Final = 4_096  # characters of what a safetensors header says of one tensor
HEADER_NAMES: Final = 500_000  # names in one object: tensors of a file, entries of its metadata or of an index
INDEX_BYTES: Final = 32_000_000  # bytes of an index of shards
