#!/bin/sh
# Writes the index of good/ and signs it with a fresh key, which is thrown away. Needs minisign 0.10 or newer.
set -eu
cd "$(dirname "$0")"
secret=$(mktemp -d)
trap 'rm -r "$secret"' EXIT
minisign -G -f -W -p delivery.pub -s "$secret/delivery.key"
minisign -G -f -W -p other.pub -s "$secret/other.key"
{
    printf 'serial = 12\nlayers = [\n'
    for file in 10-base.toml 20-team.toml; do
        printf '  { file = "%s", sha256 = "%s" },\n' "$file" "$(sha256sum "good/$file" | cut -d ' ' -f 1)"
    done
    printf ']\n'
} >good/index.toml
minisign -S -s "$secret/delivery.key" -m good/index.toml
# As minisign signed before 0.10: without hashing first.
minisign -S -l -s "$secret/delivery.key" -m good/index.toml -x legacy.minisig
