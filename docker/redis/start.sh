#!/bin/sh
# Redis that keeps nothing: the database owns the truth, and what Redis holds may go with it.
#   ACTNAS_REDIS_PASSWORD   or ..._FILE, a file that holds it
#   LISTEN, REDIS_PORT      where (default: every address, 6379)
set -eu
[ -z "${ACTNAS_REDIS_PASSWORD_FILE:-}" ] || ACTNAS_REDIS_PASSWORD=$(cat "$ACTNAS_REDIS_PASSWORD_FILE")
: "${ACTNAS_REDIS_PASSWORD:?is not set}"

if [ "${1:-}" = ping ]; then
  REDISCLI_AUTH=$ACTNAS_REDIS_PASSWORD redis-cli -p "${REDIS_PORT:-6379}" ping | grep -q PONG
  exit
fi
# By standard input: a command line is for everybody to read.
exec redis-server - <<CONF
bind ${LISTEN:-*}
port ${REDIS_PORT:-6379}
requirepass $ACTNAS_REDIS_PASSWORD
save ""
appendonly no
dir /tmp
CONF
