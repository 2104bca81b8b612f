"""Encodes a text by GPT-2's byte pairs: prepare_bpe.py OUT_DIR --text FILE, or --plays FOLDER with the plays'
train.txt and validation.txt.

Into a folder of OUT_DIR, named by the text (src/data/encoded_source.cpp finds it by the same rule): train.bin
and val.bin, little-endian 16-bit ids; vocab.bpe, the merges, by which the program turns ids into text;
meta.json, written last: vocab_size, tokenizer, how many tokens, the packages, the SHA-256 of the files.

Of one text the first nine tenths of its characters train, as when each is a token; a part is encoded by
itself.
"""

import argparse
import codecs
import hashlib
import json
import os
import shutil
import sys
import time

import data_files
import gpt2_bpe
from data_files import DataError

BLOCK = 1 << 22  # bytes read at once
FEWEST = 64  # bytes, of which it can be said that they are no text
NAME_DIGITS = 16
NAMES = ("train.bin", "val.bin", "vocab.bpe")


def blocks(path, label):
    """The file's bytes; an error for what is no file or empty."""
    if not os.path.isfile(path):
        raise DataError(f"{label}: {'is no file' if os.path.exists(path) else 'no such file'}")
    with open(path, "rb") as file:
        block = file.read(BLOCK)
        if not block:
            raise DataError(f"{label}: is empty; give a UTF-8 text file")
        zeros = block.count(0)
        if len(block) >= FEWEST and zeros >= len(block) // 10 * 9:
            raise DataError(
                f"{label}: no text: {zeros:,} of its first {len(block):,} bytes are NUL; was it cut off by a "
                "crash, or never written?"
            )
        while block:
            yield block
            block = file.read(BLOCK)


def characters(path, label):
    """The file's text in parts; an error says where it is no UTF-8."""
    decoder = codecs.getincrementaldecoder("utf-8")()
    read = 0
    try:
        for block in blocks(path, label):
            kept = len(decoder.getstate()[0])
            yield decoder.decode(block)
            read += len(block)
        block, kept = b"", len(decoder.getstate()[0])
        decoder.decode(b"", final=True)
    except UnicodeDecodeError as error:
        place, byte = read - kept + error.start, error.object[error.start]
        raise DataError(
            f"{label}: not UTF-8 at byte {place} (0x{byte:02X}); the text must be UTF-8: convert it, for "
            "example with iconv -t UTF-8"
        ) from None


def digest(path, label):
    found = hashlib.sha256()
    for block in blocks(path, label):
        found.update(block)
    return found.hexdigest()


def digests(paths, labels):
    return [digest(*text) for text in zip(paths, labels)]


def folder_name(found):
    name = found[0] if len(found) == 1 else hashlib.sha256("".join(found).encode()).hexdigest()
    return name[:NAME_DIGITS]


def head(texts, count):
    """Parts of a text until `count` characters are there; then parts of the rest, after a None."""
    for text in texts:
        if count is not None and len(text) >= count:
            yield text[:count]
            yield None
            text, count = text[count:], None
        elif count is not None:
            count -= len(text)
        yield text


def splits(paths, labels):
    """(training, validation): each a function that gives the split's text in parts."""
    if len(paths) == 2:
        return tuple((lambda p=path, n=label: characters(p, n)) for path, label in zip(paths, labels))
    count = sum(map(len, characters(paths[0], labels[0]))) * 9 // 10

    def part(first):
        reached = False
        for text in head(characters(paths[0], labels[0]), count):
            if text is None:
                reached = True
                if first:
                    return
            elif reached != first:
                yield text

    return (lambda: part(True)), (lambda: part(False))


def write_tokens(path, encoding, texts):
    """How many there are."""
    count = 0
    with open(path, "wb") as file:
        for ids in gpt2_bpe.token_lists(encoding, gpt2_bpe.pieces(texts)):
            file.write(gpt2_bpe.ids_as_bytes(ids))
            count += len(ids)
        file.flush()
        os.fsync(file.fileno())
    return count


def is_whole(folder):
    """Whether all is there as it was written."""
    try:
        with open(os.path.join(folder, "meta.json"), encoding="utf-8") as file:
            meta = json.load(file)
        return meta["packages"] == gpt2_bpe.versions() and all(
            digest(os.path.join(folder, name), name) == meta["sha256"][name] for name in NAMES
        )
    except (OSError, ValueError, KeyError, TypeError, ImportError, DataError):
        return False


def encode(folder, paths, labels, before, encoding):
    """Writes the folder of the texts that had the digests `before`; (tokens of each split, seconds)."""
    temporary = f"{folder}.{os.getpid()}.tmp"
    shutil.rmtree(temporary, ignore_errors=True)
    os.makedirs(temporary)
    try:
        start, counts = time.monotonic(), {}
        for name, texts in zip(NAMES, splits(paths, labels)):
            counts[name] = write_tokens(os.path.join(temporary, name), encoding, texts())
            if counts[name] == 0:
                raise DataError(f"{labels[-1]}: too short: nothing is left for {name}; give a longer text")
        seconds = time.monotonic() - start
        with open(os.path.join(temporary, "vocab.bpe"), "wb") as file:
            file.write(gpt2_bpe.vocabulary_file("vocab.bpe"))
        meta = {
            "vocab_size": gpt2_bpe.VOCABULARY,
            "tokenizer": "gpt2",
            "tokens": counts,
            "packages": gpt2_bpe.versions(),
            "sha256": {name: digest(os.path.join(temporary, name), name) for name in NAMES},
        }
        with open(os.path.join(temporary, "meta.json"), "w", encoding="utf-8") as file:
            file.write(json.dumps(meta, indent=2, sort_keys=True) + "\n")
        if digests(paths, labels) != before:
            raise DataError(f"{labels[0]}: changed while it was encoded; call make data-bpe again")
        shutil.rmtree(folder, ignore_errors=True)
        os.replace(temporary, folder)
    except OSError:
        if not is_whole(folder):  # another call may have been first
            raise
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return counts, seconds


def prepare(out, paths, labels, load=gpt2_bpe.load):
    found = digests(paths, labels)
    folder = os.path.join(out, folder_name(found))
    if is_whole(folder):
        print(f"{labels[0]}: its tokens are in {folder}")
        return folder
    encoding = load()
    with data_files.with_room(out, "and call again"):
        counts, seconds = encode(folder, paths, labels, found, encoding)
    total = sum(counts.values())
    print(
        f"{labels[0]}: {counts['train.bin']:,} tokens to train on and {counts['val.bin']:,} to validate, "
        f"in {folder} ({total / max(seconds, 1e-9) / 1e6:.2f} million tokens a second)"
    )
    return folder


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", help="the folder of all encoded texts")
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--text", help="a UTF-8 file")
    source.add_argument("--plays", help="the folder that prepare_shakespeare.py wrote")
    options = parser.parse_args()
    if options.plays is not None:
        paths = [os.path.join(options.plays, name) for name in ("train.txt", "validation.txt")]
        labels = [f"DATASET = shakespeare: {path}" for path in paths]
    else:
        paths, labels = [options.text], [f"DATA_PATH = {options.text}"]
    return data_files.run(lambda: prepare(options.out, paths, labels))


if __name__ == "__main__":
    sys.exit(main())
