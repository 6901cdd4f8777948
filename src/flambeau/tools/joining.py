"""Several files as one, for `flambeau merge`."""

from collections.abc import Sequence
from typing import cast

from flambeau.base.errors import BadEdit
from flambeau.tools.opening import Opened

__all__ = ["joined"]


def joined(shards: Sequence[Opened]) -> tuple[dict[object, object], dict[str, str]]:
    """Put the dictionaries of several files together, and their metadata.

    Args:
        shards: the files.

    Raises:
        BadEdit: a file holds no dictionary, or two hold the same name.
    """
    made: dict[object, object] = {}
    metadata: dict[str, str] = {}
    homes: dict[object, str] = {}
    for shard in shards:
        obj = shard.checkpoint.obj
        if not isinstance(obj, dict):
            raise BadEdit(f"{shard.path}: it holds no tensors by name")
        for name, value in cast("dict[object, object]", obj).items():
            if name in homes:
                raise BadEdit(f"{name!r} is in {homes[name]} and in {shard.path}")
            homes[name] = shard.path
            made[name] = value
        metadata.update(shard.checkpoint.metadata)
    metadata.pop("total_size", None)  # an index's, which is not needed any more
    return made, metadata
