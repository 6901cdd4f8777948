"""Checkpoints as data: a file's bytes to plain Python values and inert records, and back. Knows no tensors, no JAX."""

from flambeau.checkpoint.builders import Builders as Builders
from flambeau.checkpoint.builders import Known as Known
from flambeau.checkpoint.reader import Checkpoint as Checkpoint
from flambeau.checkpoint.reader import read as read
from flambeau.checkpoint.records import CallRecord as CallRecord
from flambeau.checkpoint.records import DeviceRecord as DeviceRecord
from flambeau.checkpoint.records import DtypeRecord as DtypeRecord
from flambeau.checkpoint.records import GlobalRecord as GlobalRecord
from flambeau.checkpoint.records import LayoutRecord as LayoutRecord
from flambeau.checkpoint.records import ObjectRecord as ObjectRecord
from flambeau.checkpoint.records import SizeRecord as SizeRecord
from flambeau.checkpoint.records import StorageRecord as StorageRecord
from flambeau.checkpoint.records import TensorRecord as TensorRecord
from flambeau.checkpoint.scanning import NamedGlobal as NamedGlobal
from flambeau.checkpoint.scanning import Scan as Scan
from flambeau.checkpoint.scanning import scan as scan
from flambeau.checkpoint.script import ScriptRecord as ScriptRecord
from flambeau.checkpoint.special_records import MetaRecord as MetaRecord
from flambeau.checkpoint.special_records import NestedRecord as NestedRecord
from flambeau.checkpoint.special_records import QuantizedRecord as QuantizedRecord
from flambeau.checkpoint.special_records import SparseRecord as SparseRecord
from flambeau.checkpoint.writer import prepare as prepare
from flambeau.checkpoint.writer import write as write
