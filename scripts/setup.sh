#!/usr/bin/env bash
# Sets up everything that the project needs on this machine: system packages that are missing, the virtual environment,
# the packages of the lock file. Does nothing when nothing changed. Called by `make setup`.
#
#   PYTHON=python3.12      the Python to use
#   EXTRAS=local,dev       the extras to install
#   UV_TORCH_BACKEND=cpu   on Linux without a GPU: PyTorch's smaller CPU build, from PyTorch's own index
set -euo pipefail
cd "$(dirname "$0")/.."

EXTRAS="${EXTRAS:-local,dev}"
STAMP=.venv/.moodswarm-setup

say() { if [ -t 2 ]; then printf '\033[1m%s\033[0m\n' "$*" >&2; else printf '%s\n' "$*" >&2; fi; }
die() { printf 'Error: %s\n' "$*" >&2; exit 1; }

find_python() {
  for candidate in ${PYTHON:-python3 python3.13 python3.12 python3.11}; do
    if command -v "$candidate" >/dev/null && "$candidate" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))'; then
      command -v "$candidate"
      return
    fi
  done
  die "MoodSwarm needs Python 3.11, 3.12 or 3.13. Install one, or name it: make setup PYTHON=/path/to/python3.11"
}

# A missing command or module, and the Debian package that has it.
missing_system_packages() {
  command -v git >/dev/null || echo git
  "$python" -c 'import ensurepip, venv' 2>/dev/null || echo "$(basename "$(readlink -f "$python")")-venv"
}

# The browser reads Medium; everything else works without it, so its absence does not stop the setup.
missing_browser_packages() {
  for browser in chromium chromium-browser google-chrome google-chrome-stable; do
    if command -v "$browser" >/dev/null; then
      command -v chromedriver >/dev/null || [[ $browser == google* ]] || echo chromium-driver
      return
    fi
  done
  echo chromium chromium-driver
}

install_browser() {
  # Ubuntu's packages of these names are empty shells around snaps.
  if command -v apt-get >/dev/null && ! grep -qi '^ID=ubuntu' /etc/os-release && install_system_packages "$@"; then return; fi
  say "No Chromium or Chrome here: Medium is read by its feeds only, and the tests of the browser are skipped. Install one to have both."
}

install_system_packages() {
  command -v apt-get >/dev/null || die "Missing on this machine: $*. Install it with your package manager, then run make setup again."
  say "Installing system packages: $*"
  local sudo=()
  if [ "$(id -u)" -ne 0 ]; then sudo=(sudo); fi
  "${sudo[@]}" apt-get update -qq
  "${sudo[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@"
}

# What the environment depends on: when it is the same as at the last setup, there is nothing to do.
fingerprint() { printf '%s\n' "$EXTRAS" "$python" "$PWD" | cat - pyproject.toml requirements.lock | git hash-object --stdin; }

python=$(find_python)
read -r -a missing <<<"$(missing_system_packages | tr '\n' ' ')"
if [ "${#missing[@]}" -gt 0 ]; then install_system_packages "${missing[@]}"; fi
read -r -a browser <<<"$(missing_browser_packages | tr '\n' ' ')"
if [ "${#browser[@]}" -gt 0 ]; then install_browser "${browser[@]}"; fi

if [ -f "$STAMP" ] && [ "$(cat "$STAMP")" = "$(fingerprint)" ]; then exit 0; fi

say "Setting up .venv with $python (extras: $EXTRAS)"
[ -x .venv/bin/python ] || "$python" -m venv .venv
.venv/bin/python -m pip install --quiet --disable-pip-version-check "uv>=0.9,<1"

# uv does not read pip's configuration: hand on a mirror or a folder of wheels that is set there.
pip_setting() { .venv/bin/python -m pip config get "$1" 2>/dev/null | tr '\n' ' ' | sed 's/ *$//' || true; }
export UV_FIND_LINKS="${UV_FIND_LINKS:-$(pip_setting global.find-links)}"
export UV_DEFAULT_INDEX="${UV_DEFAULT_INDEX:-$(pip_setting global.index-url)}"
if [ -z "$UV_FIND_LINKS" ]; then unset UV_FIND_LINKS; fi
if [ -z "$UV_DEFAULT_INDEX" ]; then unset UV_DEFAULT_INDEX; fi

.venv/bin/uv pip install --python .venv/bin/python --editable ".[$EXTRAS]" --constraints requirements.lock
fingerprint >"$STAMP"
say "Set up."
