#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Who may know whom (docs/architecture.md), held by looking at the includes.
set -u
cd "$(dirname "$0")/../.." || exit 2
bad=0

# forbid WHAT REGEX FOLDER... [-- EXCEPT-REGEX]: no file there includes what the regex says.
forbid() {
    local what=$1 regex=$2 except='^$' found
    shift 2
    local folders=()
    while [ $# -gt 0 ]; do
        if [ "$1" = -- ]; then
            except=$2
            shift
        else
            folders+=("$1")
        fi
        shift
    done
    found=$(grep -rnE "^[[:space:]]*#[[:space:]]*include[[:space:]]*[<\"]($regex)" --include='*.[ch]' \
        "${folders[@]}" 2>/dev/null | grep -vE "$except")
    if [ -n "$found" ]; then
        echo "$what:"
        echo "$found"
        bad=1
    fi
}

# one_file WHAT REGEX FOLDER: at most one file there includes it.
one_file() {
    local files
    files=$(grep -rlE "^[[:space:]]*#[[:space:]]*include[[:space:]]*[<\"]($2)" --include='*.[ch]' "$3" 2>/dev/null)
    if [ "$(grep -c . <<<"$files")" -gt 1 ]; then
        echo "$1 belongs in one file:"
        echo "$files"
        bad=1
    fi
}

forbid "base knows nobody" "(store|service|api)/" base
forbid "store knows base only" "(service|api)/" store
forbid "service does not know the API" "api/" service -- '^service/main\.c:'
forbid "the API does not know service" "service/" api
forbid "only the store knows its backends" "store/(lmdb|mem)/" service api
forbid "net does not know SIP, and SIP not net" "service/(sip|registrar|auth)/" service/net
forbid "SIP does not know net or the registrar" "service/(net|registrar|auth)/" service/sip -- '"service/net/flow.h"'
forbid "the decision knows no socket, no parser and no digest" "service/(sip|net|auth)/" service/registrar \
    -- '"service/sip/(message|uri).h"'
forbid "the decision knows no clock and no log" "base/(clock|log|metrics).h" service/registrar

forbid "lmdb.h belongs in store/lmdb" "lmdb.h" base store service api -- '^store/lmdb/'
forbid "osip belongs in service/sip/osip.c" "osip" base store service api -- '^service/sip/osip\.c:'
forbid "microhttpd.h belongs in the API" "microhttpd.h" base store service
one_file "microhttpd.h" "microhttpd.h" api
forbid "jansson.h belongs in the API" "jansson.h" base store service
one_file "jansson.h" "jansson.h" api
forbid "yaml.h belongs in service/config" "yaml.h" base store service api -- '^service/config'
one_file "seccomp.h" "seccomp.h" service
forbid "seccomp.h belongs in service" "seccomp.h" base store api
forbid "sockets belong in service/net" "sys/socket.h" base store service -- '^(service/net/|base/address)'
forbid "epoll belongs in the loops" "sys/epoll.h" base store
exit $bad
