"""What the scripts that prepare data share: what is said of errors, and how files and folders are written."""

import contextlib
import errno
import fcntl
import os
import sys

FULL = (errno.ENOSPC, errno.EDQUOT)


class DataError(Exception):
    """What the user can mend."""


def run(work):
    """Calls work(); the exit code, 2 after a line that says what the user can mend."""
    try:
        work()
    except DataError as error:
        print(error, file=sys.stderr)
        return 2
    except OSError as error:
        named = error.filename is not None
        print(f"{error.filename}: {error.strerror}" if named else error, file=sys.stderr)
        return 2
    return 0


def write_whole(path, content):
    """The file holds what it did or all of the bytes `content`, whatever happens meanwhile."""
    temporary = f"{path}.{os.getpid()}.tmp"
    try:
        with open(temporary, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        with contextlib.suppress(OSError):
            os.remove(temporary)
        raise


@contextlib.contextmanager
def with_room(folder, then):
    """What is written inside goes to `folder`; `then` says what to do once its disk has room again."""
    try:
        yield
    except OSError as error:
        if error.errno not in FULL:
            raise
        raise DataError(
            f"{folder}: no room is left on its disk ({error.strerror}); make room, {then}"
        ) from None


@contextlib.contextmanager
def alone(folder):
    """Makes the folder and refuses a second call on it. The lock ends with the process that holds it."""
    os.makedirs(folder, exist_ok=True)
    with open(os.path.join(folder, ".lock"), "wb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise DataError(f"{folder}: another call is writing into it; wait until it has ended") from None
        yield
