#!/bin/sh
# ./ck: sets ckkit up in .venv beside this file, then runs it. Needs python3 (3.11 or newer) with venv, nothing else.
#
#   ./ck up …      = ckkit up …      hub, runner, JupyterLab, dashboards; any other command of ckkit likewise
#   ./ck test …    the tests, with what pytest is to be given
#   ./ck setup     the set-up only, also where it seems to be done
#
# It sets up again when pyproject.toml, requirements.lock or the place of this folder changed, else it costs a few
# milliseconds. PYTHON names another interpreter; what pip's environment says of indexes and proxies holds for uv too.
set -eu

case $0 in */*) root=${0%/*} ;; *) root=. ;; esac
root=$(cd "$root" && pwd -P)
venv=$root/.venv
stamp=$venv/.ck-stamp # what the environment was made from
lock=$venv/.ck-lock   # a link to the pid of the one that sets up
log=$venv/ck.log
number=0

say() { printf 'ck: %s\n' "$*" >&2; }

fail() {
    say "$1"
    shift
    for line; do printf '    %s\n' "$line" >&2; done
    exit 2
}

wanted() {
    printf '%s\n' "$root" "$(readlink -f "$venv/bin/python")" # an upgrade of the system may bring another Python
    cat "$root/pyproject.toml" "$root/requirements.lock" | cksum
}

is_ready() { [ -x "$venv/bin/python" ] && [ -f "$stamp" ] && [ "$(cat "$stamp")" = "$(wanted)" ]; }

find_python() {
    found=
    if [ -n "${PYTHON-}" ]; then set -- "$PYTHON"; else set -- python3 python3.14 python3.13 python3.12 python3.11; fi
    for name; do
        python=$(command -v "$name") || continue
        "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && return
        found=${found:-$python is $("$python" -V 2>&1 | tail -n 1)}
    done
    fail "ckkit needs Python 3.11 or newer, but ${found:-there is no ${PYTHON:-python3}}" \
        "Debian, Ubuntu:  sudo apt-get install python3 python3-venv" \
        "another one:     PYTHON=/path/to/python3.12 ./ck …"
}

check_venv() {
    "$python" -c 'import venv, ensurepip' 2>/dev/null && return
    version=$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
    fail "$python (Python $version) has no module venv, or no ensurepip" \
        "Debian, Ubuntu:  sudo apt-get install python$version-venv"
}

# step TEXT COMMAND…: a line a step with its seconds; what the command says goes to the log.
step() {
    number=$((number + 1)) text=$1 began=$(date +%s)
    shift
    printf -- '--- %s\n' "$text" >>"$log"
    [ -t 2 ] || printf 'ck: %d/4 %s … ' "$number" "$text" >&2
    "$@" >>"$log" 2>&1 </dev/null &
    child=$!
    trap 'kill $child 2>/dev/null; rm -f "$lock"; exit 130' INT TERM HUP # a job in the background ignores Ctrl-C
    while kill -0 $child 2>/dev/null; do
        [ ! -t 2 ] || printf '\r\033[Kck: %d/4 %s … %d s' "$number" "$text" $(($(date +%s) - began)) >&2
        sleep 0.1 2>/dev/null || sleep 1
    done
    wait $child || failed
    trap - INT TERM HUP
    [ ! -t 2 ] || printf '\r\033[Kck: %d/4 %s … ' "$number" "$text" >&2
    printf '%d s\n' $(($(date +%s) - began)) >&2
}

failed() {
    printf '\n' >&2
    tail -n 4 "$log" | cut -c 1-160 | sed 's/^/    | /' >&2
    rm -f "$lock"
    if sed -n '/^--- /h;//!H;${x;p;}' "$log" | grep -qiE "$no_network"; then
        fail "packages could not be fetched: is there a network? The set-up goes on where it was with the same command" \
            "behind a proxy:   HTTPS_PROXY=http://proxy:3128 ./ck …" \
            "another index:    PIP_INDEX_URL=https://… ./ck …     (its certificate: PIP_CERT=…)" \
            "all that was said: $log"
    fi
    fail "the set-up failed; all that was said: $log" "to begin anew:    rm -r $venv, then the same command again"
}
no_network='dns error|name resolution|failed to resolve|connection (refused|timed|reset)|connection broken|connect timeout'
no_network="$no_network|error sending request|network is unreachable|no matching distribution|cannot connect to proxy"

make_venv() {
    # The scripts in it name the place where it was made, so one that was moved is made anew.
    if ! { "$venv/bin/python" -c 'import pip' && grep -qF -e "#!$venv/bin/" -e "'exec' $venv/bin/" "$venv/bin/pip"; }; then
        rm -rf "$venv/bin" "$venv/lib" "$venv/lib64" "$venv/include" "$venv/share" "$venv/etc"
        "$python" -m venv "$venv"
    fi
}

get_uv() { [ -x "$venv/bin/uv" ] || "$venv/bin/python" -m pip install uv || true; } # it is only the faster way

get_packages() { install --require-hashes -r "$root/requirements.lock"; }

get_ckkit() { install --no-deps -e "$root"; }

# uv first; pip, which knows every configuration of indexes, for what uv cannot do.
install() {
    if [ -x "$venv/bin/uv" ]; then
        export VIRTUAL_ENV="$venv" ${PIP_INDEX_URL:+UV_DEFAULT_INDEX="$PIP_INDEX_URL"} \
            ${PIP_CERT:+SSL_CERT_FILE="$PIP_CERT"} ${PIP_FIND_LINKS:+UV_FIND_LINKS="$PIP_FIND_LINKS"}
        # Where Python may not keep compiled code, all of it is compiled now, or every start would do it again.
        "$venv/bin/uv" pip install ${PYTHONDONTWRITEBYTECODE:+--compile-bytecode} "$@" && return
    fi
    "$venv/bin/python" -m pip install "$@"
}

# One sets up, the others wait for it. The lock is a symbolic link: made at once with the pid that owns it as its target,
# so nobody sees one without an owner. That of an owner who is gone is moved away, which only one of many can do.
take_lock() {
    mkdir -p "$venv" || fail "cannot write $venv: give this folder to $(id -un), or clone to a folder of yours"
    told=
    until ln -s $$ "$lock" 2>/dev/null; do
        owner=$(readlink "$lock") || continue
        if ! kill -0 "$owner" 2>/dev/null; then
            mv "$lock" "$lock.$$" 2>/dev/null || continue
            [ "$(readlink "$lock.$$")" = "$owner" ] || ln -s "$(readlink "$lock.$$")" "$lock" # a new one by now: back
            rm -f "$lock.$$"
            continue
        fi
        [ -n "$told" ] || say "process $owner is setting up: waiting for it"
        told=yes
        sleep 1
    done
}

set_up() {
    find_python
    check_venv
    take_lock
    if ! is_ready; then
        : >"$log"
        say "setting up ckkit in $venv with $("$python" -V) (only now and after a change)"
        step "virtual environment" make_venv
        step "uv, which fetches packages" get_uv
        step "$(grep -c '^[a-zA-Z0-9]' "$root/requirements.lock") packages of requirements.lock" get_packages
        step "ckkit itself" get_ckkit
        wanted >"$stamp"
    fi
    rm -f "$lock"
}

[ "${1-}" != setup ] || rm -f "$stamp"
is_ready || set_up
[ "${1-}" != setup ] || exit 0
if [ "${1-}" = test ]; then
    shift
    cd "$root"
    exec "$venv/bin/python" -m pytest -n 2 --dist loadscope "$@"
fi
export CKKIT_COMMAND="$0" # so that what is said to do next is what works
exec "$venv/bin/python" -P -m ckkit.cli "$@"
