"""The files of a corpus: where they are, and the documents in them. Parquet takes the package pyarrow, zst
zstandard (requirements-corpus.txt)."""

import contextlib
import glob
import gzip
import hashlib
import http.client
import json
import os
import time
import urllib.error
import urllib.parse
import urllib.request
import zlib

from data_files import FULL, DataError

SUFFIXES = (".parquet", ".jsonl", ".jsonl.gz", ".jsonl.zst")
BLOCK = 1 << 20
TRIES, PATIENCE = 6, 60  # of a download; seconds without an answer
COLUMN = "--column NAME (COLUMN=NAME after make)"
INSTALL = "bash scripts/setup.sh corpus installs it, which `make data-fineweb-edu` calls"


class LocalFile:
    def __init__(self, path):
        self.path, self.name = path, path
        self.begun = self.identity()

    def identity(self):
        """What tells that it is the same file as before, wherever it lies now."""
        found = os.stat(self.path)
        name = os.path.basename(self.path)
        return f"{name}, {found.st_size} bytes, modified at {found.st_mtime_ns} ns"

    @contextlib.contextmanager
    def here(self, folder):
        """(its path, what a server says of it) while it is read into `folder`."""
        yield self.path, None
        if self.identity() != self.begun:
            raise DataError(
                f"{self.name}: changed while it was read, and shards are of what it was: remove the folder "
                f"{folder} and call again"
            )

    def kept(self, _):
        """The path of a download that was not read to its end."""
        return None


class RemoteFile:
    """A file behind a URL: it lies in a folder while it is read. What came before an interruption stays. A
    URL may lead to another file later: beside what is here lies the ETag that it came with, or the date."""

    def __init__(self, url):
        self.name = url
        self.base = os.path.basename(urllib.parse.urlsplit(url).path)
        self.local = f"download-{hashlib.sha256(url.encode()).hexdigest()[:8]}-{self.base}"

    def identity(self):
        return self.name

    @contextlib.contextmanager
    def here(self, folder):
        path = os.path.join(folder, self.local)
        if not os.path.exists(path):
            self.fetch(path)
        yield path, {"tag": read_text(f"{path}.tag"), "bytes": os.path.getsize(path)}
        os.remove(path)
        with contextlib.suppress(FileNotFoundError):
            os.remove(f"{path}.tag")

    def kept(self, folder):
        path = os.path.join(folder, self.local)
        return path if os.path.exists(path) else None

    def fetch(self, path):
        part, fault = f"{path}.part", None
        for attempt in range(TRIES):
            if attempt:
                time.sleep(min(2**attempt, 30))
            try:
                if self.fetch_rest(part, f"{path}.tag"):
                    os.replace(part, path)
                    return
                fault = "the connection ended early"
            except urllib.error.HTTPError as error:
                fault = f"{error.code} {error.reason}"
                if error.code == 416:  # what is here is no part of what is there
                    os.remove(part)
                elif error.code < 500 and error.code not in (408, 429):
                    break
            except (OSError, http.client.HTTPException) as error:
                if is_of_this_machine(error):
                    raise
                fault = str(getattr(error, "reason", error)) or type(error).__name__
        raise DataError(
            f"{self.name}: can't be read ({fault}); call again to go on, or give other files with --input "
            "(INPUT after make)"
        )

    def fetch_rest(self, part, tag_path):
        """Adds what is missing; whether it is whole. A part goes on only if the server says that the file is
        what it was."""
        have, tag = os.path.getsize(part) if os.path.exists(part) else 0, read_text(tag_path)
        request = urllib.request.Request(self.name, headers={"User-Agent": "kablate"})
        if have and tag:
            request.add_header("Range", f"bytes={have}-")
            request.add_header("If-Range", tag)
        with urllib.request.urlopen(request, timeout=PATIENCE) as answer:
            goes_on = getattr(answer, "status", 200) == 206
            length = answer.headers.get("Content-Length")
            with open(part, "ab" if goes_on else "wb") as file:
                if not goes_on:  # the part is empty by now: no tag stands beside bytes of another file
                    tag = answer.headers.get("ETag") or answer.headers.get("Last-Modified") or ""
                    with open(tag_path, "w", encoding="utf-8") as beside:
                        beside.write(tag)
                count = 0
                while block := answer.read(BLOCK):
                    file.write(block)
                    count += len(block)
        return length is None or count == int(length)


def is_of_this_machine(error):
    """Whether it came of a file here, not of the network."""
    if isinstance(error, urllib.error.URLError) or not isinstance(error, OSError):
        return False
    return error.filename is not None or error.errno in FULL


def read_text(path):
    try:
        with open(path, encoding="utf-8") as file:
            return file.read()
    except FileNotFoundError:
        return ""


def inputs(given):
    """The files that paths, folders, globs and URLs name, in that order."""
    found = []
    for name in given:
        if "://" in name:
            found.append(RemoteFile(name))
            check_suffix(found[-1].base, name)
            continue
        paths = [name]
        if os.path.isdir(name):
            entries = sorted(entry for entry in os.listdir(name) if entry.endswith(SUFFIXES))
            paths = [os.path.join(name, entry) for entry in entries]
        elif not os.path.exists(name):
            paths = sorted(glob.glob(name))
        if not paths:
            raise DataError(
                f"{name}: no such file; allowed: {', '.join(SUFFIXES)} files, a folder, a glob, a URL"
            )
        for path in paths:
            check_suffix(path, path)
            found.append(LocalFile(path))
    return found


def check_suffix(path, name):
    if not path.endswith(SUFFIXES):
        raise DataError(f"{name}: is of a form that is not read; allowed: {', '.join(SUFFIXES)}")


def texts(path, name, column, skip):
    """The documents of a file, all but the first `skip`."""
    if path.endswith(".parquet"):
        yield from parquet_texts(path, name, column, skip)
    else:
        yield from json_texts(path, name, column, skip)


def checked(text, name, place, column):
    if not isinstance(text, str):
        raise DataError(f'{name}: {place}: "{column}" is {json.dumps(text, default=str)[:40]}, not text')
    return text


def parquet_texts(path, name, column, skip):
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError:
        raise DataError(f"{name}: needs the Python package pyarrow; {INSTALL}") from None
    try:
        with pyarrow.parquet.ParquetFile(path, page_checksum_verification=True) as table:
            names = table.schema_arrow.names
            if column not in names:
                has = ", ".join(names)
                raise DataError(f'{name}: has no column "{column}"; it has {has}: give {COLUMN}')
            groups, row = [], 0
            for group in range(table.num_row_groups):
                rows = table.metadata.row_group(group).num_rows
                if groups or row + rows > skip:
                    groups.append(group)
                else:
                    row += rows
            if not groups:
                return
            for batch in table.iter_batches(batch_size=1000, row_groups=groups, columns=[column]):
                for text in batch.column(0).to_pylist():
                    if row >= skip:
                        yield checked(text, name, f"row {row}", column)
                    row += 1
    except (pyarrow.ArrowException, OSError, UnicodeDecodeError) as error:  # OSError: of a damaged page
        what = (str(error).splitlines() or [type(error).__name__])[0]
        raise DataError(f"{name}: is no whole Parquet file: {what}") from None


def zst_lines(packed, zstandard):
    """zstandard's own reader ends without a word where a frame is cut short."""
    frame, rest, begun = zstandard.ZstdDecompressor().decompressobj(), b"", False
    try:
        while block := packed.read(BLOCK):
            while block:
                begun = True
                *lines, rest = (rest + frame.decompress(block)).split(b"\n")
                yield from lines
                block = frame.unused_data if frame.eof else b""
                if frame.eof:
                    frame, begun = zstandard.ZstdDecompressor().decompressobj(), False
    except zstandard.ZstdError as error:
        raise EOFError(str(error)) from None
    if begun:
        raise EOFError("its last frame has no end")
    if rest:
        yield rest


@contextlib.contextmanager
def lines_of(path, name):
    """The file's lines as bytes, unpacked."""
    if path.endswith(".gz"):
        with gzip.open(path, "rb") as file:
            yield file
    elif path.endswith(".zst"):
        try:
            import zstandard
        except ImportError:
            raise DataError(f"{name}: needs the Python package zstandard; {INSTALL}") from None
        with open(path, "rb") as packed:
            yield zst_lines(packed, zstandard)
    else:
        with open(path, "rb") as file:
            yield file


def json_texts(path, name, column, skip):
    number = 0
    try:
        with lines_of(path, name) as lines:
            for number, line in enumerate(lines, 1):
                if number > skip:
                    yield json_text(line, name, number, column)
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise DataError(f"{name}: is cut short or damaged behind line {number} ({error})") from None
    except OSError as error:
        if error.filename:
            raise
        raise DataError(f"{name}: can't be read behind line {number} ({error.strerror})") from None


def json_text(line, name, number, column):
    try:
        row = json.loads(line)
    except ValueError as error:
        raise DataError(f"{name}: line {number} is no JSON ({error}); a line is a document") from None
    if not isinstance(row, dict) or column not in row:
        has = ", ".join(row) if isinstance(row, dict) else "no fields"
        raise DataError(f'{name}: line {number} has no "{column}"; it has {has}: give {COLUMN}')
    return checked(row[column], name, f"line {number}", column)
