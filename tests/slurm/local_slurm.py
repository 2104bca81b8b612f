"""A Slurm of a test's own on this machine: one controller, two nodes n1 and n2 with two CPUs each, in a
folder and on ports of its own. Partition `low` gives way to `high` (its jobs are requeued). Ends only what it
started."""

import glob
import os
import shlex
import shutil
import signal
import socket
import subprocess
import tempfile
import time

tempfile.tempdir = "/var/tmp"  # which both nodes see; each has a /tmp of its own, as nodes have
OWN_TMP = ("unshare", "--mount", "sh", "-c", 'mount -t tmpfs none /tmp && exec "$@"', "sh")
# What a task's processes are given on n2, whose clock is 10 minutes ahead: but not that of its files, which
# are a server's, nor what measures durations.
PROLOG = """\
#!/bin/sh
[ "$SLURMD_NODENAME" = n2 ] && [ -e {folder}/wrong-clock ] || exit 0
for setting in LD_PRELOAD={library} FAKETIME=+600 NO_FAKE_STAT=1 FAKETIME_DONT_FAKE_MONOTONIC=1; do
  echo "export $setting"
done
"""
PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch", "squeue", "scontrol", "scancel")
CONFIGURATION = """\
ClusterName=kablate
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={ports[0]}
SlurmUser=root
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket,cred_expire=10
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool.%n
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.%n.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.%n.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
SchedulerType=sched/backfill
SchedulerParameters=sched_interval=1,bf_interval=1,sched_min_interval=0
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
ReturnToService=2
TaskProlog={folder}/prolog
MpiDefault=none
MaxArraySize={most}
NodeName=n1 NodeHostname={host} NodeAddr=127.0.0.1 Port={ports[1]} CPUs=2 RealMemory=1000 Feature=first
NodeName=n2 NodeHostname={host} NodeAddr=127.0.0.1 Port={ports[2]} CPUs=2 RealMemory=1000 Feature=second
PartitionName=low Nodes=n1,n2 Default=YES PriorityTier=1 MaxTime=INFINITE State=UP
PartitionName=high Nodes=n1,n2 PriorityTier=10 MaxTime=INFINITE State=UP
"""


def missing():
    """Why no Slurm can be started here; "" if one can."""
    absent = [name for name in PROGRAMS if shutil.which(name) is None]
    if absent:
        return f"{', '.join(absent)}: not installed (Debian: slurm-wlm munge)"
    return "" if os.geteuid() == 0 else "Slurm's daemons need root here"


def faketime():
    """The library that tells a process another time; None where Debian's faketime is not installed."""
    return next(iter(glob.glob("/usr/lib/*/faketime/libfaketimeMT.so.1")), None)


def free_ports(count):
    sockets = [socket.socket() for _ in range(count)]
    try:
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]
    finally:
        for one in sockets:
            one.close()


class LocalSlurm:
    def __init__(self, most=1001):
        self.holder = tempfile.TemporaryDirectory(prefix="kablate-slurm-")
        self.folder = self.holder.name
        os.chmod(self.folder, 0o755)
        self.daemons = []
        host = socket.gethostname().split(".")[0]
        for name in ("state", "spool.n1", "spool.n2"):
            os.mkdir(os.path.join(self.folder, name))
        with open(os.path.join(self.folder, "munge.key"), "wb") as file:
            os.fchmod(file.fileno(), 0o400)
            file.write(os.urandom(1024))
        self.configuration = os.path.join(self.folder, "slurm.conf")
        with open(self.configuration, "w", encoding="utf-8") as file:
            file.write(CONFIGURATION.format(folder=self.folder, host=host, ports=free_ports(3), most=most))
        with open(os.path.join(self.folder, "prolog"), "w", encoding="utf-8") as file:
            os.fchmod(file.fileno(), 0o755)
            file.write(PROLOG.format(folder=self.folder, library=faketime()))
        self.environment = {**os.environ, "SLURM_CONF": self.configuration}
        try:
            self.start()
        except BaseException:
            self.stop()
            raise

    def start(self):
        inside = lambda name: os.path.join(self.folder, name)  # noqa: E731
        self.daemon("munged", "--foreground", f"--key-file={inside('munge.key')}", "--force",
                    f"--socket={inside('munge.socket')}", f"--pid-file={inside('munged.pid')}",
                    f"--log-file={inside('munged.log')}", f"--seed-file={inside('munge.seed')}")
        self.wait(lambda: os.path.exists(inside("munge.socket")), "munged")
        self.daemon("slurmctld", "-D")
        self.daemon("slurmd", "-D", "-N", "n1")
        self.daemon(*OWN_TMP, "slurmd", "-D", "-N", "n2")
        self.second = self.daemons[-1].pid
        states = ("sinfo", "-h", "-N", "-p", "low", "-o", "%T")
        self.wait(lambda: self.said(*states).split() == ["idle", "idle"], "the nodes")

    def have_a_wrong_clock(self):
        """On n2, for the tasks that begin from now on."""
        with open(os.path.join(self.folder, "wrong-clock"), "wb"):
            pass

    def fill_disk_under(self, folder, kilobytes):
        """Until free_disk_under(), what n2 writes there goes to a disk of this size, unseen elsewhere."""
        folder = shlex.quote(folder)
        layers = f"lowerdir={folder},upperdir=/tmp/disk/new,workdir=/tmp/disk/work"
        self.on_second(
            f"mkdir /tmp/disk && mount -t tmpfs -o size={kilobytes}k none /tmp/disk && "
            f"mkdir /tmp/disk/new /tmp/disk/work && mount -t overlay -o {layers} none {folder}"
        )

    def free_disk_under(self, folder):
        self.on_second(f"umount {shlex.quote(folder)} && umount /tmp/disk && rmdir /tmp/disk")

    def on_second(self, commands):
        return self.call("nsenter", f"--target={self.second}", "--mount", "sh", "-ec", commands)

    def daemon(self, *line):
        log = open(os.path.join(self.folder, f"{line[0]}.{len(self.daemons)}.out"), "wb")
        self.daemons.append(subprocess.Popen(line, env=self.environment, stdin=subprocess.DEVNULL, stdout=log,
                                             stderr=log))
        log.close()

    def wait(self, happened, what, seconds=60):
        limit = time.monotonic() + seconds
        while time.monotonic() < limit:
            if value := happened():
                return value
            time.sleep(0.1)
        raise AssertionError(f"waited {seconds} s for {what}:\n{self.said('squeue')}\n{self.said('sinfo')}")

    def said(self, *line):
        return subprocess.run(line, env=self.environment, capture_output=True, text=True, check=False).stdout

    def call(self, *line):
        return subprocess.run(line, env=self.environment, capture_output=True, text=True, check=True).stdout

    def tasks(self):
        """Of jobs that have not ended: (state, job_task, node, job id of its own, batch script's name)."""
        lines = self.said("squeue", "-h", "-r", "-o", "%T|%i|%N|%A|%j").splitlines()
        return [tuple(line.split("|")) for line in lines]

    def stop(self):
        self.said("scancel", "--quiet", "--user=root")
        time.sleep(0.5)
        for daemon in reversed(self.daemons):
            daemon.send_signal(signal.SIGTERM)
        for daemon in reversed(self.daemons):
            try:
                daemon.wait(20)
            except subprocess.TimeoutExpired:
                daemon.kill()
                daemon.wait()
        self.holder.cleanup()
