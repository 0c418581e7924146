#!/usr/bin/env bash
# Builds the images of the site, tagged with its version:  docker/build.sh [web worker validation postgres redis]
#
#   ACTNAS_PYTHON_IMAGE   what web and worker stand on (default python:3.11-slim-bookworm)
#   ACTNAS_DEBIAN_IMAGE   what PostgreSQL and Redis stand on (default debian:bookworm-slim)
#   ACTNAS_BASE_IMAGE     both, where one image does for all (docker/engine.sh makes one)
#   PIP_INDEX_URL, TORCH_INDEX_URL   package indexes, see the Dockerfiles
#   ACTNAS_BUILD_NETWORK  "host" where containers have no network of their own
set -euo pipefail
cd "$(dirname "$0")/.."
version=$(sed -n 's/^__version__ = "\([^"]*\)".*/\1/p' devices/__init__.py)
python=${ACTNAS_PYTHON_IMAGE:-${ACTNAS_BASE_IMAGE:-python:3.11-slim-bookworm}}
debian=${ACTNAS_DEBIAN_IMAGE:-${ACTNAS_BASE_IMAGE:-debian:bookworm-slim}}

[ $# -gt 0 ] || set -- web worker validation postgres redis
for name; do
  case $name in
    web | worker | validation) base=$python ;;
    postgres | redis) base=$debian ;;
    *) echo "build.sh: unknown image $name; known: web, worker, validation, postgres, redis" >&2; exit 1 ;;
  esac
  folder=$name
  options=(--tag "actnas/$name:$version" --build-arg "BASE_IMAGE=$base" --build-arg "VERSION=$version")
  if [ "$name" = validation ]; then # the worker's layers, without a site
    folder=worker
    options+=(--target validation)
  fi
  [ -z "${ACTNAS_BUILD_NETWORK:-}" ] || options+=(--network "$ACTNAS_BUILD_NETWORK")
  if [ "$folder" = web ] || [ "$folder" = worker ]; then
    [ -z "${PIP_INDEX_URL:-}" ] || options+=(--build-arg PIP_INDEX_URL)
  fi
  [ "$folder" != worker ] || [ -z "${TORCH_INDEX_URL:-}" ] || options+=(--build-arg TORCH_INDEX_URL)
  docker build --quiet --file "docker/$folder/Dockerfile" "${options[@]}" .
done
