# shellcheck shell=bash
# postgres.sh - a PostgreSQL of a script's own, in a folder that goes with it: to be sourced.
#   postgres_start [SETTING…]    postgres_socket is the folder of its socket, its user is bench; false where
#                                Debian's postgresql is not installed. It is stopped when the script exits.
postgres_bin=$(find /usr/lib/postgresql -name initdb 2>/dev/null | sort | tail -n 1)
postgres_bin=${postgres_bin%/initdb}
postgres_socket=

# PostgreSQL does not run as root.
postgres_as_user() {
    if [ "$(id -u)" -eq 0 ]; then runuser -u postgres -- "$@"; else "$@"; fi
}

postgres_stop() {
    [ -n "$postgres_socket" ] || return 0
    postgres_as_user "$postgres_bin/pg_ctl" -D "$postgres_socket" -m immediate -s stop 2>/dev/null || true
    rm -rf "$postgres_socket"
}

postgres_start() {
    [ -n "$postgres_bin" ] || return 1
    postgres_socket=$(mktemp -d /tmp/lion-postgres-XXXXXX)
    trap postgres_stop EXIT
    [ "$(id -u)" -ne 0 ] || chown postgres "$postgres_socket"
    postgres_as_user "$postgres_bin/initdb" -D "$postgres_socket" -U bench -A trust >/dev/null
    local options="-k $postgres_socket -h ''" setting
    for setting in shared_buffers=1GB max_wal_size=4GB "$@"; do options+=" -c $setting"; done
    postgres_as_user "$postgres_bin/pg_ctl" -D "$postgres_socket" -s -w -l "$postgres_socket/log" -o "$options" start
}
