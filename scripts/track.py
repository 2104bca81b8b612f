"""Brings an experiment's curves into a program that keeps runs: track.py wandb|trackio --program KABLATE
RESULT_DIR. `kablate tracked` reads the results, so that nothing damaged gets in; what is stored lies beside
them, in RESULT_DIR/wandb or RESULT_DIR/trackio, and nothing leaves the machine.

A run a trial: its id is the trial's key, so that a trial is one run however often it was interrupted and
however often this is called. One that is stored as it is now is left alone; of one that has changed or grown
the run is made anew.
"""

import argparse
import datetime
import glob
import hashlib
import json
import os
import shlex
import shutil
import subprocess
import sys

PROJECT = "kablate"


def read_tracked(program, folder):
    """What the program says of the experiment, each trial with the hash of its line, and the exit code."""
    process = subprocess.Popen([program, "tracked", folder], stdout=subprocess.PIPE, encoding="utf-8")
    header, trials = None, []
    for line in process.stdout:
        if header is None:
            header = json.loads(line)
        else:
            trials.append((json.loads(line), hashlib.sha256(line.encode()).hexdigest()))
    return header, trials, process.wait()


def points(trial):
    """[(iteration, seconds since the training began, {name: value})], one an iteration, in order."""
    merged = {}
    for row in trial["rows"]:
        seconds, values = merged.get(row["iteration"], (0, {}))
        merged[row["iteration"]] = max(seconds, row["seconds"]), values | row["values"]
    return [(iteration, *merged[iteration]) for iteration in sorted(merged)]


def config_of(trial):
    """Every symbol, and what the trial is."""
    about = {name: trial[name] for name in ("step", "name", "seed", "role", "state", "changes")}
    return trial["config"] | {f"trial_{name}": value for name, value in about.items()}


def summary_of(trial):
    """The numbers and words of summary.json; of a trial that has not ended nothing."""
    return {name: value for name, value in (trial["summary"] or {}).items()
            if isinstance(value, (bool, int, float, str))}


def without_variables(prefix):
    """Takes the program's own variables out of the environment: they can send what is stored elsewhere."""
    for name in [name for name in os.environ if name.startswith(prefix)]:
        del os.environ[name]


class Wandb:
    """W&B's offline files: a folder a run, as `wandb sync` takes it and `wandb leet` shows it. imported.json
    says which is of what: {id: {sha256, folder}}."""

    def __init__(self, header):
        without_variables("WANDB_")
        self.folder = header["wandb"]
        self.group = header["experiment"]
        os.makedirs(self.folder, exist_ok=True)
        # Its own files, which it would put into the user's home.
        for name in ("CONFIG", "CACHE", "DATA"):
            os.environ[f"WANDB_{name}_DIR"] = os.path.abspath(os.path.join(self.folder, "settings"))
        os.environ |= {"WANDB_MODE": "offline", "WANDB_ERROR_REPORTING": "false", "WANDB_SILENT": "true"}
        import wandb

        self.wandb = wandb
        self.settings = wandb.Settings(
            mode="offline", console="off", silent=True, disable_git=True, disable_code=True,
            disable_job_creation=True, x_disable_stats=True, x_disable_meta=True, x_disable_machine_info=True,
            x_disable_viewer=True, x_save_requirements=False,
        )
        self.index = os.path.join(self.folder, "imported.json")
        self.imported = {}
        if os.path.exists(self.index):
            with open(self.index, encoding="utf-8") as file:
                self.imported = json.load(file)

    def has(self, trial, digest):
        known = self.imported.get(trial["id"])
        return (known is not None and known["sha256"] == digest
                and os.path.isdir(os.path.join(self.folder, known["folder"])))

    def folders(self, trial):
        pattern = os.path.join(glob.escape(self.folder), f"offline-run-*-{trial['id']}")
        return {os.path.basename(path) for path in glob.glob(pattern)}

    def store(self, trial, digest):
        before = self.folders(trial)
        run = self.wandb.init(
            project=PROJECT, dir=os.path.dirname(os.path.abspath(self.folder)), id=trial["id"],
            group=self.group, name=trial["run"], tags=[trial["role"]], config=config_of(trial),
            settings=self.settings, reinit="finish_previous",
        )
        folder = os.path.basename(os.path.dirname(run.settings.sync_file))
        for iteration, seconds, values in points(trial):
            run.log(values | {"_timestamp": trial["began"] + seconds}, step=iteration)
        run.summary.update(summary_of(trial))
        run.finish(exit_code=0 if trial["state"] == "done" else 1)
        self.imported[trial["id"]] = {"sha256": digest, "folder": folder}
        write_json(self.index, self.imported)
        for name in before - {folder}:
            shutil.rmtree(os.path.join(self.folder, name))

    def advice(self):
        folder = shlex.quote(self.folder)
        return f"wandb leet {folder}, or wandb sync {folder}/offline-run-*, which sends them to a server"


class Trackio:
    """trackio's SQLite database. In its table of what belongs to the project stands the hash of each run."""

    def __init__(self, header):
        without_variables("TRACKIO_")
        self.folder = header["trackio"]
        self.group = header["experiment"]
        os.environ |= {"TRACKIO_DIR": os.path.abspath(self.folder), "HF_HUB_OFFLINE": "1"}
        from trackio.sqlite_storage import SQLiteStorage

        # trackio.init() would ask a server for the user's name, and gives every row the present time.
        self.storage = SQLiteStorage
        self.storage.init_db(PROJECT)

    def has(self, trial, digest):
        stored = {record["id"] for record in self.storage.get_run_records(PROJECT)}
        return trial["id"] in stored and self.storage.get_project_metadata(PROJECT, trial["id"]) == digest

    def store(self, trial, digest):
        self.storage.delete_run(PROJECT, trial["run"], run_id=trial["id"])
        rows = points(trial)
        if trial["summary"]:  # trackio has no place for it beside the configuration
            summary = {f"summary_{name}": value for name, value in summary_of(trial).items()}
        else:
            summary = {}
        about = {"_Username": None, "_Created": utc(trial["began"]), "_Group": self.group}
        self.storage.bulk_log(
            project=PROJECT, run=trial["run"], run_id=trial["id"],
            metrics_list=[values for _, _, values in rows],
            steps=[iteration for iteration, _, _ in rows],
            timestamps=[utc(trial["began"] + seconds) for _, seconds, _ in rows],
            config=config_of(trial) | summary | about,
        )
        self.storage.set_project_metadata(PROJECT, trial["id"], digest)

    def advice(self):
        return f"TRACKIO_DIR={shlex.quote(os.path.abspath(self.folder))} trackio show --project {PROJECT}"


def utc(seconds):
    return datetime.datetime.fromtimestamp(seconds, datetime.timezone.utc).isoformat()


def write_json(path, content):
    temporary = f"{path}.tmp{os.getpid()}"
    with open(temporary, "w", encoding="utf-8") as file:
        json.dump(content, file, indent=1, sort_keys=True)
        file.write("\n")
        file.flush()
        os.fsync(file.fileno())
    os.replace(temporary, path)


def main():
    parser = argparse.ArgumentParser(description="Brings an experiment's curves into W&B's files or trackio.")
    parser.add_argument("tracker", choices=("wandb", "trackio"))
    parser.add_argument("folder", metavar="RESULT_DIR")
    parser.add_argument("--program", required=True, metavar="KABLATE")
    arguments = parser.parse_args()
    header, trials, code = read_tracked(arguments.program, arguments.folder)
    if header is None:
        return code
    try:
        tracker = {"wandb": Wandb, "trackio": Trackio}[arguments.tracker](header)
    except ImportError as fault:
        print(f"track.py: {fault}; `make trackers` installs it", file=sys.stderr)
        return 2
    stored = 0
    for trial, digest in trials:
        if not tracker.has(trial, digest):
            tracker.store(trial, digest)
            stored += 1
    print(f"{tracker.folder}: {stored} of {len(trials)} runs written\nTo go on (in .venv-trackers/bin):\n"
          f"    {tracker.advice()}")
    return code


if __name__ == "__main__":
    sys.exit(main())
