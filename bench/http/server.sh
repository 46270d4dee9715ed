# server.sh - what the benchmarks of the ion host share: servers that are started by their process, waited for
# and stopped. Sourced; needs $lion and $here; sets $folder, removed at the end.
# shellcheck shell=bash
declare -A url pid
folder=$(mktemp -d "${TMPDIR:-/tmp}/lion-http-XXXXXX")

stop_all() {
    local one
    for one in "${pid[@]}"; do kill "$one" 2>/dev/null || true; done
    for one in "${pid[@]}"; do wait "$one" 2>/dev/null || true; done
    rm -rf "$folder"
}
trap stop_all EXIT

# wait_for WHAT COMMAND…: until it succeeds, at most 30 s.
wait_for() {
    local what=$1 i
    shift
    for ((i = 0; i < 600; i++)); do
        if "$@" >/dev/null 2>&1; then return 0; fi
        sleep 0.05
    done
    echo "waited in vain for $what" >&2
    tail -n 20 "$folder"/*.err >&2 || true
    return 1
}

# start NAME COMMAND…: beside this script; its output is in FOLDER/NAME.out and .err.
start() {
    local name=$1
    shift
    "$@" >"$folder/$name.out" 2>"$folder/$name.err" &
    pid[$name]=$!
}

# start_ready NAME COMMAND…: one that prints where it is ready.
start_ready() {
    start "$@"
    wait_for "$1 to be ready" grep -q '^ready http' "$folder/$1.out"
    url[$1]=$(sed -n 's,^ready \(http://[^/ ]*\).*,\1,p' "$folder/$1.out")
}

# A port of loopback that nobody listens at, for servers that cannot choose one themselves.
free_port() {
    local port
    for ((port = 20000 + RANDOM % 10000; ; port++)); do
        (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null || { echo "$port"; return; }
    done
}

# commit MESSAGE: all files of FOLDER/app.
commit() {
    git -C "$folder/app" add -A
    git -C "$folder/app" -c user.name=bench -c user.email=bench@localhost commit -q --allow-empty -m "$1"
}

# start_node DATA WORKERS [DATABASE]: a node of group "bench" that runs the application, with the database if given.
start_node() {
    local data=$1 workers=$2
    mkdir -p "$data"
    if [ $# -gt 2 ]; then cp "$3" "$data/bench.lion"; fi
    cp -r "$here/app" "$folder/app"
    git -C "$folder/app" init -q
    commit first
    start_ready lion "$lion" node --data "$data" --group bench --workers "$workers" --listen 127.0.0.1:0
    control=unix:$data/control.sock
    revision=$("$lion" push "$folder/app" --node "$control" | head -n 1)
    "$lion" deploy "$revision" --group bench --node "$control" >"$folder/deploy.out"
}
