"""Encodes a corpus of documents by GPT-2's byte pairs: prepare_corpus.py SOURCE OUT_DIR
[--input PATH_OR_URL...] [--shard-tokens N] [--shards N] [--column NAME].

SOURCE is fineweb-edu (the sample of 10 billion tokens) or openwebtext. Without --input the files come from
where the corpus is published; with it from .parquet, .jsonl, .jsonl.gz or .jsonl.zst files, here or behind a
URL, in the order given, those of a glob or folder by name. A document is a row's text.

OUT_DIR gets llm.c's shards (256 int32: magic 20240520, version 1, count; then 16-bit ids), of N tokens each
but the last: SOURCE_val_000000.bin, SOURCE_train_000001.bin, …; the end of a text, 50256, stands before each
document, as llm.c has it. Beside them meta.json and vocab.bpe, for DATASET=bin. A file behind a URL lies in
OUT_DIR while it is read, one at a time. An interrupted call goes on behind the last whole shard
(progress.json), to the same bytes; --shards N stops after N of them, and more can be asked for later.
"""

import argparse
import json
import os
import struct
import sys
import time

import corpus_files
import gpt2_bpe
from gpt2_bpe import DataError

MAGIC, VERSION, HEADER = 20240520, 1, 1024
SHARD_TOKENS = 100_000_000
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


def write_json(path, value):
    write_whole(path, (json.dumps(value, indent=1, sort_keys=True) + "\n").encode())


def write_whole(path, content):
    temporary = f"{path}.{os.getpid()}.tmp"
    with open(temporary, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    os.replace(temporary, path)


class Shard:
    """A file that grows to `most` tokens and has its name once it is whole."""

    def __init__(self, path, most):
        self.path, self.most, self.count = path, most, 0
        self.file = open(f"{path}.tmp", "wb")
        self.file.write(bytes(HEADER))

    def add(self, ids):
        """Takes what there is room for; how many."""
        taken = ids[: self.most - self.count]
        self.file.write(gpt2_bpe.ids_as_bytes(taken))
        self.count += len(taken)
        return len(taken)

    def discard(self):
        self.file.close()
        os.remove(f"{self.path}.tmp")

    def close(self):
        self.file.seek(0)
        self.file.write(struct.pack("<3i", MAGIC, VERSION, self.count))
        self.file.flush()
        os.fsync(self.file.fileno())
        self.file.close()
        os.replace(f"{self.path}.tmp", self.path)


class Progress:
    """What is done, in progress.json: of what, and for each whole shard where the next one begins."""

    def __init__(self, folder, made_of):
        self.folder, self.made_of, self.shards, self.ended = folder, made_of, [], False
        self.path = os.path.join(folder, "progress.json")
        if not os.path.exists(self.path):
            return
        try:
            with open(self.path, encoding="utf-8") as file:
                found = json.load(file)
            before, self.shards, self.ended = found["made_of"], found["shards"], found["ended"]
        except (ValueError, KeyError, TypeError):
            raise DataError(f"{self.path}: is damaged; remove it to begin anew") from None
        for name, value in made_of.items():
            if before.get(name) != value:
                raise DataError(
                    f"{self.path}: was begun with {name} = {shown(before.get(name))}, not {shown(value)}; "
                    "give that, or another folder, or remove this one"
                )
        self.keep_whole()

    def keep_whole(self):
        """Shards from the first that is not whole any more are made again."""
        for number, shard in enumerate(self.shards):
            path = os.path.join(self.folder, shard["name"])
            if not os.path.exists(path) or os.path.getsize(path) != HEADER + 2 * shard["tokens"]:
                print(f"{path}: is not whole; making it and what follows again", file=sys.stderr)
                self.shards, self.ended = self.shards[:number], False
                return

    def tokens(self):
        return sum(shard["tokens"] for shard in self.shards)

    def next(self):
        """(input, document, token) where the next shard begins."""
        return tuple(self.shards[-1]["next"]) if self.shards else (0, 0, 0)

    def add(self, name, tokens, place, ended):
        self.shards.append({"name": name, "tokens": tokens, "next": list(place)})
        self.ended = ended
        write_json(self.path, {"made_of": self.made_of, "shards": self.shards, "ended": ended})


def shown(value):
    text = json.dumps(value)
    return text if len(text) <= 80 else text[:77] + "…"


def encoded(encoding, documents):
    """(place of the document behind, ids with the end of a text before them), a document each."""
    for batch in gpt2_bpe.batches(documents, lambda document: len(document[1]) + 100, BATCH_CHARACTERS):
        texts = [text for _, text in batch]
        for (place, _), ids in zip(batch, gpt2_bpe.token_lists(encoding, texts)):
            yield place, [gpt2_bpe.END_OF_TEXT, *ids]


class Corpus:
    def __init__(self, inputs, options, encoding):
        self.inputs, self.encoding, self.source, self.out = inputs, encoding, options.source, options.out
        self.shard_tokens, self.column, self.shard = options.shard_tokens, options.column, None

    def documents(self, place):
        """((input, document), text) from `place` on."""
        first, skip = place
        for number in range(first, len(self.inputs)):
            with self.inputs[number].here(self.out) as path:
                texts = corpus_files.texts(path, self.inputs[number].name, self.column, skip)
                for document, text in enumerate(texts, skip):
                    yield (number, document), text
            skip = 0

    def write(self, progress, most_shards):
        """Writes what is missing."""
        if progress.ended or len(progress.shards) >= most_shards:
            return
        try:
            self.write_shards(progress, most_shards)
            if self.shard:
                self.close(progress, (len(self.inputs), 0, 0), ended=True)
        finally:
            if self.shard:
                self.shard.discard()

    def write_shards(self, progress, most_shards):
        """Writes as many; of the last tokens of all a shard is left open."""
        number, document, skip = progress.next()
        for (number, document), ids in encoded(self.encoding, self.documents((number, document))):
            while skip < len(ids):
                if not self.shard:
                    name = shard_name(self.source, len(progress.shards))
                    self.shard = Shard(os.path.join(self.out, name), self.shard_tokens)
                skip += self.shard.add(ids[skip:])
                if self.shard.count < self.shard_tokens:
                    continue
                self.close(progress, (number, document, skip), ended=False)
                if len(progress.shards) >= most_shards:
                    return
            skip = 0

    def close(self, progress, place, ended):
        shard, self.shard = self.shard, None
        shard.close()
        progress.add(os.path.basename(shard.path), shard.count, place, ended)
        print(f"{shard.path}: {shard.count:,} tokens", flush=True)


def prepare(options, tokenizer=gpt2_bpe):
    """`tokenizer` has load(), versions(), vocabulary_file(name) and the constants of gpt2_bpe."""
    inputs = corpus_files.inputs(options.input or SOURCES[options.source])
    encoding = tokenizer.load()
    os.makedirs(options.out, exist_ok=True)
    made_of = {
        "source": options.source,
        "shard_tokens": options.shard_tokens,
        "column": options.column,
        "inputs": [file.identity() for file in inputs],
        "packages": tokenizer.versions(),
    }
    progress = Progress(options.out, made_of)
    write_whole(os.path.join(options.out, "vocab.bpe"), tokenizer.vocabulary_file("vocab.bpe"))
    meta = {"vocab_size": gpt2_bpe.VOCABULARY, "tokenizer": "gpt2"}
    write_json(os.path.join(options.out, "meta.json"), meta)
    start, before = time.monotonic(), progress.tokens()
    Corpus(inputs, options, encoding).write(progress, options.shards or sys.maxsize)
    seconds, total = time.monotonic() - start, progress.tokens()
    written = total - before
    print(
        f"{options.source}: {total:,} tokens in {len(progress.shards)} shards in {options.out}, {written:,} "
        f"of them made now ({written / max(seconds, 1e-9) / 1e6:.2f} million a second)"
    )
    if not progress.shards:
        raise DataError(f"{', '.join(file.name for file in inputs)}: no document is in it")
    if len(progress.shards) < 2 and not options.shards:
        raise DataError(
            f"{options.out}: all {total:,} tokens are in the first shard, which validates: none are left to "
            "train on; give a smaller --shard-tokens (SHARD_TOKENS after make), and another folder"
        )


def positive(text):
    value = int(text)
    if value < 1 or str(value) != text:
        raise argparse.ArgumentTypeError(f"{text}: must be a whole number of at least 1")
    return value


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n", maxsplit=1)[0])
    parser.add_argument("source", choices=sorted(SOURCES))
    parser.add_argument("out")
    parser.add_argument("--input", nargs="+", help="files, folders, globs or URLs, in this order")
    parser.add_argument("--shard-tokens", type=positive, default=SHARD_TOKENS)
    parser.add_argument("--shards", type=positive, help="stop after so many")
    parser.add_argument("--column", default="text", help="which field is the document")
    try:
        prepare(parser.parse_args())
    except (DataError, OSError) as error:
        return gpt2_bpe.fail(error)
    except KeyboardInterrupt:
        print("interrupted; the same command goes on from the last whole shard", file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
