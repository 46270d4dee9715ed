#!/bin/sh
# readme.sh CC README INCLUDE LIBRARY_FOLDER: the C program of the README compiles, and prints what it says.
set -eu
cc=$1 readme=$2 include=$3 folder=$4
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
awk '/^```c$/ { on = 1; next } /^```$/ { on = 0 } on' "$readme" >"$work/hello.c"
"$cc" -std=c11 -pedantic -Wall -Wextra -Werror "$work/hello.c" -I"$include" -L"$folder" -llion -o "$work/hello"
test "$(LD_LIBRARY_PATH=$folder "$work/hello")" = Ann
