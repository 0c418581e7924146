#!/usr/bin/env bash
# A Docker engine and a base image on a Debian machine that has neither, without any image registry.
#
#   docker/engine.sh          engine and base image
#   docker/engine.sh engine   the engine alone
#   docker/engine.sh stop     stops the engine that this script started
#
# Needs root. An engine that already answers is used as it is, a base image that exists is kept, so a
# second run does nothing. The engine gets no default bridge and leaves the firewall alone: device
# containers have no network, builds use --network host.
set -euo pipefail

image=${ACTNAS_BASE_IMAGE:-actnas/base:bookworm}
socket=/var/run/docker.sock
log=${ACTNAS_DOCKERD_LOG:-/var/log/actnas-dockerd.log}
pidfile=/var/run/docker.pid
wait_s=60

say() { printf 'engine.sh: %s\n' "$*" >&2; }
die() { say "$*"; exit 1; }

answers() {
  [ -S "$socket" ] && [ "$(curl -fsS --max-time 5 --unix-socket "$socket" http://engine/_ping 2>/dev/null)" = OK ]
}

has() { dpkg-query -W -f '${db:Status-Status}\n' "$1" 2>/dev/null | grep -qx installed; }

packages() { # installs the named Debian packages that are missing
  local missing=() name
  for name; do has "$name" || missing+=("$name"); done
  [ ${#missing[@]} -gt 0 ] || return 0
  say "installing ${missing[*]}"
  export DEBIAN_FRONTEND=noninteractive
  { apt-get update -qq && apt-get install -y -qq --no-install-recommends "${missing[@]}"; } \
    </dev/null >/tmp/actnas-apt.log 2>&1 || { tail -n 15 /tmp/actnas-apt.log >&2; die "apt-get install ${missing[*]} failed"; }
}

alive() { # is the process in pid file $1 really a running $2?
  local exe
  exe=$(readlink "/proc/$(cat "$1" 2>/dev/null)/exe" 2>/dev/null) && [ "$(basename "$exe")" = "$2" ]
}

engine() {
  if answers; then say "an engine answers at $socket"; return; fi
  [ "$(id -u)" = 0 ] || die "no engine answers at $socket, and starting one needs root"
  packages docker.io curl iptables
  # A machine that was stopped hard leaves pid files which make dockerd refuse to start.
  alive "$pidfile" dockerd || rm -f "$pidfile"
  alive /var/run/docker/containerd/containerd.pid containerd || rm -f /var/run/docker/containerd/containerd.pid
  say "starting dockerd, log in $log"
  setsid /usr/sbin/dockerd --bridge=none --iptables=false --ip6tables=false --ip-forward=false \
    --ip-masq=false </dev/null >>"$log" 2>&1 8>&- &
  local child=$! deadline=$((SECONDS + wait_s))
  until answers; do
    if [ "$SECONDS" -ge "$deadline" ] || ! kill -0 "$child" 2>/dev/null; then
      tail -n 15 "$log" >&2
      die "dockerd did not come up within $wait_s s; the end of $log stands above"
    fi
    sleep 0.3
  done
  say "engine is up"
}

stop() {
  alive "$pidfile" dockerd || { say "no engine of this machine runs"; return; }
  local pid
  pid=$(cat "$pidfile")
  kill "$pid"
  for _ in $(seq 100); do kill -0 "$pid" 2>/dev/null || { say "engine stopped"; return; }; sleep 0.2; done
  die "dockerd $pid does not stop"
}

sources() { # the machine's own Debian sources, security updates included, nothing else it may use
  apt-get indextargets --format 'deb $(REPO_URI) $(RELEASE) $(COMPONENT)|$(ORIGIN)' 'Created-By: Packages' |
    awk -F'|' '$2 == "Debian" || $2 == "Ubuntu" || $2 == "Debian-Security" {print $1}' | sort -u
}

base_image() {
  if docker image inspect "$image" >/dev/null 2>&1; then say "base image $image is there"; return; fi
  packages mmdebstrap ca-certificates
  local work codename
  work=$(mktemp -d)
  # shellcheck disable=SC2064 # the folder of now
  trap "rm -rf '$work'" EXIT
  codename=$(. /etc/os-release && echo "$VERSION_CODENAME")
  [ -n "$(sources)" ] || apt-get update -qq
  sources >"$work/sources.list"
  [ -s "$work/sources.list" ] || die "apt knows no Debian source to build a base image from"
  say "making the base image $image from $codename packages (a minute)"
  # Certificates that this machine trusts beyond Debian's own must be trusted by pip inside, too.
  # shellcheck disable=SC2016 # mmdebstrap fills $1 in
  mmdebstrap --quiet --mode=root --variant=minbase --skip=check/empty \
    --include=python3,python3-venv,ca-certificates \
    --dpkgopt=force-unsafe-io \
    --dpkgopt='path-exclude=/usr/share/man/*' --dpkgopt='path-exclude=/usr/share/locale/*' \
    --dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-include=/usr/share/doc/*/copyright' \
    --customize-hook='ln -sf python3 "$1/usr/bin/python"' \
    --customize-hook='find /usr/local/share/ca-certificates -name "*.crt" -exec cp -t "$1/usr/local/share/ca-certificates/" {} +; chroot "$1" update-ca-certificates >/dev/null 2>&1' \
    "$codename" "$work/root.tar" - <"$work/sources.list" >"$work/log" 2>&1 ||
    { tail -n 15 "$work/log" >&2; die "mmdebstrap failed"; }
  docker import --change 'ENV PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin' \
    --change 'ENV LANG=C.UTF-8' --change 'ENV PIP_CERT=/etc/ssl/certs/ca-certificates.crt' \
    --change 'CMD ["python3"]' "$work/root.tar" "$image" >/dev/null
  say "base image $image made"
}

exec 8>/tmp/actnas-engine.lock
flock 8
case ${1:-all} in
  all) engine; base_image ;;
  engine) engine ;;
  stop) stop ;;
  *) die "unknown word ${1}; known: engine, stop, or nothing" ;;
esac
