#!/bin/sh
# Makes the secrets of one deployment, as one file of variables for each process: deploy/env/NAME.env.
#
#   deploy/make-env.sh https://app.example.com [mysql|postgresql]
#
# The keys come from the `trivet` image, so this machine needs Docker and nothing else. TRIVET names another command,
# for example TRIVET=bin/trivet in an installed clone. TRIVET_SECRET is used if it is set, else a new one is made.
# DATABASE_URL, MONGODB_URI and REDIS_URL are those of managed stores; without them they are those of compose.yaml.
set -eu
umask 077
base_url=${1:-}
database=${2:-mysql}
root=$(cd "$(dirname "$0")/.." && pwd)
env=$root/deploy/env

fail() {
    echo "make-env: $1" >&2
    exit 2
}

case $base_url in
https://?* | http://localhost*) ;;
*) fail "give the address that browsers use, for example deploy/make-env.sh https://app.example.com" ;;
esac
case $database in
mysql) scheme=mysql ;;
postgresql) scheme=postgresql ;;
*) fail "the database is mysql or postgresql, not $database" ;;
esac
[ ! -e "$env" ] || fail "$env is already there. Its keys open the data: move it away to make new ones"

random() {
    od -An -N"$1" -tx1 /dev/urandom | tr -d ' \n'
}

if [ -z "${TRIVET:-}" ]; then
    docker build --quiet --file "$root/deploy/Dockerfile" --target trivet --tag trivet:local "$root" >/dev/null
    TRIVET="docker run --rm --network none --env TRIVET_SECRET --env TRIVET_PROGRAMS trivet:local"
fi
TRIVET_SECRET=${TRIVET_SECRET:-$(random 32)}
TRIVET_PROGRAMS=${TRIVET_PROGRAMS:-ops}
export TRIVET_SECRET TRIVET_PROGRAMS
password=$(random 16)
database_url=${DATABASE_URL:-$scheme://trivet:$password@$database/trivet}
mongodb_uri=${MONGODB_URI:-mongodb://mongodb/trivet?replicaSet=rs0}
redis_url=${REDIS_URL:-redis://redis/0}

made=$(mktemp -d "$env.XXXXXX")
trap 'rm -rf "$made"' EXIT
for name in identity notifications cache gateway; do
    $TRIVET keys --for "$name" >"$made/$name.env"
done
# These two sign: the gateway cookies, identity the links in mails.
for name in identity gateway; do
    printf 'TRIVET_SECRET=%s\nTRIVET_BASE_URL=%s\n' "$TRIVET_SECRET" "$base_url" >>"$made/$name.env"
done
printf 'DATABASE_URL=%s\n' "$database_url" >>"$made/identity.env"
printf 'REDIS_URL=%s\n' "$redis_url" >>"$made/cache.env"
printf 'MONGODB_URI=%s\n' "$mongodb_uri" >>"$made/notifications.env"
printf '# The mail server. In production mail is rejected without it.\n#TRIVET_SMTP_URL=\n#TRIVET_MAIL_FROM=\n' >>"$made/notifications.env"
# `trivet` itself: migrations, backups, users.
{
    printf 'TRIVET_SECRET=%s\nTRIVET_PROGRAMS=%s\n' "$TRIVET_SECRET" "$TRIVET_PROGRAMS"
    printf 'DATABASE_URL=%s\nMONGODB_URI=%s\nREDIS_URL=%s\n' "$database_url" "$mongodb_uri" "$redis_url"
} >"$made/command.env"
printf 'MYSQL_DATABASE=trivet\nMYSQL_USER=trivet\nMYSQL_PASSWORD=%s\nMYSQL_RANDOM_ROOT_PASSWORD=yes\n' "$password" >"$made/mysql.env"
printf 'POSTGRES_DB=trivet\nPOSTGRES_USER=trivet\nPOSTGRES_PASSWORD=%s\n' "$password" >"$made/postgresql.env"
printf 'GF_SECURITY_ADMIN_PASSWORD=%s\n' "$(random 16)" >"$made/grafana.env"
mv "$made" "$env"
[ -z "${DATABASE_URL:-}" ] || database=
printf 'COMPOSE_PROFILES=%s\n' "$database" >"$root/deploy/.env"
echo "make-env: made $env/*.env with the addresses of the stores; keep a copy of command.env: without its secret no backup is of use"
