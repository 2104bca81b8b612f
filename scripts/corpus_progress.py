"""What prepare_corpus.py has done in a folder: a later call goes on there, and of the same files alone."""

import contextlib
import json
import os
import sys

import data_files
from data_files import DataError

HEADER = 1024  # bytes of a shard before its ids


def write_json(path, value):
    data_files.write_whole(path, (json.dumps(value, indent=1, sort_keys=True) + "\n").encode())


class Progress:
    """What is done, in progress.json: of what, for each whole shard where the next one begins, and what
    servers said of the files that were fetched. A shard is listed before it has its name."""

    def __init__(self, folder, made_of):
        self.folder, self.made_of, self.anew = folder, made_of, f"remove the folder {folder} to begin anew"
        self.shards, self.ended, self.fetched = [], False, {}
        self.path = os.path.join(folder, "progress.json")
        if os.path.exists(self.path):
            self.read()
        self.keep_whole()
        self.refuse_other_shards()

    def read(self):
        try:
            with open(self.path, encoding="utf-8") as file:
                found = json.load(file)
            self.shards = [
                {
                    "name": os.path.basename(shard["name"]),
                    "tokens": int(shard["tokens"]),
                    "next": [int(n) for n in shard["next"]],
                }
                for shard in found["shards"]
            ]
            self.ended, self.fetched = bool(found["ended"]), dict(found.get("fetched", {}))
            before = leaves(found["made_of"])
        except (ValueError, KeyError, TypeError, AttributeError):
            raise DataError(f"{self.path}: is damaged; {self.anew}") from None
        now = leaves(self.made_of)
        for name in {**now, **before}:
            if before.get(name) != now.get(name):
                raise DataError(
                    f"{self.path}: was begun with {name} = {json.dumps(before.get(name))}, not "
                    f"{json.dumps(now.get(name))}; give what it was begun with, or {self.anew}"
                )

    def keep_whole(self):
        """Shards from the first that is not whole any more are made again."""
        for number, shard in enumerate(self.shards):
            path = os.path.join(self.folder, shard["name"])
            if not os.path.exists(path) or os.path.getsize(path) != HEADER + 2 * shard["tokens"]:
                print(f"{path}: is not whole; making it and what follows again", file=sys.stderr)
                for again in self.shards[number:]:
                    with contextlib.suppress(FileNotFoundError):
                        os.remove(os.path.join(self.folder, again["name"]))
                self.shards, self.ended = self.shards[:number], False
                if not self.shards:
                    self.fetched = {}
                return

    def refuse_other_shards(self):
        """DATASET=bin takes every .bin of a folder: one of another call would be trained on beside ours."""
        listed = {shard["name"] for shard in self.shards}
        others = sorted(n for n in os.listdir(self.folder) if n.endswith(".bin") and n not in listed)
        if others:
            raise DataError(
                f"{self.folder}: holds {shown(others)}, not listed in its progress.json, which DATASET=bin "
                f"would take for part of this text: {self.anew}"
            )

    def recognise(self, name, found):
        """Of a file that lay behind a URL: the shards before must be made of the same one."""
        before = self.fetched.setdefault(name, found)
        if before != found:
            raise DataError(
                f"{name}: is another file than shards were made of: {json.dumps(found)}, not "
                f"{json.dumps(before)}; {self.anew}"
            )

    def tokens(self):
        return sum(shard["tokens"] for shard in self.shards)

    def next(self):
        """(input, document, token) where the next shard begins."""
        return tuple(self.shards[-1]["next"]) if self.shards else (0, 0, 0)

    def add(self, name, tokens, place, ended):
        self.shards.append({"name": name, "tokens": tokens, "next": list(place)})
        self.ended = ended
        content = {"made_of": self.made_of, "shards": self.shards, "ended": ended, "fetched": self.fetched}
        write_json(self.path, content)


def leaves(value, name=""):
    """{"a.b[0]": …} of nested tables and lists."""
    if isinstance(value, dict):
        parts = [(f"{name}.{key}" if name else key, part) for key, part in value.items()]
    elif isinstance(value, list):
        parts = [(f"{name}[{number}]", part) for number, part in enumerate(value)]
    else:
        return {name: value}
    return {leaf: found for key, part in parts for leaf, found in leaves(part, key).items()}


def shown(names):
    return names[0] if len(names) == 1 else f"{names[0]} and {len(names) - 1} more"
