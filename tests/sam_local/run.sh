#!/usr/bin/env bash
# Runs this folder's tests with Docker and a Lambda base image, and ends the Docker engine if it started one.
# usage: run.sh [pytest arguments]
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
cd "$here/../.."

engine=$("$here/lambda_image.sh")
[ -z "$engine" ] || trap 'kill "$engine" && tail --pid="$engine" -f /dev/null' EXIT
.venv/bin/pytest "$here" "$@"
