#!/bin/sh
# Makes the cluster with the site's role and database on the first start, then serves it.
#   ACTNAS_DATABASE_PASSWORD   of the role actnas; or ..._FILE, a file that holds it
#   LISTEN, PGPORT             where (default: every address, 5432)
#   PGOPTIONS_SERVER           more of the server's options, such as "-c shared_buffers=1GB"
set -eu
bin=$(ls -d /usr/lib/postgresql/*/bin | sort -V | tail -n 1)
data=/var/lib/postgresql/data/cluster
export PGPORT="${PGPORT:-5432}"

if [ ! -d "$data" ]; then
  [ -z "${ACTNAS_DATABASE_PASSWORD_FILE:-}" ] || ACTNAS_DATABASE_PASSWORD=$(cat "$ACTNAS_DATABASE_PASSWORD_FILE")
  quoted=$(printf %s "${ACTNAS_DATABASE_PASSWORD:?is not set}" | sed "s/'/''/g")
  rm -rf "$data.part" # of a first start that was cut short
  "$bin/initdb" -D "$data.part" -U postgres --auth-local=peer --auth-host=scram-sha-256 -E UTF8 --locale=C.UTF-8 >/dev/null
  echo 'host actnas actnas all scram-sha-256' >>"$data.part/pg_hba.conf"
  "$bin/postgres" --single -D "$data.part" postgres >/dev/null <<SQL
CREATE ROLE actnas LOGIN PASSWORD '$quoted'
CREATE DATABASE actnas OWNER actnas
SQL
  mv "$data.part" "$data"
fi
unset ACTNAS_DATABASE_PASSWORD
# shellcheck disable=SC2086 # options are words
exec "$bin/postgres" -D "$data" -c listen_addresses="${LISTEN:-*}" -c unix_socket_directories=/tmp ${PGOPTIONS_SERVER:-}
