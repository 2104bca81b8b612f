# Of the names on standard input, those nearest to the words in -v names="A B" by edit distance, as text to hang on a
# message: "; did you mean SEEDS?". Nothing where none is near.
function distance(a, b,    i, j, row, before, other) {
  for (j = 0; j <= length(b); ++j) row[j] = j
  for (i = 1; i <= length(a); ++i) {
    before = row[0]; row[0] = i
    for (j = 1; j <= length(b); ++j) {
      other = before + (substr(a, i, 1) != substr(b, j, 1)); before = row[j]
      if (row[j] + 1 < other) other = row[j] + 1
      if (row[j - 1] + 1 < other) other = row[j - 1] + 1
      row[j] = other
    }
  }
  return row[length(b)]
}
{ known[NR] = $0 }
END {
  count = split(names, wanted, " ")
  for (w = 1; w <= count; ++w) {
    word = toupper(wanted[w]); sub(/^CONFIG_/, "", word)
    best = (length(word) / 4 > 2 ? int(length(word) / 4) : 2) + 1; name = ""
    for (k = 1; k <= NR; ++k) if ((d = distance(word, known[k])) < best) { best = d; name = known[k] }
    if (name != "") found = found (found == "" ? "" : ", ") name
  }
  if (found != "") printf "; did you mean %s?", found
}
