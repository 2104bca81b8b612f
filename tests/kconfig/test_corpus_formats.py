"""A corpus in Parquet and zst, with a stand-in for the encoder. Skipped where pyarrow or zstandard are not
installed (`make data-fineweb-edu` installs them in .venv)."""

import datetime
import json
import sys
import unittest

try:
    import pyarrow
    import pyarrow.parquet
    import zstandard
except ImportError as fault:
    print(f"skipped: {fault}")
    sys.exit(77)  # as CMakeLists.txt has it

from corpus_support import DOCUMENTS, CorpusTest  # noqa: E402


class Formats(CorpusTest):
    def test_of_parquet_and_zst(self):
        table = pyarrow.table({"id": list(range(30)), "text": DOCUMENTS[:30]})
        pyarrow.parquet.write_table(table, self.path("a.parquet"), row_group_size=7)
        raw = "".join(json.dumps({"text": text}) + "\n" for text in DOCUMENTS[30:]).encode()
        packed = [zstandard.compress(raw[:100]), zstandard.compress(raw[100:])]  # two frames
        self.write("b.jsonl.zst", b"".join(packed))
        inputs = self.path("a.parquet"), self.path("b.jsonl.zst")
        self.prepare(*inputs)
        self.assertEqual(self.tokens(), self.expected(DOCUMENTS))
        for shards in range(1, len(self.shards()) + 2):
            self.prepare(*inputs, out="by one", shards=shards)
        self.assertEqual(self.contents("by one"), self.contents())
        self.refused('no column "body"; it has id, text', inputs=inputs, out="c", column="body")
        for name, content in ("cut.jsonl.zst", packed[0][:-3]), ("cut.parquet", b"PAR1 and no more"):
            self.refused(f"{name}: is ", inputs=[self.write(name, content)], out="c")
        self.write("cut.jsonl.zst", b"".join(packed)[:-3])
        self.refused("is cut short", inputs=[self.path("cut.jsonl.zst")], out="d")

    def test_a_damaged_page_is_named(self):
        table = pyarrow.table({"text": DOCUMENTS * 50})
        for checksums in False, True:
            path = self.path(f"{checksums}.parquet")
            pyarrow.parquet.write_table(table, path, use_dictionary=False, write_page_checksum=checksums)
            content = bytearray(self.read_bytes(path))
            start = pyarrow.parquet.ParquetFile(path).metadata.row_group(0).column(0).data_page_offset
            content[start + 100 : start + 400] = bytes(range(50)) * 6
            self.write(path, bytes(content))
            self.refused(f"{path}: is no whole Parquet file: ", inputs=[path], out=f"out {checksums}")

    def test_a_column_of_something_else_is_named(self):
        for values, text in ([b"a"], "b'a'"), ([datetime.date(2020, 1, 2)], "2020-01-02"), ([None], "null"):
            path = self.path("a.parquet")
            pyarrow.parquet.write_table(pyarrow.table({"text": values}), path)
            self.refused('a.parquet: row 0: "text" is ', text, ", not text", inputs=[path], out=text)


if __name__ == "__main__":
    unittest.main()
