"""Checkpoints as data: a file's bytes to plain Python values and inert records, and back. Knows no tensors, no JAX."""

from flambeau.checkpoint.builders import Builders as Builders
from flambeau.checkpoint.numpy_writer import write_npy as write_npy
from flambeau.checkpoint.numpy_writer import write_npz as write_npz
from flambeau.checkpoint.pickle_writer import Pickled as Pickled
from flambeau.checkpoint.pickle_writer import write_pickle as write_pickle
from flambeau.checkpoint.reader import Checkpoint as Checkpoint
from flambeau.checkpoint.reader import read as read
from flambeau.checkpoint.reader import read_safetensors as read_safetensors
from flambeau.checkpoint.records import DeviceRecord as DeviceRecord
from flambeau.checkpoint.records import DtypeRecord as DtypeRecord
from flambeau.checkpoint.records import GlobalRecord as GlobalRecord
from flambeau.checkpoint.records import LayoutRecord as LayoutRecord
from flambeau.checkpoint.records import SizeRecord as SizeRecord
from flambeau.checkpoint.records import StorageRecord as StorageRecord
from flambeau.checkpoint.records import TensorRecord as TensorRecord
from flambeau.checkpoint.safetensors_writer import write_safetensors as write_safetensors
from flambeau.checkpoint.scan import ScannedGlobal as ScannedGlobal
from flambeau.checkpoint.scan import scan as scan
from flambeau.checkpoint.shard_writer import write_shards as write_shards
from flambeau.checkpoint.writer import write as write
from flambeau.checkpoint.writer import write_pickled as write_pickled
