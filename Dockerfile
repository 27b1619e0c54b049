# syntax=docker/dockerfile:1

# Debian, not Alpine: several dependencies, the embedded Valkey among them, have no musl wheels.
FROM python:3.12-slim AS build
WORKDIR /build
# mypyc makes C of the modules that every webhook passes through.
RUN apt-get update && apt-get install -y --no-install-recommends gcc libc6-dev
COPY requirements.lock pyproject.toml LICENSE ./
# The tools, hatchling and uv among them, from the lock: every file is checked against its hash.
RUN python -m venv /tools \
    && /tools/bin/pip install --quiet --no-cache-dir --require-hashes -r requirements.lock
# What onehook needs to run, and no more, at the versions and hashes of the lock.
RUN python -m venv --without-pip /opt/onehook \
    && /tools/bin/uv pip install --quiet --no-cache --python /opt/onehook/bin/python \
        --only-binary :all: --constraints requirements.lock -r pyproject.toml
COPY src src
COPY mappings mappings
COPY destinations destinations
RUN COMPILE=1 /tools/bin/python -m hatchling build -t wheel \
    && /tools/bin/uv pip install --quiet --no-cache --python /opt/onehook/bin/python \
        --no-deps --compile-bytecode dist/*.whl

FROM python:3.12-slim
RUN useradd --system --uid 10001 --user-group --no-create-home --home-dir /data onehook \
    && install -d -o onehook -g onehook -m 0700 /data
COPY --from=build /opt/onehook /opt/onehook
ENV PATH=/opt/onehook/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    ONEHOOK_DATA=/data \
    ONEHOOK_HOST=0.0.0.0
USER onehook
WORKDIR /data
VOLUME /data
EXPOSE 8080
HEALTHCHECK --interval=10s --timeout=3s --start-period=20s --retries=3 \
    CMD ["python", "-c", "import os, urllib.request as u; u.urlopen('http://127.0.0.1:' + os.environ.get('ONEHOOK_PORT', '8080') + '/healthz', timeout=2)"]
ENTRYPOINT ["onehook"]
CMD ["serve"]
