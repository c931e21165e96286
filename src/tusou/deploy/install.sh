#!/bin/sh
# Installs tusou from this folder, without a network. 无需联网，从本目录安装 tusou。
#
#   ./install.sh [--prefix /opt/tusou] [--data /var/lib/tusou] [--python python3.x] [--service]
#
# --service also installs and enables a systemd unit, under a user `tusou` made for it.
set -eu
umask 022 # the service's user must read what root installs
here=$(cd "$(dirname "$0")" && pwd)
prefix=/opt/tusou data=/var/lib/tusou python='' service=no

fail() { printf 'install.sh: %s\n' "$*" >&2; exit 1; }

while [ $# -gt 0 ]; do
  case $1 in
    --prefix|--data|--python)
      [ $# -ge 2 ] || fail "$1 needs a value"
      case $1 in --prefix) prefix=$2 ;; --data) data=$2 ;; --python) python=$2 ;; esac
      shift 2 ;;
    --service) service=yes; shift ;;
    *) sed -n '2,6s/^# \{0,1\}//p' "$0"; exit 2 ;;
  esac
done
case $prefix in /*) ;; *) prefix=$PWD/$prefix ;; esac
case $data in /*) ;; *) data=$PWD/$data ;; esac

# PYTHON, MACHINE and GLIBC: what the wheels were made for.
. "$here/platform"

(cd "$here" && sha256sum --check --quiet SHA256SUMS) ||
  fail "a file of this package is damaged; copy it anew"
[ "$(uname -m)" = "$MACHINE" ] || fail "this package is for $MACHINE, and this machine is $(uname -m)"
have=$(getconf GNU_LIBC_VERSION 2>/dev/null | sed 's/[^ ]* //') || have=
[ -n "$have" ] || fail "this system has no glibc; use one that has, such as Debian, Ubuntu or Rocky"
[ "$(printf '%s\n%s\n' "$GLIBC" "$have" | sort -V | head -n 1)" = "$GLIBC" ] ||
  fail "this package needs glibc $GLIBC or newer, and this system has $have"

version='import sys; print("%d.%d" % sys.version_info[:2])'
if [ -z "$python" ]; then
  for candidate in "python$PYTHON" python3; do
    if [ "$("$candidate" -c "$version" 2>/dev/null)" = "$PYTHON" ]; then python=$candidate; break; fi
  done
  [ -n "$python" ] || fail "this package needs Python $PYTHON; name it with --python"
elif [ "$("$python" -c "$version")" != "$PYTHON" ]; then
  fail "this package needs Python $PYTHON, and $python is another"
fi

echo "Installing tusou into $prefix ..."
# Without pip of its own: Debian's Python cannot put one there before python3-venv is installed.
"$python" -m venv --without-pip "$prefix"
pip=$(echo "$here"/wheels/pip-*.whl)
pip() { "$prefix/bin/python" "$pip/pip" --isolated --disable-pip-version-check "$@"; }
pip install --quiet --no-index --find-links "$here/wheels" --require-hashes \
  --requirement "$here/requirements.txt"
pip install --quiet --no-index --no-deps --force-reinstall "$here"/wheels/tusou-*.whl

[ -d "$data" ] || mkdir -p -m 700 "$data"
if [ -d "$here/packs" ]; then
  mkdir -p "$data/packs"
  for pack in "$here"/packs/*; do
    [ -e "$data/packs/$(basename "$pack")" ] || cp -R "$pack" "$data/packs/"
  done
fi

if [ $service = yes ]; then
  [ "$(id -u)" = 0 ] || fail "--service needs root"
  id tusou >/dev/null 2>&1 ||
    useradd --system --home-dir "$data" --no-create-home --shell /usr/sbin/nologin tusou
  chown -R tusou: "$data"
  mkdir -p /etc/tusou
  [ -e /etc/tusou/environment ] || (umask 077 && : >/etc/tusou/environment)
  sed -e "s|/opt/tusou|$prefix|g" -e "s|/var/lib/tusou|$data|g" "$here/tusou.service" \
    >/etc/systemd/system/tusou.service
  systemctl daemon-reload
  systemctl enable tusou
  systemctl restart tusou # an upgrade, too
  echo "tusou runs as a service; its settings are in /etc/tusou/environment"
else
  echo "Done. Check this machine:  $prefix/bin/tusou doctor --data $data"
  echo "Start the server:          $prefix/bin/tusou serve --data $data"
fi
