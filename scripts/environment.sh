# Sourced by check, fix and test: go to the repository and choose the Python that carries the tools.
# The active virtual environment comes first, then the checkout's own .venv, then whatever `python3` is.

root="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
cd "$root"

if [ -n "${VIRTUAL_ENV:-}" ] && [ -x "$VIRTUAL_ENV/bin/python" ]; then
    python="$VIRTUAL_ENV/bin/python"
elif [ -x "$root/.venv/bin/python" ]; then
    python="$root/.venv/bin/python"
elif command -v python >/dev/null; then
    python="$(command -v python)"
else
    python="$(command -v python3)"
fi

# A checkout works without having been installed.
export PYTHONPATH="$root/src${PYTHONPATH:+:$PYTHONPATH}"
