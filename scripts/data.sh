#!/usr/bin/env bash
# Prepares data: data.sh plays, where the configuration reads them; then data.sh tokens, where it has
# TOKENIZER=gpt2; data.sh bpe, those of the text or the plays, whatever TOKENIZER is; data.sh fineweb-edu and
# data.sh openwebtext.
# Environment: SRC and OUT, the folders of the sources and of what is made; KABLATE_SET_ and a symbol;
# KABLATE_INPUT, KABLATE_COLUMN, KABLATE_SHARD_TOKENS, KABLATE_SHARDS.
set -euo pipefail

python=$OUT/.venv/bin/python

setting() {  # setting SYMBOL: of a string or choice, on make's command line or in .config
  local given=KABLATE_SET_$1
  if [ -n "${!given+x}" ]; then
    printf '%s\n' "${!given}"
  else
    sed -n "s/^CONFIG_$1=\"\(.*\)\"$/\1/p" "$OUT/.config" | sed 's/\\\(.\)/\1/g'
  fi
}

fail() {
  printf '%s\n' "$@" >&2
  exit 2
}

plays() {
  "$python" "$SRC/scripts/prepare_shakespeare.py" "$OUT/data/shakespeare"
}

encode() {  # encode DATASET: the plays are there
  local path
  path=$(setting DATA_PATH)
  case $1 in
    shakespeare) ;;
    text)
      [ -n "$path" ] ||
        fail "DATA_PATH is empty: DATASET = text needs the path of a UTF-8 text file; set DATA_PATH"
      ;;
    bin) fail "DATASET = bin: its files are tokens already; to encode a text: make data-bpe DATA_PATH=FILE" ;;
    *) fail "DATASET = $1: has no tokens to prepare; allowed: shakespeare, text" ;;
  esac
  bash "$SRC/scripts/setup.sh" bpe
  if [ "$1" = text ]; then
    "$python" "$SRC/scripts/prepare_bpe.py" "$OUT/data/gpt2" --text "$path"
  else
    "$python" "$SRC/scripts/prepare_bpe.py" "$OUT/data/gpt2" --plays "$OUT/data/shakespeare"
  fi
}

dataset=$(setting DATASET)
case $1 in
  plays) [ "$dataset" != shakespeare ] || plays ;;
  tokens)
    case $dataset in
      shakespeare | text) [ "$(setting TOKENIZER)" != gpt2 ] || encode "$dataset" ;;
      *) ;;  # reads no TOKENIZER
    esac
    ;;
  bpe)
    [ "${KABLATE_SET_TOKENIZER:-gpt2}" = gpt2 ] ||
      fail "TOKENIZER = $KABLATE_SET_TOKENIZER: make data-bpe prepares those of gpt2; allowed: gpt2"
    # A path by itself names a text.
    [ -n "${KABLATE_SET_DATASET:-}" ] || [ -z "${KABLATE_SET_DATA_PATH:-}" ] || dataset=text
    [ "$dataset" != shakespeare ] || plays
    encode "$dataset"
    ;;
  *)
    bash "$SRC/scripts/setup.sh" bpe
    bash "$SRC/scripts/setup.sh" corpus
    set -f  # the script looks for names
    # shellcheck disable=SC2086
    "$python" "$SRC/scripts/prepare_corpus.py" "$1" "$OUT/data/$1" ${KABLATE_INPUT:+--input $KABLATE_INPUT} \
      ${KABLATE_COLUMN:+--column "$KABLATE_COLUMN"} \
      ${KABLATE_SHARD_TOKENS:+--shard-tokens "$KABLATE_SHARD_TOKENS"} \
      ${KABLATE_SHARDS:+--shards "$KABLATE_SHARDS"}
    ;;
esac
