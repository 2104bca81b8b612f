# Of the names on standard input, those nearest to the words in -v names="A B" by edit distance, as text to hang on a
# message: "; did you mean SEEDS?". What another project's name is here (src/config/foreign_names.inc, the second
# file) comes first: "; here BATCH_SIZE is GPT2_BATCH_SIZE". Nothing where none is near.
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
/^FOREIGN\(/ {
  name = ours = $0
  sub(/^FOREIGN\(/, "", name); sub(/,.*/, "", name)
  sub(/^[^"]*"/, "", ours); sub(/"\)$/, "", ours)
  foreign[name] = ours
}
/^[A-Z0-9_]+$/ { known[++count] = $0 }
END {
  wanted_count = split(names, wanted, " ")
  for (w = 1; w <= wanted_count; ++w) {
    word = toupper(wanted[w]); sub(/^CONFIG_/, "", word)
    if (word in foreign) {
      here = here "; here " word " is " foreign[word]
      continue
    }
    best = (length(word) / 4 > 2 ? int(length(word) / 4) : 2) + 1; name = ""
    for (k = 1; k <= count; ++k)  # a short name is near to any short word: half of the letters must be its own
      if ((d = distance(word, known[k])) < best && 2 * d <= length(word) && d < length(known[k])) {
        best = d; name = known[k]
      }
    if (name != "") found = found (found == "" ? "" : ", ") name
  }
  printf "%s", here
  if (found != "") printf "; did you mean %s?", found
}
