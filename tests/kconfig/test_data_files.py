"""What the scripts that prepare data say of errors, and that they leave no half of a file."""

import contextlib
import io
import os
import unittest

from support import FolderTest

import data_files  # noqa: E402  (support makes scripts/ known)


class Errors(FolderTest):
    def said(self, work, code=2):
        with contextlib.redirect_stderr(io.StringIO()) as said:
            self.assertEqual(data_files.run(work), code)
        return said.getvalue()

    def test_are_one_line(self):
        def fail(error):
            raise error

        self.assertEqual(self.said(lambda: fail(data_files.DataError("a: b"))), "a: b\n")
        self.assertEqual(
            self.said(lambda: open(self.path("c"))), f"{self.path('c')}: No such file or directory\n"
        )
        self.assertEqual(self.said(lambda: fail(OSError("no name"))), "no name\n")
        self.assertEqual(self.said(lambda: None, code=0), "")

    def test_a_full_disk_is_named_by_its_folder(self):
        def work():
            with data_files.with_room("a folder", "and call again"), open("/dev/full", "wb") as file:
                file.write(b"x")

        text = "a folder: no room is left on its disk (No space left on device); make room, and call again\n"
        self.assertEqual(self.said(work), text)

        def other():
            with data_files.with_room("a folder", "and call again"):
                open(self.path("c"))

        self.assertIn("c: No such file", self.said(other))


class Whole(FolderTest):
    def test_a_file_keeps_what_it_held_where_there_is_no_room(self):
        path = self.write("a", "before")
        os.symlink("/dev/full", f"{path}.{os.getpid()}.tmp")
        with self.assertRaises(OSError):
            data_files.write_whole(path, b"after")
        self.assertEqual(os.listdir(self.folder), ["a"])
        self.assertEqual(self.read("a"), "before")
        data_files.write_whole(path, b"after")
        self.assertEqual(self.read("a"), "after")

    def test_a_folder_is_one_call_s_at_a_time(self):
        folder = self.path("new")
        with data_files.alone(folder):
            with self.assertRaisesRegex(data_files.DataError, "new: another call is writing into it"):
                with data_files.alone(folder):
                    pass
        with data_files.alone(folder):
            pass


if __name__ == "__main__":
    unittest.main()
