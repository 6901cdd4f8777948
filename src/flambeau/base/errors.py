"""The exception tree: every error of ours, one class for each reason, so that a program can tell them apart.

```
FlambeauError
├── LoadError                      (RuntimeError)         a file cannot be read as a checkpoint
│   ├── NotACheckpoint                                    its content is something else
│   │   └── EmptyFile              (EOFError)             it has no content
│   ├── UnsupportedContainer       (NotImplementedError)  a kind of checkpoint that is not read
│   ├── BadContainer                                      the file's outer structure is malformed
│   │   ├── TruncatedFile                                 bytes are missing
│   │   ├── TrailingBytes                                 bytes follow the end
│   │   ├── DuplicateRecord                               two records have one name
│   │   ├── OverlappingRecords                            two records claim the same bytes
│   │   ├── HiddenBytes                                   bytes between records belong to none
│   │   ├── MissingRecord                                 a record that is needed is not there
│   │   ├── AmbiguousContainer                            it could be read as two kinds of file
│   │   ├── BadZip                                        the zip archive is malformed
│   │   │   ├── MultipleEndRecords                        two ends, so two possible contents
│   │   │   ├── HeaderDisagreement                        two headers say different things of one record
│   │   │   ├── UnsupportedCompression (NotImplementedError)  encrypted, or neither stored nor deflated
│   │   │   └── BadDeflate                                compressed bytes do not inflate to the size declared
│   │   ├── BadStream                                     the stream of a file from before 1.6 is malformed
│   │   └── BadTar                                        the tar archive is malformed
│   │       └── UnsafeMember                              a link, a device, a path: more than a plain record
│   ├── ChecksumMismatch                                  a record's bytes are not those that were written
│   ├── LimitExceeded                                     the file asks for more than its size justifies
│   ├── BadPickle                                         the object's description is malformed
│   │   ├── TruncatedPickle                               it ends too early
│   │   ├── UnsupportedOpcode                             it holds an instruction that is not executed
│   │   ├── DisallowedGlobal                              it names something outside the allowlist
│   │   ├── UndecodableText                               text of Python 2 is not in the encoding it is read with
│   │   ├── UnhashableKey                                 it uses a list, say, as a dictionary's key
│   │   └── BadCall                                       it calls a permitted name with wrong arguments
│   ├── BadTensor                                         a tensor's description is malformed
│   │   ├── StorageSizeMismatch                           a storage's bytes are not as many as declared
│   │   ├── StorageDisagreement                           one storage is described in two ways
│   │   └── ViewOutOfStorage                              a tensor reaches beyond its storage
│   ├── BadSafetensors                                    a safetensors file is malformed
│   │   ├── TruncatedHeader                               it ends before its header does
│   │   ├── HeaderTooLarge                                its header is longer than the format allows
│   │   ├── BadHeaderStart                                its header does not begin as one
│   │   ├── BadHeaderText                                 its header is not JSON, or not UTF-8
│   │   ├── DuplicateName                                 its header says two things of one name
│   │   ├── BadMetadata                                   its metadata are not text by name
│   │   ├── BadEntry                                      a tensor's entry lacks something, or has too much
│   │   ├── UnknownElementType                            a tensor's type is none of the format's
│   │   ├── TooManyElements                               a tensor's size cannot be counted
│   │   ├── TensorSizeMismatch                            a tensor's bytes are not as many as its shape needs
│   │   ├── TensorOutOfFile                               a tensor's bytes lie beyond the file's end
│   │   ├── OverlappingTensors                            two tensors claim the same bytes
│   │   ├── UncoveredBytes                                bytes belong to no tensor
│   │   └── BadSharing                                    its record of shared tensors is malformed
│   ├── BadArrayFile                                      an .npy or .npz file is malformed
│   │   ├── BadArrayHeader                                an array's header is malformed
│   │   └── ArraySizeMismatch                             an array's bytes are not as many as its shape needs
│   ├── BadIndex                                          an index of shards is malformed
│   │   ├── EscapingShard                                 it names a file outside its folder
│   │   ├── MissingShard                                  it names a file that is not there
│   │   ├── MissingTensor                                 a shard lacks a tensor that it should hold
│   │   ├── RepeatedTensor                                a tensor is in two shards
│   │   └── UnlistedTensor                                a shard holds a tensor that the index does not list
│   └── UnsupportedTensor          (NotImplementedError)  a kind of tensor that is not read
├── LinAlgError                    (RuntimeError)         a matrix is singular, or has no such factors
├── OutOfMemoryError               (RuntimeError)         a device has no room left
├── BadEdit                        (ValueError)           a checkpoint cannot be changed as asked
└── SaveError                      (RuntimeError)         an object cannot be written as a checkpoint
    ├── CannotSave                 (TypeError)            it holds something that a checkpoint cannot
    │   └── CannotReference        (AttributeError)       a class or function that no import would find
    ├── CircularReference          (ValueError)           it contains itself
    ├── StorageTypeConflict                               two tensors view one storage as different types
    ├── MissingParent                                     the folder to write into does not exist
    └── WriteFailed                (OSError)              the system refused: full disk, failed sync, ...
```

The built-in classes in parentheses are what a PyTorch program may already catch. A file that cannot be opened at all
raises what `open` raises: `FileNotFoundError`, `IsADirectoryError`, `PermissionError`.
"""

# ruff: noqa: N818  (a reader's error is named after what is wrong with the file)

__all__ = [
    "AmbiguousContainer",
    "ArraySizeMismatch",
    "BadArrayFile",
    "BadArrayHeader",
    "BadCall",
    "BadContainer",
    "BadDeflate",
    "BadEdit",
    "BadEntry",
    "BadHeaderStart",
    "BadHeaderText",
    "BadIndex",
    "BadMetadata",
    "BadPickle",
    "BadSafetensors",
    "BadSharing",
    "BadStream",
    "BadTar",
    "BadTensor",
    "BadZip",
    "CannotReference",
    "CannotSave",
    "ChecksumMismatch",
    "CircularReference",
    "DisallowedGlobal",
    "DuplicateName",
    "DuplicateRecord",
    "EmptyFile",
    "EscapingShard",
    "FlambeauError",
    "HeaderDisagreement",
    "HeaderTooLarge",
    "HiddenBytes",
    "LimitExceeded",
    "LinAlgError",
    "LoadError",
    "MissingParent",
    "MissingRecord",
    "MissingShard",
    "MissingTensor",
    "MultipleEndRecords",
    "NotACheckpoint",
    "OutOfMemoryError",
    "OverlappingRecords",
    "OverlappingTensors",
    "RepeatedTensor",
    "SaveError",
    "StorageDisagreement",
    "StorageSizeMismatch",
    "StorageTypeConflict",
    "TensorOutOfFile",
    "TensorSizeMismatch",
    "TooManyElements",
    "TrailingBytes",
    "TruncatedFile",
    "TruncatedHeader",
    "TruncatedPickle",
    "UncoveredBytes",
    "UndecodableText",
    "UnhashableKey",
    "UnknownElementType",
    "UnlistedTensor",
    "UnsafeMember",
    "UnsupportedCompression",
    "UnsupportedContainer",
    "UnsupportedOpcode",
    "UnsupportedTensor",
    "ViewOutOfStorage",
    "WriteFailed",
]


class FlambeauError(Exception):
    """Root of every error that Flambeau defines."""


class LoadError(FlambeauError, RuntimeError):
    """A file cannot be read as a checkpoint; the text names the file, the record and the reason."""


class NotACheckpoint(LoadError):
    """The content is not a checkpoint but something else, named where it is recognized."""


class EmptyFile(NotACheckpoint, EOFError):
    """The file has no content."""


class UnsupportedContainer(LoadError, NotImplementedError):
    """The content is a kind of checkpoint that is not read."""


class BadContainer(LoadError):
    """The file's outer structure is malformed."""


class TruncatedFile(BadContainer):
    """Bytes that the file speaks of are missing."""


class TrailingBytes(BadContainer):
    """Bytes follow the place where the file should end."""


class DuplicateRecord(BadContainer):
    """Two records have the same name."""


class OverlappingRecords(BadContainer):
    """Two records claim the same bytes."""


class HiddenBytes(BadContainer):
    """Bytes between the records belong to none of them."""


class MissingRecord(BadContainer):
    """A record that the checkpoint needs is not in the file."""


class AmbiguousContainer(BadContainer):
    """The file could be read as two kinds of file, with different content."""


class BadZip(BadContainer):
    """The zip archive is malformed."""


class MultipleEndRecords(BadZip):
    """The archive ends in two places, so that two readers could find different content."""


class HeaderDisagreement(BadZip):
    """A record's own header and the archive's directory say different things."""


class UnsupportedCompression(BadZip, NotImplementedError):
    """A record is encrypted, or neither stored nor deflated."""


class BadDeflate(BadZip):
    """A record's compressed bytes do not inflate to what the directory declares."""


class BadStream(BadContainer):
    """The stream of pickles in a file from before PyTorch 1.6 is malformed."""


class BadTar(BadContainer):
    """The tar archive is malformed."""


class UnsafeMember(BadTar):
    """A member of the tar archive is a link, a device or a path instead of one of the four plain records."""


class ChecksumMismatch(LoadError):
    """A record's bytes are not those that were written: the file is damaged."""


class LimitExceeded(LoadError):
    """The file asks for more time or memory than its size justifies."""


class BadPickle(LoadError):
    """The description of the saved object is malformed."""


class TruncatedPickle(BadPickle):
    """The description of the saved object ends too early."""


class UnsupportedOpcode(BadPickle):
    """The description holds an instruction that is not executed."""


class DisallowedGlobal(BadPickle):
    """The description names a class or function outside the allowlist."""


class UndecodableText(BadPickle):
    """Text that Python 2 wrote is not in the encoding it is read with."""


class UnhashableKey(BadPickle):
    """The description uses as a key, or as a member of a set, what cannot be one."""


class BadCall(BadPickle):
    """The description calls a permitted name with arguments that it does not take."""


class BadTensor(LoadError):
    """The description of a tensor is malformed."""


class StorageSizeMismatch(BadTensor):
    """A storage's bytes are not as many as its description declares."""


class StorageDisagreement(BadTensor):
    """One storage is described in two different ways."""


class ViewOutOfStorage(BadTensor):
    """A tensor reaches beyond the end of its storage."""


class BadSafetensors(LoadError):
    """The safetensors file is malformed."""


class TruncatedHeader(BadSafetensors):
    """The file ends before its header does."""


class HeaderTooLarge(BadSafetensors):
    """The header is longer than the format allows."""


class BadHeaderStart(BadSafetensors):
    """The header does not begin as one."""


class BadHeaderText(BadSafetensors):
    """The header is not JSON, or not UTF-8."""


class DuplicateName(BadSafetensors):
    """The header says two things of one name."""


class BadMetadata(BadSafetensors):
    """The metadata are not text by name."""


class BadEntry(BadSafetensors):
    """A tensor's entry in the header lacks something, or has something that does not belong there."""


class UnknownElementType(BadSafetensors):
    """A tensor's type is none of the format's."""


class TooManyElements(BadSafetensors):
    """A tensor has more elements than can be counted in 63 bits of bytes."""


class TensorSizeMismatch(BadSafetensors):
    """A tensor's bytes are not as many as its shape and type need."""


class TensorOutOfFile(BadSafetensors):
    """A tensor's bytes lie beyond the end of the file."""


class OverlappingTensors(BadSafetensors):
    """Two tensors claim the same bytes."""


class UncoveredBytes(BadSafetensors):
    """Bytes of the file belong to no tensor."""


class BadSharing(BadSafetensors):
    """What the file's metadata say about shared tensors is malformed."""


class BadArrayFile(LoadError):
    """The .npy or .npz file is malformed."""


class BadArrayHeader(BadArrayFile):
    """An array's header is malformed."""


class ArraySizeMismatch(BadArrayFile):
    """An array's bytes are not as many as its shape and type need."""


class BadIndex(LoadError):
    """The index of shards is malformed."""


class EscapingShard(BadIndex):
    """The index names a file outside its folder."""


class MissingShard(BadIndex):
    """The index names a file that is not there."""


class MissingTensor(BadIndex):
    """A shard lacks a tensor that the index says it holds."""


class RepeatedTensor(BadIndex):
    """A tensor is in two shards."""


class UnlistedTensor(BadIndex):
    """A shard holds a tensor that the index does not list."""


class UnsupportedTensor(LoadError, NotImplementedError):
    """A kind of tensor that is not read: sparse, quantized, nested, ..."""


class LinAlgError(FlambeauError, RuntimeError):
    """A matrix is singular, or not positive-definite, where it must not be.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.linalg.LinAlgError.html
    """


class OutOfMemoryError(FlambeauError, RuntimeError):
    """A device has no room left, as programs catch it and raise it.

    XLA's own error, where a program of it needs more than there is, is another ``RuntimeError``.

    Example:
        >>> import flambeau as torch
        >>> try:
        ...     raise torch.cuda.OutOfMemoryError("CUDA out of memory.")
        ... except torch.OutOfMemoryError as error:
        ...     str(error)
        'CUDA out of memory.'

    Source: https://docs.pytorch.org/docs/stable/generated/torch.cuda.OutOfMemoryError.html
    """

    __module__ = "flambeau"  # where everybody finds it


class BadEdit(FlambeauError, ValueError):
    """A checkpoint cannot be changed as asked; nothing was written."""


class SaveError(FlambeauError, RuntimeError):
    """An object cannot be written as a checkpoint; a file that was there before is untouched."""


class CannotSave(SaveError, TypeError):
    """The object holds something that a checkpoint cannot; the text says where."""


class CannotReference(CannotSave, AttributeError):
    """A class or function is saved by its name, under which it cannot be found: a lambda, or a local class."""


class CircularReference(SaveError, ValueError):
    """The object contains itself; the text says where."""


class StorageTypeConflict(SaveError):
    """Two tensors view one storage as different types, which the format cannot express."""


class MissingParent(SaveError):
    """The folder to write into does not exist."""


class WriteFailed(OSError, SaveError):  # OSError comes first, so that it sets errno and filename
    """The system refused to write: a full disk, a failed sync, a folder without permission."""
