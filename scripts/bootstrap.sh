#!/usr/bin/env bash
# Prepares a checkout: scripts/bootstrap.sh runtime|dev|clients|bench
#
#   runtime   .venv with what users get, and this checkout installed into it        (make demo)
#   dev       runtime, and the tools for tests and checks                           (make check, make format)
#   clients   dev, Chromium, Prometheus, wrk, Node.js and the npm packages of the tests  (make test)
#   bench     dev, wrk, Chromium, and the npm packages of browser/                  (make bench)
#
# Needs Python 3.11 or later and nothing else. A second run looks at stamp files and does nothing: each stamp holds a digest of
# everything its step was made from. Debian packages are installed where that needs no question (root, or sudo without a password);
# otherwise one sentence says what is missing, and the run goes on without it, except under CI=true, where skipped tests would hide it.
set -euo pipefail
cd "$(dirname "$0")/.."
root=$PWD
venv=$root/.venv
step=${1:?which step: runtime, dev, clients or bench}

say() { printf '%s\n' "$*" >&2; }
die() { say "$*"; exit 1; }

digest() { # of the named files' contents and of standard input
  { cat; cat "$@"; } | if command -v sha256sum >/dev/null; then sha256sum; else shasum -a 256; fi | cut -d' ' -f1
}

# --- Debian packages --------------------------------------------------------------------------------------------------

as_root=()
can_apt() {
  command -v apt-get >/dev/null || return 1
  [ "$(id -u)" = 0 ] && return 0
  command -v sudo >/dev/null && sudo -n true 2>/dev/null || return 1
  as_root=(sudo -n)
}

apt_updated=
apt_install() {
  if [ -z "$apt_updated" ]; then
    ${as_root[@]+"${as_root[@]}"} apt-get update -qq >&2 || return 1
    apt_updated=yes
  fi
  DEBIAN_FRONTEND=noninteractive ${as_root[@]+"${as_root[@]}"} \
    apt-get install -y -qq --no-install-recommends "$@" >/dev/null </dev/null
}

need() { # need WHAT-FOR "PROGRAM..." DEBIAN-PACKAGE...   any one of the programs will do
  local purpose=$1 programs=$2 program
  shift 2
  for program in $programs; do
    command -v "$program" >/dev/null && return 0
  done
  if can_apt; then
    say "Installing $* …"
    apt_install "$@" && return 0
  fi
  if [ "${CI:-}" = true ]; then die "$* could not be installed, and $purpose need it."; fi
  say "Not found: ${programs%% *}. Install it (Debian: apt-get install $*; macOS: brew install ${programs%% *}); $purpose are left out until then."
  return 1
}

# --- Python -------------------------------------------------------------------------------------------------------------

python=
find_python() {
  local candidate
  for candidate in python3 python3.14 python3.13 python3.12 python3.11; do
    if command -v "$candidate" >/dev/null && "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
      python=$candidate
      return 0
    fi
  done
  die "Sternpost needs Python 3.11 or later, and none was found. Install it (Debian: apt-get install python3 python3-venv; macOS: brew install python)."
}

make_venv() {
  find_python
  rm -rf "$venv"
  if command -v uv >/dev/null; then
    uv venv --quiet --python "$(command -v "$python")" "$venv"
    return
  fi
  # Debian keeps the module that puts pip into a new environment in a package of its own.
  if ! "$python" -c 'import ensurepip' 2>/dev/null; then
    can_apt || die "Python's venv module is incomplete. Install it: apt-get install python3-venv."
    say "Installing python3-venv …"
    apt_install python3-venv || die "python3-venv could not be installed. Install it: apt-get install python3-venv."
  fi
  "$python" -m venv "$venv"
}

venv_usable() {
  "$venv/bin/python" -c '' 2>/dev/null || return 1
  command -v uv >/dev/null || "$venv/bin/python" -m pip --version >/dev/null 2>&1
}

install() {
  if command -v uv >/dev/null; then
    VIRTUAL_ENV=$venv uv pip install --quiet "$@"
  else
    "$venv/bin/python" -m pip install --quiet --disable-pip-version-check --no-input "$@"
  fi
}

python_packages() { # python_packages STEP REQUIREMENTS-FILE...
  local name=$1 stamp now file
  local arguments=()
  shift
  stamp=$venv/.stamp-$name
  # The folder is part of it: an environment that was moved or copied points to where it came from.
  now=$(printf '%s\n' "$root" | digest pyproject.toml "$@")
  if [ -x "$venv/bin/python" ] && [ "$(cat "$stamp" 2>/dev/null)" = "$now" ]; then return 0; fi
  say "Preparing .venv ($name) …"
  venv_usable || make_venv
  rm -f "$venv"/.stamp-*
  for file in "$@"; do arguments+=(-r "$file"); done
  install --require-hashes "${arguments[@]}"
  install --no-deps --no-build-isolation -e .
  printf '%s\n' "$now" >"$stamp"
}

runtime() {
  # What dev installs includes what runtime installs.
  local now
  now=$(printf '%s\n' "$root" | digest pyproject.toml requirements/dev.txt)
  if [ "$(cat "$venv/.stamp-dev" 2>/dev/null)" = "$now" ]; then return 0; fi
  python_packages runtime requirements/runtime.txt requirements/build.txt
}

dev() { python_packages dev requirements/dev.txt; }

# --- npm --------------------------------------------------------------------------------------------------------------

npm_packages() { # npm_packages FOLDER
  local folder=$1 now
  [ -f "$folder/package-lock.json" ] || return 0
  now=$(printf '' | digest "$folder/package.json" "$folder/package-lock.json")
  if [ "$(cat "$folder/node_modules/.stamp" 2>/dev/null)" = "$now" ]; then return 0; fi
  say "Installing the npm packages of $folder …"
  # Chromium comes from the system; packages that would fetch a browser of their own are told not to.
  (cd "$folder" && PLAYWRIGHT_SKIP_BROWSER_DOWNLOAD=1 PUPPETEER_SKIP_DOWNLOAD=1 \
    npm ci --no-audit --no-fund --loglevel=error </dev/null >&2)
  printf '%s\n' "$now" >"$folder/node_modules/.stamp"
}

browser_program() {
  [ -d "/Applications/Google Chrome.app" ] || [ -d "/Applications/Chromium.app" ] ||
    need "$1 in a browser" "chromium chromium-browser google-chrome" chromium || true
}

clients() {
  dev
  browser_program "the tests"
  need "the tests of alerts and dashboard" prometheus prometheus || true
  need "a test with a killed server" wrk wrk || true
  if need "the tests with JavaScript clients" node nodejs && need "the tests with JavaScript clients" npm npm; then
    npm_packages tests/clients
    npm_packages browser
  fi
}

bench() {
  dev
  need "the measurements over HTTP" wrk wrk || true
  browser_program "the measurements"
  if need "the measurements of the browser SDK" node nodejs && need "the measurements of the browser SDK" npm npm; then
    npm_packages browser
  fi
}

case $step in
  runtime | dev | clients | bench) "$step" ;;
  *) die "Unknown step $step. Use runtime, dev, clients or bench." ;;
esac
