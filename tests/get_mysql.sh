#!/usr/bin/env bash
# Unpack a MySQL server beside the system: get_mysql.sh FOLDER. Afterwards FOLDER/mysqld is the server.
#
# Debian's releases have MariaDB in its place; its unstable suite has MySQL. Its packages are downloaded from the mirror that
# apt uses here, with lists of their own, and unpacked, not installed: nothing of the system changes. The server runs
# with the C library and the loader that come with it. FOLDER appears when it is complete, and is kept.
set -euo pipefail

folder=$1
if [ -x "$folder/mysqld" ]; then exit 0; fi
if ! command -v apt-get >/dev/null; then
    echo "get_mysql.sh: expected a Debian system with apt-get; got none. Give the tests a server of yours instead." >&2
    exit 1
fi

mkdir -p "$(dirname "$folder")"
work=$(mktemp -d "$(dirname "$folder")/mysql-XXXXXX")
trap 'rm -rf "$work"' EXIT
chmod 755 "$work"
mkdir -p "$work/lists/partial" "$work/packages" "$work/mysql/root"

sources=(/etc/apt/sources.list /etc/apt/sources.list.d/*)
mirror=$(grep -hoE 'https?://[^ ]+/debian/?( |$)' "${sources[@]}" 2>/dev/null | head -n 1 | tr -d ' ') || true
if [ -z "$mirror" ]; then
    echo "get_mysql.sh: expected a mirror of Debian in apt's sources; got none." >&2
    exit 1
fi
keys=/usr/share/keyrings/debian-archive-keyring.gpg
echo "deb [signed-by=$keys] $mirror sid main" >"$work/sources.list"
options=(-qq -o APT::Sandbox::User=root -o "Dir::Etc::SourceList=$work/sources.list" -o Dir::Etc::SourceParts=/dev/null
    -o "Dir::State::Lists=$work/lists" -o "Dir::Cache=$work" -o Acquire::Retries=3)
apt-get "${options[@]}" update

# What the server links to; not the scripts in Perl, and not what only a system needs.
needless='^(perl|libperl|libgdbm|gcc-|libc-gconv|openssl-provider)'
packages=$(apt-cache "${options[@]}" depends --recurse --no-recommends --no-suggests --no-conflicts --no-breaks \
    --no-replaces --no-enhances mysql-server-core | grep -E '^[a-z]' | sort -u | grep -vE "$needless")
cd "$work/packages"
if ! apt-get "${options[@]}" download $packages 2>/dev/null; then # some are names for others: one by one
    for package in $packages; do apt-get "${options[@]}" download "$package" 2>/dev/null || true; done
fi
for package in *.deb; do dpkg-deb -x "$package" "$work/mysql/root"; done
cd /

cat >"$work/mysql/mysqld" <<'END'
#!/bin/sh
root=$(dirname "$(readlink -f "$0")")/root
exec "$root/usr/lib64/ld-linux-x86-64.so.2" --library-path "$root/usr/lib/x86_64-linux-gnu:$root/usr/lib/mysql/private" \
    "$root/usr/sbin/mysqld" "$@" --lc-messages-dir="$root/usr/share/mysql" \
    --character-sets-dir="$root/usr/share/mysql/charsets" --plugin-dir="$root/usr/lib/mysql/plugin"
END
chmod 755 "$work/mysql/mysqld" "$work/mysql"
"$work/mysql/mysqld" --no-defaults --version
mv -T "$work/mysql" "$folder" 2>/dev/null || test -x "$folder/mysqld" # another one may have been faster
