"""A squashfs of a few files, without compression: the same bytes each time for the same files.

Version 4.0, little endian (kernel, fs/squashfs/squashfs_fs.h). Files lie in whole blocks, there are
no fragments, no extended attributes and no export table; everything belongs to root. Inodes and
directories must fit into one metadata block each (8 KiB: some 150 files), which is all that the
demonstration needs.
"""

import struct
from collections.abc import Mapping
from dataclasses import dataclass, field

MAGIC = 0x73717368
BLOCK_LOG = 17
BLOCK_BYTES = 1 << BLOCK_LOG
METADATA_BYTES = 8192
DEVICE_BLOCK_BYTES = 4096

# Named in every superblock, also where nothing is compressed.
GZIP = 1
# Inodes, data and ids are not compressed; no fragments; no extended attributes.
FLAGS = 0x0001 | 0x0002 | 0x0010 | 0x0200 | 0x0800

NONE = (1 << 64) - 1
NO_FRAGMENT = (1 << 32) - 1
UNCOMPRESSED_BLOCK = 1 << 24
UNCOMPRESSED_METADATA = 1 << 15

DIRECTORY, FILE = 1, 2
DIRECTORY_MODE, FILE_MODE, PROGRAM_MODE = 0o755, 0o644, 0o755

_superblock = struct.Struct("<5I6H8Q")
_inode = struct.Struct("<4H2I")  # kind, mode, owner, group, seconds, number
_directory = struct.Struct("<2I2HI")  # block, links, size, offset, parent
_file = struct.Struct("<4I")  # block, fragment, offset, size
_listing = struct.Struct("<3I")  # entries - 1, block, number
_entry = struct.Struct("<HhHH")  # offset, number's difference, kind, length - 1

# What a reader adds to a listing for `.` and `..`.
DOTS_BYTES = 3


@dataclass
class _Folder:
    """A directory: its number, and what is in it by name."""

    number: int = 0
    parent: int = 0
    entries: dict[str, "_Folder | _File"] = field(default_factory=dict)


@dataclass
class _File:
    """A regular file, and where its first block lies."""

    content: bytes
    number: int = 0
    start: int = 0


def pack(files: Mapping[str, bytes], *, seconds: int) -> bytes:
    """The file system with these files by path (`etc/os-release`), all as old as `seconds` say.

    Folders are made as needed. What begins with `#!` may be executed. ValueError for more than the
    tables hold.
    """
    return _Writer(files, seconds).pack()


class _Writer:
    def __init__(self, files: Mapping[str, bytes], seconds: int) -> None:
        self.seconds = seconds
        self.root = _Folder()
        for path, content in files.items():
            *folders, name = path.split("/")
            place = self.root
            for folder in folders:
                found = place.entries.setdefault(folder, _Folder())
                if not isinstance(found, _Folder):
                    raise ValueError(f"{path}: {folder} is a file.")  # noqa: TRY004  a wrong path
                place = found
            place.entries[name] = _File(content)
        self.blocks = b""
        self.inodes = b""
        self.listings = b""

    def pack(self) -> bytes:
        count = self._number(self.root, 0)
        # The root's parent is the number behind the last.
        self.root.parent = count + 1
        self._lay_data(self.root)
        root = self._write(self.root)
        inode_table = _superblock.size + len(self.blocks)
        inodes = _metadata(self.inodes)
        listing_table = inode_table + len(inodes)
        listings = _metadata(self.listings)
        ids_at = listing_table + len(listings)
        ids = _metadata(struct.pack("<I", 0))
        id_table = ids_at + len(ids)
        used = id_table + 8
        superblock = _superblock.pack(
            *(MAGIC, count, self.seconds, BLOCK_BYTES, 0),
            *(GZIP, BLOCK_LOG, FLAGS, 1, 4, 0),
            *(root, used, id_table, NONE, inode_table, listing_table, NONE, NONE),
        )
        whole = superblock + self.blocks + inodes + listings + ids + struct.pack("<Q", ids_at)
        return whole.ljust(-(-used // DEVICE_BLOCK_BYTES) * DEVICE_BLOCK_BYTES, b"\0")

    def _number(self, folder: _Folder, last: int) -> int:
        """Number the folder and all below it, from behind `last` on; the last number given."""
        last += 1
        folder.number = last
        for entry in folder.entries.values():
            if isinstance(entry, _Folder):
                entry.parent = folder.number
                last = self._number(entry, last)
            else:
                last += 1
                entry.number = last
        return last

    def _lay_data(self, folder: _Folder) -> None:
        pieces = []
        at = _superblock.size
        for file in _files_below(folder):
            file.start = at
            pieces.append(file.content)
            at += len(file.content)
        self.blocks = b"".join(pieces)

    def _write(self, entry: "_Folder | _File") -> int:
        """Write the inode, and first those of what is in it; where it lies in the table."""
        if isinstance(entry, _File):
            return self._write_file(entry)
        places = {name: self._write(below) for name, below in sorted(entry.entries.items())}
        at, listing = len(self.listings), self._list(entry, places)
        self.listings += listing
        folders = sum(isinstance(below, _Folder) for below in entry.entries.values())
        body = _directory.pack(0, 2 + folders, len(listing) + DOTS_BYTES, at, entry.parent)
        return self._write_inode(DIRECTORY, DIRECTORY_MODE, entry.number, body)

    def _write_file(self, file: _File) -> int:
        size = len(file.content)
        sizes = [min(BLOCK_BYTES, size - at) for at in range(0, size, BLOCK_BYTES)]
        body = _file.pack(file.start, NO_FRAGMENT, 0, size)
        body += b"".join(struct.pack("<I", UNCOMPRESSED_BLOCK | each) for each in sizes)
        mode = PROGRAM_MODE if file.content.startswith(b"#!") else FILE_MODE
        return self._write_inode(FILE, mode, file.number, body)

    def _write_inode(self, kind: int, mode: int, number: int, body: bytes) -> int:
        at = len(self.inodes)
        self.inodes += _inode.pack(kind, mode, 0, 0, self.seconds, number) + body
        return at

    @staticmethod
    def _list(folder: _Folder, places: Mapping[str, int]) -> bytes:
        if not places:
            return b""
        if len(places) > 256:
            raise ValueError("More than 256 names in one folder.")
        listing = _listing.pack(len(places) - 1, 0, folder.number)
        for name, place in places.items():
            below = folder.entries[name]
            kind = DIRECTORY if isinstance(below, _Folder) else FILE
            written = name.encode()
            listing += _entry.pack(place, below.number - folder.number, kind, len(written) - 1)
            listing += written
        return listing


def _files_below(folder: _Folder) -> list[_File]:
    found: list[_File] = []
    for entry in folder.entries.values():
        found += _files_below(entry) if isinstance(entry, _Folder) else [entry]
    return found


def _metadata(content: bytes) -> bytes:
    """One metadata block, as it is."""
    if len(content) > METADATA_BYTES:
        raise ValueError(f"{len(content)} bytes of a table: one block holds {METADATA_BYTES}.")
    return struct.pack("<H", UNCOMPRESSED_METADATA | len(content)) + content
