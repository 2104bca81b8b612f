#!/usr/bin/env bash
# Calls the program with what was given on make's command line:
# run.sh run|retry|plan|audit|submit|status|report|watch|list|verify|rerun|knockout|noise|calibrate|pack|
# merge|tensorboard|wandb|trackio; open and check-report are about the page that report writes. Environment:
# SRC, OUT; KABLATE_V; KABLATE_STEPS, KABLATE_SEEDS, KABLATE_BUDGET, KABLATE_RESULTS, KABLATE_RUN,
# KABLATE_FRESH, KABLATE_FROM, KABLATE_TO, KABLATE_DRY_RUN; KABLATE_SET_ and a symbol.
set -euo pipefail

command=$1
arguments=()
case $command in
  run | retry | plan | audit | submit | verify)
    [ -z "$KABLATE_STEPS" ] || arguments+=(--steps "$KABLATE_STEPS")
    [ -z "$KABLATE_SEEDS" ] || arguments+=(--seeds "$KABLATE_SEEDS")
    ;;
  pack | merge)
    [ -z "$KABLATE_TO" ] || arguments+=(--out "$KABLATE_TO")
    ;;
  noise)
    [ -z "$KABLATE_FRESH" ] || arguments+=(--fresh "$KABLATE_FRESH")
    ;;
esac
case $command in
  run | retry)
    [ -z "$KABLATE_BUDGET" ] || arguments+=(--budget "$KABLATE_BUDGET")
    ;;
  submit)
    [ "$KABLATE_DRY_RUN" != y ] || arguments+=(--dry-run)
    ;;
  verify | rerun | knockout)
    [ -z "${KABLATE_SET_DATA_PATH:-}" ] || arguments+=(--data-path "$KABLATE_SET_DATA_PATH")
    ;;&
  verify | rerun)
    [ -z "${KABLATE_SET_INIT_FROM:-}" ] || arguments+=(--init-from "$KABLATE_SET_INIT_FROM")
    ;;
esac
case $command in
  calibrate)
    command=noise
    arguments+=(--config defconfigs/calibration --fresh 400 --pairs 5 --planted-harm 20)
    [ -z "$KABLATE_RESULTS" ] || arguments+=(--results "$KABLATE_RESULTS")
    ;;
  list)
    [ -z "$KABLATE_RESULTS" ] || arguments+=(--results "$KABLATE_RESULTS")
    ;;
  run | retry | plan | audit | noise | submit)
    [ -z "$KABLATE_RESULTS" ] || arguments+=(--results "$KABLATE_RESULTS")
    for name in $(compgen -v KABLATE_SET_); do
      arguments+=(--set "${name#KABLATE_SET_}=${!name}")
    done
    ;;
  merge)
    [ -n "$KABLATE_FROM" ] && [ -n "$KABLATE_TO" ] ||
      { echo "make merge: say what and where to: FROM=\"a.tar.gz results/b\" TO=results/both" >&2; exit 2; }
    words=$(xargs printf '%s\n' <<< "$KABLATE_FROM") || exit 2  # a name with blanks: FROM="'a b.tar.gz' c"
    mapfile -t sources <<< "$words"
    arguments+=(-- "${sources[@]}")
    ;;
  report | open | check-report | watch | status | verify | pack | tensorboard | wandb | trackio)
    [ "$command" != watch ] || { command=report && arguments+=(--watch); }
    experiment=$(sed -n 's/^CONFIG_EXPERIMENT_NAME="\(.*\)"$/\1/p' "$OUT/.config")
    arguments+=("${KABLATE_RUN:-${KABLATE_RESULTS:-results}/$experiment}")
    ;;
  rerun | knockout)
    [ -n "$KABLATE_RUN" ] || { echo "make $command: give a trial's folder with RUN=DIR" >&2; exit 2; }
    arguments+=("$KABLATE_RUN")
    ;;
esac

open_page() {  # open_page FILE: in the browser that the user's settings name
  local opener
  for opener in "${BROWSER:-}" xdg-open wslview open; do
    [ -n "$opener" ] && command -v "$opener" > /dev/null || continue
    [ -n "${BROWSER:-}${DISPLAY:-}${WAYLAND_DISPLAY:-}${WSL_DISTRO_NAME:-}" ] || [ "$opener" = open ] ||
      continue
    "$opener" "$1" && return
  done
  echo "No browser can be opened from here; copy this file to where one is: $1"
}

case $command in
  open | check-report)
    page=$(realpath -- "${arguments[0]}")/report.html
    "$OUT/build/kablate" report "${arguments[0]}" > /dev/null || status=$?
    [ "${status:-0}" -le 1 ] || exit "$status"  # 1: what stands on the page too
    [ -e "$page" ] || { echo "There is no $page, and it can't be written (see above)." >&2; exit 1; }
    [ "$command" = check-report ] || { open_page "$page"; exit; }
    set -- "$OUT/.venv/bin/python" "$SRC/scripts/check_report.py" --shots "$OUT/build/report"
    arguments=("$page")
    ;;
  wandb | trackio)
    set -- "$OUT/.venv-trackers/bin/python" scripts/track.py "$command" --program "$OUT/build/kablate"
    ;;
  *)
    set -- "$OUT/build/kablate" "$command"
    ;;
esac
[ "${KABLATE_V:-}" != 1 ] || printf '%q ' "$@" "${arguments[@]}" $'\n'
exec "$@" "${arguments[@]}"
