#!/usr/bin/env bash
# Writes the lock files in requirements/ from pyproject.toml. Run by `make lock`; `make lock ARGS=--upgrade` takes newer versions.
#
# One resolution serves every platform and Python from 3.11 on (--universal). The files carry hashes and no addresses, so that they
# install the same from any mirror. What the tests need is resolved on top of what users get, never beside it (-c runtime.txt).
set -euo pipefail
cd "$(dirname "$0")/.."

uv=$(command -v uv || true)
if [ -z "$uv" ]; then
  tools=$(mktemp -d)
  trap 'rm -rf "$tools"' EXIT
  python3 -m venv "$tools"
  "$tools/bin/python" -m pip install --quiet uv
  uv="$tools/bin/uv"
fi

compile() { # compile OUTPUT ARGUMENT...
  local output=$1
  shift
  "$uv" pip compile --quiet --generate-hashes --no-emit-index-url --universal --python-version 3.11 \
    --custom-compile-command "make lock" --output-file "$output" "$@" >/dev/null
}

mkdir -p requirements
compile requirements/runtime.txt pyproject.toml "$@"
# The build back end makes the editable installation; pinned here, so that nothing is fetched unpinned at that moment.
compile requirements/build.txt --group build "$@"
compile requirements/dev.txt pyproject.toml --all-extras --group build --group dev --group clients \
  -c requirements/runtime.txt -c requirements/build.txt "$@"
