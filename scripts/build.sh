#!/usr/bin/env bash
# Writes the generated headers, configures CMake where needed, and compiles: build.sh TARGET...
# Environment: SRC and OUT, the folders of the sources and of what is made; KABLATE_LIBTORCH, KABLATE_JOBS,
# KABLATE_V, KABLATE_TOGETHER (cmake/Together.cmake); CXX, CXXFLAGS and LDFLAGS, which CMake reads.
set -euo pipefail

python=$OUT/.venv/bin/python
build=$OUT/build
generated=$build/generated
ninja_verbose=
[ "${KABLATE_V:-}" != 1 ] || { set -x; ninja_verbose=-v; }

if [ -n "${KABLATE_LIBTORCH:-}" ]; then
  libtorch=$KABLATE_LIBTORCH
else
  for libtorch in "$OUT"/.venv/lib/python3*/site-packages/torch; do :; done
fi

mpi=n  # the module of several ranks is built where MPI is installed
if command -v mpicxx > /dev/null; then mpi=y; fi

nccl=n  # that of ranks on GPUs where the headers are that NCCL's own includes
if compgen -G "${libtorch//[\[\]*?\\]/?}/../nvidia/*/include/crt/host_config.h" > /dev/null; then nccl=y; fi

for uplot in "$OUT"/.venv/lib/python3*/site-packages/uplot/static; do :; done  # the curves of report.html

configure() {  # only if what it was called with has changed; ninja sees changes in CMakeLists.txt itself
  local arguments=(-S "$SRC" -B "$build" -G Ninja -DCMAKE_BUILD_TYPE=Release "-DKABLATE_LIBTORCH=$libtorch"
    "-DKABLATE_GENERATED=$generated" "-DKABLATE_UPLOT=$uplot"
    "-DPython3_EXECUTABLE=$python" "-DKABLATE_TOGETHER=${KABLATE_TOGETHER:-y}"
    "-DKABLATE_MPI=$mpi" "-DKABLATE_NCCL=$nccl") given=() name called
  for name in CXX CXXFLAGS LDFLAGS; do
    [ -z "${!name:-}" ] || given+=("$name=${!name}")
  done
  called=$(printf '%s\n' "${arguments[@]}" "${given[@]}")
  if [ -e "$build/build.ninja" ] && [ "$(cat "$build/cmake-call" 2> /dev/null)" = "$called" ]; then return; fi
  echo "Configuring the build: $("$python" "$SRC/scripts/torch_build.py" describe "$libtorch"), in $libtorch"
  [ ${#given[@]} = 0 ] || echo "With ${given[*]}"
  rm -rf -- "$build/CMakeCache.txt" "$build/CMakeFiles"  # a cache remembers the compiler and the paths it had
  if [ "${KABLATE_V:-}" = 1 ]; then
    cmake "${arguments[@]}"
  elif ! cmake "${arguments[@]}" > "$build/cmake.log" 2>&1; then
    cat "$build/cmake.log" >&2
    return 1
  fi
  printf '%s\n' "$called" > "$build/cmake-call"
}

name_future_files() {  # such a file is newer than whatever is made of it: ninja is never done with it
  local late
  late=$(cd "$SRC" && find CMakeLists.txt cmake src tests bench -newermt '1 minute' -print -quit)
  [ -n "$late" ] || return 0
  printf '%s\n' "$SRC/$late is from the future ($(date -r "$SRC/$late" '+%F %T')), or the clock is wrong." \
    "Such files are built again each time. This sets them right:" \
    "    find ${SRC@Q} -newermt now -exec touch {} +" >&2
  case $late in CMakeLists.txt | cmake/*) exit 2 ;; esac  # ninja would configure a hundred times and give up
}

mkdir -p -- "$generated"
name_future_files
if command -v flock > /dev/null; then  # two makes on one folder: the second waits
  exec 9> "$build/.lock"
  flock 9
fi
"$python" "$SRC/scripts/genconfig.py" --config "$OUT/.config" --out "$generated"
"$python" "$SRC/scripts/source_key.py" --out "$generated"
configure
cd "$build"
ninja $ninja_verbose -j "${KABLATE_JOBS:-$(nproc)}" "$@"
