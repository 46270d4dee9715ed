# shellcheck shell=bash
# packages.sh - what Lion needs of Debian, sourced by quickstart and check.

# shellcheck disable=SC2034  # used by the scripts that source this one
BUILD_PACKAGES=(build-essential cmake ninja-build ccache pkg-config luajit libluajit-5.1-dev
    liblmdb-dev libuv1-dev lua-lpeg-dev lua-cjson-dev libpcre2-dev libxxhash-dev libzstd-dev libsodium-dev
    node-llhttp libedit-dev libmd-dev libcurl4-openssl-dev)
# shellcheck disable=SC2034
CHECK_PACKAGES=(git lua-busted lua-check clang clang-format clang-tidy libclang-rt-14-dev
    libcmocka-dev curl openssl shellcheck codespell tzdata)

# headline TEXT: what comes next, in bold on a terminal.
headline() {
    if [ -t 1 ]; then printf '\n\033[1m== %s\033[0m\n' "$*"; else printf '\n== %s\n' "$*"; fi
}

is_installed() {
    [ "$(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null)" = installed ]
}

# install_packages NAME…: those that are missing, as root or by sudo.
install_packages() {
    local package missing=() as_root=()
    if ! command -v dpkg-query >/dev/null; then
        echo "This is no Debian: install what these packages hold, if you have not: $*"
        return
    fi
    for package in "$@"; do is_installed "$package" || missing+=("$package"); done
    if [ ${#missing[@]} -eq 0 ]; then return; fi

    headline "Installing ${missing[*]}"
    if [ "$(id -u)" -ne 0 ]; then
        if ! command -v sudo >/dev/null; then
            echo "Neither root nor sudo: run as root: apt-get install ${missing[*]}" >&2
            return 1
        fi
        as_root=(sudo)
    fi
    "${as_root[@]}" apt-get update -qq
    "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive \
        apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
}
