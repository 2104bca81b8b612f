#!/usr/bin/env bash
# Writes the generated headers, configures CMake where needed, and compiles: build.sh TARGET...
# Environment: SRC and OUT, the folders of the sources and of what is made; KABLATE_LIBTORCH; CXX; JOBS; V.
set -euo pipefail

python=$OUT/.venv/bin/python
build=$OUT/build
generated=$build/generated
ninja_verbose=
[ "${V:-}" != 1 ] || { set -x; ninja_verbose=-v; }

if [ -n "${KABLATE_LIBTORCH:-}" ]; then
  libtorch=$KABLATE_LIBTORCH
else
  for libtorch in "$OUT"/.venv/lib/python3*/site-packages/torch; do :; done
fi

configure() {  # only if what it was called with has changed; ninja sees changes in CMakeLists.txt itself
  local arguments=(-S "$SRC" -B "$build" -G Ninja -DCMAKE_BUILD_TYPE=Release "-DCMAKE_PREFIX_PATH=$libtorch"
    "-DKABLATE_GENERATED=$generated" "-DPython3_EXECUTABLE=$python") called
  called=$(printf '%s\n' "${arguments[@]}" "CXX=${CXX:-}")
  if [ -e "$build/build.ninja" ] && [ "$(cat "$build/cmake-call" 2> /dev/null)" = "$called" ]; then return; fi
  echo "Configuring the build with LibTorch in $libtorch"
  rm -rf -- "$build/CMakeCache.txt" "$build/CMakeFiles"  # a cache remembers the compiler and the paths it had
  if [ "${V:-}" = 1 ]; then
    cmake "${arguments[@]}"
  elif ! cmake "${arguments[@]}" > "$build/cmake.log" 2>&1; then
    cat "$build/cmake.log" >&2
    return 1
  fi
  printf '%s\n' "$called" > "$build/cmake-call"
}

mkdir -p -- "$generated"
if command -v flock > /dev/null; then  # two makes on one folder: the second waits
  exec 9> "$build/.lock"
  flock 9
fi
"$python" "$SRC/scripts/genconfig.py" --config "$OUT/.config" --out "$generated"
"$python" "$SRC/scripts/source_key.py" --out "$generated"
configure
cd "$build"
ninja $ninja_verbose -j "${JOBS:-$(nproc)}" "$@"
