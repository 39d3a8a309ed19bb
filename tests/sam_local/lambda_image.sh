#!/usr/bin/env bash
# Makes sure that `sam local` finds a Docker engine and a Lambda base image, without pulling one.
#
# The image carries the tag that sam asks for and behaves as AWS's own does for Python handlers and layers:
# Debian's Python, the runtime interface client, and the code before the layer on the path. Idempotent; the
# first run takes about 75 s. Needs Debian and root, for apt and debootstrap.
#
# usage: lambda_image.sh [PYTHON_VERSION]
#   Prints the process id of the Docker engine when this run started it: the caller ends it.
set -euo pipefail

version=${1:-3.13}
tag=public.ecr.aws/lambda/python:$version
work=${XDG_CACHE_HOME:-$HOME/.cache}/silvaengine-lambda-image

install_package() {
  apt-get update -qq >&2
  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq "$1" >&2
}

start_docker() {
  docker info >/dev/null 2>&1 && return
  command -v dockerd >/dev/null || install_package docker.io
  mkdir -p "$work"
  setsid dockerd >"$work/dockerd.log" 2>&1 </dev/null &
  local engine=$!
  for _ in $(seq 120); do
    docker info >/dev/null 2>&1 && { echo "$engine"; return; }
    sleep 0.5
  done
  kill "$engine" || true
  tail -n 20 "$work/dockerd.log" >&2
  return 1
}

import_python() {
  command -v debootstrap >/dev/null || install_package debootstrap
  debootstrap --variant=minbase --include="python$version,python3-pip,ca-certificates" \
    trixie "$build/rootfs" >"$work/debootstrap.log" 2>&1 || { tail -n 20 "$work/debootstrap.log" >&2; return 1; }
  tar -C "$build/rootfs" -c . | docker import - "silvaengine-python:$version" >/dev/null
}

download_runtime() {
  python3 -m pip download -qq --no-deps -d "$build/wheels" --python-version "$version" --only-binary=:all: \
    --platform manylinux2014_x86_64 --platform manylinux_2_28_x86_64 --platform any \
    awslambdaric simplejson snapshot-restore-py boto3 botocore s3transfer jmespath python-dateutil six urllib3
}

build_image() {
  cat >"$build/bootstrap" <<'BOOTSTRAP'
#!/bin/sh
export AWS_EXECUTION_ENV=AWS_Lambda_python PYTHONPATH="$LAMBDA_TASK_ROOT:/opt/python"
cd "$LAMBDA_TASK_ROOT" && exec "$LAMBDA_PYTHON" -m awslambdaric "$_HANDLER"
BOOTSTRAP
  chmod +x "$build/bootstrap"
  cat >"$build/Dockerfile" <<DOCKERFILE
FROM silvaengine-python:$version
COPY wheels /wheels
RUN python$version -m pip install --break-system-packages --no-index --no-deps -q /wheels/*.whl \
 && rm -r /wheels && mkdir -p /var/task /opt /var/runtime
COPY bootstrap /var/runtime/bootstrap
ENV LAMBDA_PYTHON=python$version LAMBDA_TASK_ROOT=/var/task LAMBDA_RUNTIME_DIR=/var/runtime
ENV PATH=/usr/local/bin:/usr/bin:/bin
WORKDIR /var/task
ENTRYPOINT ["/var/runtime/bootstrap"]
DOCKERFILE
  rm -rf "$build/rootfs"
  DOCKER_BUILDKIT=0 docker build -q -t "$tag" -t "$tag-x86_64" "$build" >/dev/null
}

start_docker
if ! docker image inspect "$tag" >/dev/null 2>&1; then
  build=$work/build
  rm -rf "$build"
  mkdir -p "$build/wheels"
  import_python
  download_runtime
  build_image
  rm -rf "$build"
fi
