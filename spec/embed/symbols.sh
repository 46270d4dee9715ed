#!/bin/sh
# symbols.sh LIBRARY HEADER: what the library exports is what the header declares, no more and no less.
set -eu
library=$1 header=$2
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
nm -D --defined-only "$library" | awk '{ print $3 }' | sort >"$work/exported"
# A declaration is LION_API, the result, then the name before the first parenthesis.
tr '\n' ' ' <"$header" | grep -oE 'LION_API [^;(]*\(' | grep -oE 'lion_[a-z0-9_]+ *\($' |
    tr -d ' (' | sort >"$work/declared"
test -s "$work/declared"
diff "$work/declared" "$work/exported" && echo "$(wc -l <"$work/declared") functions"
