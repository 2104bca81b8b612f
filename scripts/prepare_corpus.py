"""Encodes a corpus of documents by GPT-2's byte pairs: prepare_corpus.py SOURCE OUT_DIR
[--input PATH_OR_URL...] [--shard-tokens N] [--shards N] [--column NAME].

SOURCE is fineweb-edu (the sample of 10 billion tokens) or openwebtext. Without --input the files come from
where the corpus is published; with it from .parquet, .jsonl, .jsonl.gz or .jsonl.zst files, here or behind a
URL, in the order given, those of a glob or folder by name. A document is a row's text.

OUT_DIR gets llm.c's shards (256 int32: magic 20240520, version 1, count; then 16-bit ids), of N tokens each
but the last: SOURCE_val_000000.bin, SOURCE_train_000001.bin, …; the end of a text, 50256, stands before each
document, as llm.c has it. Beside them meta.json and vocab.bpe, for DATASET=bin. A file behind a URL lies in
OUT_DIR while it is read, one at a time. An interrupted call goes on behind the last whole shard
(progress.json), to the same bytes; --shards N stops after N of them, and more can be asked for later: a
download that was not read to its end stays for that. progress.json knows name, size and time of the files
here, ETag and size of those behind URLs: a call on others than the shards were made of is refused. What is
published may be another text tomorrow: its URLs name branches, which move.
"""

import argparse
import contextlib
import os
import re
import struct
import sys
import time

import corpus_files
import corpus_progress
import data_files
import gpt2_bpe
from data_files import DataError

MAGIC, VERSION = 20240520, 1
SHARD_TOKENS, MOST_TOKENS = 100_000_000, (1 << 31) - 1  # the header's count is an int32
HUB = "https://huggingface.co/datasets/"
SOURCES = {
    "fineweb-edu": [
        f"{HUB}HuggingFaceFW/fineweb-edu/resolve/main/sample/10BT/{i:03d}_00000.parquet" for i in range(14)
    ],
    "openwebtext": [
        f"{HUB}Skylion007/openwebtext/resolve/refs%2Fconvert%2Fparquet/plain_text/train/{i:04d}.parquet"
        for i in range(80)
    ],
}
BATCH_CHARACTERS = 1 << 22


def shard_name(source, number):
    return f"{source}_{'train' if number else 'val'}_{number:06d}.bin"


class Shard:
    """A file that grows to `most` tokens and takes its name once it is whole."""

    def __init__(self, path, most):
        self.path, self.most, self.count = path, most, 0
        self.file = open(f"{path}.tmp", "wb")
        self.file.write(bytes(corpus_progress.HEADER))

    def add(self, ids):
        """Takes what there is room for; how many."""
        taken = ids[: self.most - self.count]
        self.file.write(gpt2_bpe.ids_as_bytes(taken))
        self.count += len(taken)
        return len(taken)

    def discard(self):
        try:
            self.file.close()
        finally:
            with contextlib.suppress(FileNotFoundError):
                os.remove(f"{self.path}.tmp")

    def close(self):
        self.file.seek(0)
        self.file.write(struct.pack("<3i", MAGIC, VERSION, self.count))
        self.file.flush()
        os.fsync(self.file.fileno())
        self.file.close()

    def take_name(self):
        os.replace(f"{self.path}.tmp", self.path)


def encoded(encoding, documents):
    """(place of the document behind, ids with the end of a text before them), a document each."""
    for batch in gpt2_bpe.batches(documents, lambda document: len(document[1]) + 100, BATCH_CHARACTERS):
        texts = [text for _, text in batch]
        for (place, _), ids in zip(batch, gpt2_bpe.token_lists(encoding, texts)):
            yield place, [gpt2_bpe.END_OF_TEXT, *ids]


class Corpus:
    def __init__(self, inputs, options, encoding, progress):
        self.inputs, self.encoding, self.source, self.out = inputs, encoding, options.source, options.out
        self.shard_tokens, self.column, self.shard = options.shard_tokens, options.column, None
        self.progress = progress

    def documents(self, place):
        """((input, document), text) from `place` on."""
        first, skip = place
        for number in range(first, len(self.inputs)):
            name = self.inputs[number].name
            with self.inputs[number].here(self.out) as (path, fetched):
                if fetched:
                    self.progress.recognise(name, fetched)
                texts = corpus_files.texts(path, name, self.column, skip)
                for document, text in enumerate(texts, skip):
                    yield (number, document), text
            skip = 0

    def write(self, most_shards):
        """Writes what is missing."""
        if self.progress.ended or len(self.progress.shards) >= most_shards:
            return
        try:
            self.write_shards(most_shards)
            if self.shard:
                self.close((len(self.inputs), 0, 0), ended=True)
        finally:
            if self.shard:
                self.shard.discard()

    def write_shards(self, most_shards):
        """Writes as many; of the last tokens of all a shard is left open."""
        progress = self.progress
        number, document, skip = progress.next()
        for (number, document), ids in encoded(self.encoding, self.documents((number, document))):
            while skip < len(ids):
                if not self.shard:
                    name = shard_name(self.source, len(progress.shards))
                    self.shard = Shard(os.path.join(self.out, name), self.shard_tokens)
                skip += self.shard.add(ids[skip:])
                if self.shard.count < self.shard_tokens:
                    continue
                self.close((number, document, skip), ended=False)
                if len(progress.shards) >= most_shards:
                    return
            skip = 0

    def close(self, place, ended):
        shard = self.shard
        shard.close()
        self.progress.add(os.path.basename(shard.path), shard.count, place, ended)
        shard.take_name()
        self.shard = None
        print(f"{shard.path}: {shard.count:,} tokens", flush=True)


def prepare(options, tokenizer=gpt2_bpe):
    """`tokenizer` has load(), versions() and vocabulary_file(name)."""
    inputs = corpus_files.inputs(options.input or SOURCES[options.source])
    encoding = tokenizer.load()
    with (
        data_files.alone(options.out),
        data_files.with_room(options.out, "and call again: it goes on behind the last whole shard"),
    ):
        write(options, tokenizer, inputs, encoding)


def write(options, tokenizer, inputs, encoding):
    made_of = {
        "source": options.source,
        "shard_tokens": options.shard_tokens,
        "column": options.column,
        "inputs": [file.identity() for file in inputs],
        "packages": tokenizer.versions(),
    }
    progress = corpus_progress.Progress(options.out, made_of)
    data_files.write_whole(os.path.join(options.out, "vocab.bpe"), tokenizer.vocabulary_file("vocab.bpe"))
    meta = {"vocab_size": gpt2_bpe.VOCABULARY, "tokenizer": "gpt2"}
    corpus_progress.write_json(os.path.join(options.out, "meta.json"), meta)
    start, before = time.monotonic(), progress.tokens()
    Corpus(inputs, options, encoding, progress).write(options.shards or sys.maxsize)
    seconds, total = time.monotonic() - start, progress.tokens()
    written = total - before
    print(
        f"{options.source}: {total:,} tokens in {len(progress.shards)} shards in {options.out}, {written:,} "
        f"of them made now ({written / max(seconds, 1e-9) / 1e6:.2f} million a second)"
    )
    for path in filter(None, (file.kept(options.out) for file in inputs)):
        print(f"{path}: stays for a call that asks for more shards, which would fetch it again without it")
    if not progress.shards:
        raise DataError(f"{', '.join(file.name for file in inputs)}: no document is in it")
    if len(progress.shards) < 2 and not options.shards:
        raise DataError(
            f"{options.out}: all {total:,} tokens are in the first shard, which validates: none are left to "
            f"train on; {progress.anew}, with a smaller --shard-tokens (SHARD_TOKENS after make)"
        )


def positive(name, text):
    if not re.fullmatch("[1-9][0-9]{0,9}", text) or int(text) > MOST_TOKENS:
        raise DataError(f"{name} = {text}: must be a whole number from 1 to {MOST_TOKENS:,}")
    return int(text)


def with_numbers(options):
    options.shard_tokens = positive("SHARD_TOKENS", options.shard_tokens)
    if options.shards is not None:
        options.shards = positive("SHARDS", options.shards)
    return options


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n", maxsplit=1)[0])
    parser.add_argument("source", choices=sorted(SOURCES))
    parser.add_argument("out")
    parser.add_argument(
        "--input",
        nargs="+",
        help="files, folders, globs or URLs, in this order; else what is published, at branches, which move",
    )
    parser.add_argument("--shard-tokens", metavar="N", default=str(SHARD_TOKENS), help="of each but the last")
    parser.add_argument("--shards", metavar="N", help="stop after so many")
    parser.add_argument("--column", default="text", help="which field is the document")
    options = parser.parse_args()
    try:
        return data_files.run(lambda: prepare(with_numbers(options)))
    except KeyboardInterrupt:
        print("interrupted; the same command goes on from the last whole shard", file=sys.stderr)
        return 130


if __name__ == "__main__":
    sys.exit(main())
