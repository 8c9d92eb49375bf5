#!/bin/sh
# Creates or corrects the databases and the services' accounts; safe to repeat.
# Usage: accounts.sh SECRETS_FOLDER [options of the mariadb client...]
set -eu
secrets=$1
shift
if mariadb "$@" --batch --skip-column-names --execute="SHOW DATABASES LIKE 'telltale\\_restoring'" | grep -q .; then
  echo "a restore was interrupted: run it again before anything else" >&2
  exit 1
fi
{
  for name in WRITER_DATABASE_PASSWORD WRITER_MIGRATION_DATABASE_PASSWORD QUERY_DATABASE_PASSWORD \
              AUTH_DATABASE_PASSWORD AUTH_MIGRATION_DATABASE_PASSWORD \
              ALERTS_DATABASE_PASSWORD ALERTS_MIGRATION_DATABASE_PASSWORD; do
    # In hexadecimal, so that no character of a password chosen by hand can break out of the statement.
    printf "SET @%s = CONVERT(x'%s' USING utf8mb4);\n" "$name" \
      "$(tr -d '\r\n' <"$secrets/$name" | od -An -v -tx1 | tr -d ' \n')"
  done
  cat "$(dirname "$0")/accounts.sql"
} | mariadb "$@"
