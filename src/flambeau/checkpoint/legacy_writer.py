"""The stream that PyTorch wrote before version 1.6, and still reads: see `legacy_container`."""

import sys
from typing import Final

from flambeau.checkpoint.legacy_container import MAGIC, PROTOCOL
from flambeau.checkpoint.pickle_writer import Pickled, write_pickle
from flambeau.checkpoint.storage_plan import SavedStorage
from flambeau.checkpoint.zip_writer import ByteSink

__all__ = ["write_stream"]

# Written as facts about the writer's machine; no reader uses them.
_SYSTEM: Final = {
    "protocol_version": PROTOCOL,
    "little_endian": True,
    "type_sizes": {"short": 2, "int": 4, "long": 4},
}


def write_stream(pickled: Pickled, sink: ByteSink) -> None:
    """Write a description and its storages.

    Args:
        pickled: the description, whose storages were mentioned as such a stream does it.
        sink: where the bytes go.

    Raises:
        NotImplementedError: on a machine whose byte order is not the stream's.
    """
    if sys.byteorder != "little":
        raise NotImplementedError("PyTorch's format from before version 1.6 is written on little-endian machines only")
    storages: dict[str, SavedStorage] = {storage.key: storage for storage in pickled.storages}
    keys = sorted(storages)
    for plain in (MAGIC, PROTOCOL, _SYSTEM):
        sink.write(write_pickle(plain).data)
    sink.write(pickled.data)
    sink.write(write_pickle(list[object](keys)).data)
    for key in keys:
        sink.write(storages[key].count.to_bytes(8, "little"))
        for chunk in storages[key].chunks():
            sink.write(chunk)
