# metriccd in a container: what requirements.lock pins, by hash; no root, no compiler, no pip cache.
# Not built by the tests of this repository. docs/howto/container.md tells how to run it.
FROM python:3.11-slim-bookworm AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
RUN python -m venv /opt/metriccd
COPY requirements.lock /build/
RUN /opt/metriccd/bin/pip install --require-hashes --only-binary :all: \
    --requirement /build/requirements.lock
COPY pyproject.toml README.md LICENSE /build/
COPY src /build/src
RUN /opt/metriccd/bin/pip install --no-deps /build

FROM python:3.11-slim-bookworm
# The wheel of rasterio brings GDAL, but not this library, which slim images lack.
RUN apt-get update \
 && apt-get install --yes --no-install-recommends libexpat1 \
 && rm -rf /var/lib/apt/lists/*
COPY --from=build /opt/metriccd /opt/metriccd
# Caches go where anybody may write, so that --user may be whoever owns the data.
ENV PATH=/opt/metriccd/bin:$PATH HOME=/tmp MPLCONFIGDIR=/tmp/matplotlib PYTHONDONTWRITEBYTECODE=1
RUN useradd --uid 10001 --no-create-home --shell /usr/sbin/nologin metriccd
USER metriccd
WORKDIR /data
ENTRYPOINT ["metriccd"]
CMD ["--help"]
