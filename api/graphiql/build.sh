#!/bin/sh
# Builds the GraphiQL page into dist/, which is compiled into Portal.
# Needs the npm registry once; what it builds needs nothing from elsewhere.
#
# Without npm or its registry this says so and succeeds, because Portal works
# without the page. A build that starts and then fails is an error.
set -eu
CDPATH='' cd -- "$(dirname -- "$0")"

without() {
    echo "GraphiQL was not built ($1): Portal runs all the same, and /graphiql says how to build the page." >&2
    exit 0
}

# Names, sizes and checksums of all that decides how dist/ looks.
inputs=$(find package.json package-lock.json vite.config.js index.html src -type f |
    LC_ALL=C sort | xargs cksum)
if [ -f dist/index.html ] && [ "$(cat .stamp 2>/dev/null)" = "$inputs" ]; then
    exit 0
fi

command -v npm >/dev/null 2>&1 && command -v node >/dev/null 2>&1 || without 'npm was not found'
node -e '
    const [major, minor] = process.versions.node.split(".").map(Number);
    const enough = { 20: 19, 22: 12 }[major] ?? (major > 22 ? 0 : Infinity);
    process.exit(minor >= enough ? 0 : 1);
' || without "Node $(node --version) is too old, it takes 20.19, 22.12 or newer"

# First from npm's cache; only then is the registry asked, with one request
# that gives up soon, where an installation would try for many minutes. The
# empty cache makes sure that it is the registry that answers.
if ! npm ci --include=dev --offline >/dev/null 2>&1; then
    empty=$(mktemp -d)
    reached=true
    npm view vite name --cache "$empty" --fetch-retries=1 --fetch-retry-mintimeout=1000 \
        --fetch-timeout=10000 >/dev/null 2>"$empty/answer" || reached=false
    why=$(sed -n 's/^npm [eE].* code //p' "$empty/answer")
    rm -rf "$empty"
    $reached || without "the npm registry cannot be reached, ${why:-no reason given}"
    npm ci --include=dev --no-progress
fi

# The stamp goes first: a build cut short must not look finished.
rm -f .stamp
NODE_ENV=production node_modules/.bin/vite build --logLevel warn
printf '%s\n' "$inputs" >.stamp
echo 'GraphiQL is built.'
