#!/usr/bin/env bash
# A fresh, minimal Debian or Ubuntu in a folder, and the README's commands run there in a clone of this
# checkout: chroot.sh SUITE [COMMAND]. SUITE is bookworm (Debian 12), trixie (Debian 13) or noble (Ubuntu
# 24.04); COMMAND, a text for bash, is run instead of the README's. Needs root and debootstrap. Exit code: 0
# if all commands passed, 1 if one failed, 2 if there was nothing to run them in.
# The folder keeps SUITE.base (the system as debootstrap left it), SUITE.debs and pip-cache (what was
# downloaded); SUITE, a copy of the base, is made anew by each call, or with KEEP=1 is the last call's.
# Environment: CHROOTS, the folder (/var/tmp/kablate-chroots); MIRROR and KEYRING, where packages come from
# and what they are signed by; CA, a file of certificates to trust too; BIND, folders to be seen, read-only,
# at the same paths (such as one of wheels). Proxies (http_proxy, https_proxy, no_proxy), PIP_* and
# KABLATE_TORCH_INDEX are passed on.
set -euo pipefail

SRC=${SRC:-$(cd "$(dirname "$0")/.." && pwd)}
folder=$(realpath -m -- "${CHROOTS:-/var/tmp/kablate-chroots}")
suite=${1:-}
commands=${2:-'
make defconfig-quick
make GPT2_MAX_ITERS=20 SEEDS=1
make plan
make report
make list
make open
make audit STEPS=1
make verify STEPS=0
make install PREFIX=/opt/kablate
cd / && /opt/kablate/bin/kablate --version'}
root=$folder/$suite

fail() {
  printf '%s\n' "$@" >&2
  exit 2
}

choose_source() {  # sets mirror, keyring, keys (its package), components and script (one of debootstrap's)
  case $suite in
    bookworm | trixie)
      mirror=http://deb.debian.org/debian components=main script=sid
      keyring=/usr/share/keyrings/debian-archive-keyring.gpg keys=debian-archive-keyring
      ;;
    noble)
      mirror=http://archive.ubuntu.com/ubuntu components=main,universe script=gutsy
      keyring=/usr/share/keyrings/ubuntu-archive-keyring.gpg keys=ubuntu-keyring
      ;;
    *) fail "Suite '$suite': say bookworm (Debian 12), trixie (Debian 13) or noble (Ubuntu 24.04)." ;;
  esac
  mirror=${MIRROR:-$mirror} keyring=${KEYRING:-$keyring}
  scripts=/usr/share/debootstrap/scripts
  [ ! -e "$scripts/$suite" ] || script=$suite
}

check_machine() {
  [ "$(id -u)" = 0 ] || fail "This needs root: debootstrap and chroot do. Call it with sudo."
  command -v debootstrap > /dev/null ||
    fail "debootstrap is missing. Call this command, then this one again:" "    apt-get install debootstrap"
  [ -e "$keyring" ] || fail "$keyring, which the packages of $suite are checked with, is missing." \
    "It is in the package $keys; KEYRING=FILE names another file."
  [ -z "${CA:-}" ] || [ -r "$CA" ] || fail "CA=$CA: there is no such file to read."
  local each
  for each in ${BIND:-}; do
    case $each in /*) ;; *) fail "BIND: $each: write the folder's whole path." ;; esac
    [ -d "$each" ] || fail "BIND: there is no folder $each."
  done
}

make_base() {  # in a folder of another name until it is whole
  [ ! -d "$root.base" ] || return 0
  mkdir -p -- "$folder/debootstrap-debs"
  rm -rf --one-file-system -- "$root.part"
  echo "Getting $suite from $mirror"
  debootstrap --variant=minbase --include=ca-certificates,git,make --components="$components" \
    --keyring="$keyring" --force-check-gpg --cache-dir="$folder/debootstrap-debs" \
    "$suite" "$root.part" "$mirror" "$scripts/$script" > "$root.debootstrap.log" 2>&1 ||
    { tail -n 5 "$root.debootstrap.log" >&2; fail "debootstrap failed: $root.debootstrap.log" \
      "MIRROR=URL names another mirror; http_proxy is passed on."; }
  mv -- "$root.part" "$root.base"
}

make_root() {
  local each
  [ "${KEEP:-}" != 1 ] || [ ! -d "$root/root/kablate" ] || return 0
  rm -rf --one-file-system -- "$root"
  cp -a --reflink=auto -- "$root.base" "$root"
  echo force-unsafe-io > "$root/etc/dpkg/dpkg.cfg.d/unsafe-io"  # made anew each time: don't wait for disks
  for each in /etc/resolv.conf /etc/hosts; do
    [ ! -e "$each" ] || cp -L --remove-destination -- "$each" "$root$each"
  done
  if [ -n "${CA:-}" ]; then
    cp -- "$CA" "$root/usr/local/share/ca-certificates/own.crt"
    chroot "$root" update-ca-certificates > /dev/null 2>&1 ||
      fail "CA=$CA: $suite can't take these certificates."
  fi
  git clone --quiet --no-hardlinks -- "$SRC" "$root/root/kablate" ||
    fail "git could not clone $SRC (see above)."
}

give_commands() {  # and the checkout as it is committed now
  git -C "$root/root/kablate" fetch --quiet -- "$SRC" HEAD
  git -C "$root/root/kablate" reset --quiet --hard FETCH_HEAD
  [ -z "$(git -C "$SRC" status --porcelain)" ] ||
    echo "What is not committed in $SRC is not in the clone." >&2
  printf '%s\n' "$commands" > "$root/root/commands"
}

mounts() {  # what programs expect, and the folders of downloads; called in name spaces of its own
  local each
  mount -t proc proc "$root/proc"
  mount -t tmpfs tmpfs "$root/dev"
  for each in null zero full random urandom tty; do
    touch "$root/dev/$each"
    mount --bind "/dev/$each" "$root/dev/$each"
  done
  ln -s /proc/self/fd "$root/dev/fd"
  for each in stdin:0 stdout:1 stderr:2; do ln -s "/proc/self/fd/${each#*:}" "$root/dev/${each%:*}"; done
  mkdir -p "$root/dev/pts" "$root/dev/shm" "$root/root/.cache/pip" "$folder/pip-cache" "$root.debs/partial"
  mount -t devpts -o newinstance,ptmxmode=0666 devpts "$root/dev/pts"
  ln -s pts/ptmx "$root/dev/ptmx"
  chmod 1777 "$root/dev/shm"
  mount --bind "$folder/pip-cache" "$root/root/.cache/pip"
  mount --bind "$root.debs" "$root/var/cache/apt/archives"
  for each in ${BIND:-}; do
    mkdir -p "$root$each"
    mount --bind -o ro "$each" "$root$each"
  done
}

inside() {  # inside COMMANDS: no mount and no process of it is left afterwards
  local passed=() name
  for name in $(compgen -e); do
    case $name in
      http_proxy | https_proxy | no_proxy | HTTP_PROXY | HTTPS_PROXY | NO_PROXY | PIP_* | KABLATE_TORCH_INDEX)
        passed+=("$name=${!name}")
        ;;
    esac
  done
  [ -z "${CA:-}" ] || passed+=(PIP_CERT=/etc/ssl/certs/ca-certificates.crt)
  # shellcheck disable=SC2016
  root=$root folder=$folder mounts=$(declare -f mounts) \
    unshare --mount --pid --fork --kill-child --propagation private -- bash -euc \
    'eval "$mounts"; mounts; exec chroot "$root" /usr/bin/env -i "$@"' bash \
    HOME=/root TERM=dumb LANG=C.UTF-8 PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
    "${passed[@]}" bash -c "cd ~/kablate && $1" < /dev/null
}

minutes() {  # minutes SECONDS
  printf '%d min %d s' $(($1 / 60)) $(($1 % 60))
}

main() {
  local got verdict system
  choose_source
  check_machine
  mkdir -p -- "$folder" || fail "$folder can't be made; CHROOTS=DIR names another folder."
  exec 9> "$root.lock"
  flock -n 9 || fail "Another call works in $root; wait for it, or name another folder with CHROOTS=DIR."
  make_base
  make_root
  give_commands
  got=$SECONDS
  verdict=PASS
  inside 'exec bash -ev ~/commands' 2>&1 9>&- | tee "$root.log" || verdict=FAIL
  # shellcheck disable=SC2016
  system=$(inside '. /etc/os-release; echo -n "$PRETTY_NAME"; for each in g++ python3; do
    ! command -v $each > /dev/null || echo -n "; $($each --version | head -n 1)"; done' 2>&1)
  echo "$verdict on $suite ($system):" \
    "commands $(minutes $((SECONDS - got))), before them $(minutes "$got"); $root.log"
  [ $verdict = PASS ]
}

main; exit  # in one piece: bash reads on in a script that was changed meanwhile
