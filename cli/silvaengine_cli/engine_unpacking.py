"""Unpacks artefacts for the functions of MiniStack, which by itself unpacks one for each process of each.

The launcher beside this file runs it, by the engine's own interpreter.
"""

import shutil
import zipfile
from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from hashlib import sha256
from pathlib import Path
from tempfile import gettempdir
from threading import Lock
from typing import Any, ClassVar, override

UNPACKED = Path(gettempdir(), "unpacked")

type File = tuple[str, int, int]
"""Name, checksum and size of an artefact's file."""


class SharedZip(zipfile.ZipFile):
    """An artefact that is unpacked once for all processes.

    Files that another one has, too, become links to those: few differ from one release to the next.
    """

    _unpacking = Lock()
    _unpacked: ClassVar[dict[Path, AbstractSet[File]]] = {}

    @override
    def extractall(self, path: Any = None, *_: Any, **__: Any) -> None:
        """Make ``path`` a link to the unpacked artefact; when one is added, delete those without a link."""
        contents = {(each.filename, each.CRC, each.file_size): each for each in self.infolist()}
        unpacked = UNPACKED / sha256(repr([*contents]).encode()).hexdigest()
        with self._unpacking:
            if unpacked not in self._unpacked:
                self._unpack(contents, unpacked)
                self._delete_unused()
                self._unpacked[unpacked] = contents.keys()
            Path(path).rmdir()
            Path(path).symlink_to(unpacked)
        Path(str(self.filename)).unlink()  # the process's own copy

    def _unpack(self, contents: Mapping[File, zipfile.ZipInfo], folder: Path) -> None:
        shutil.rmtree(folder, ignore_errors=True)  # of a try that failed
        shared = {each: len(files & contents.keys()) for each, files in self._unpacked.items()}
        like = max(shared, key=shared.__getitem__, default=folder)
        known = self._unpacked.get(like, frozenset())
        for place in {Path(name).parent for name, *_ in contents}:
            (folder / place).mkdir(parents=True, exist_ok=True)
        for file, member in contents.items():
            if file not in known or not _linked(like / member.filename, folder / member.filename):
                self.extract(member, folder)

    def _delete_unused(self) -> None:
        used = {link.resolve() for link in Path(gettempdir()).glob("ministack-lambda-*/*")}
        for unused in self._unpacked.keys() - used:
            del self._unpacked[unused]
            shutil.rmtree(unused)


def _linked(source: Path, target: Path) -> bool:
    """Make a file another name of one that is there; return whether that can be."""
    try:
        target.hardlink_to(source)
    except OSError:  # a folder, or a file system without links
        return False
    return True
