# One image for the pipelines and the API:
#   docker build -t moodswarm .
#   docker run --rm --env-file .env -e CRAWL_ALLOWED_PATHS=/app -v moodswarm:/app/.local moodswarm tools.run --run-end-to-end-data
#   docker run --rm --env-file .env -v moodswarm:/app/.local -e API_HOST=0.0.0.0 -p 127.0.0.1:8000:8000 moodswarm tools.ml_service
FROM python:3.11-slim-bookworm

ARG EXTRAS=local
ARG UV_VERSION=0.13.9

# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install -y --no-install-recommends chromium chromium-driver git \
    && rm -rf /var/lib/apt/lists/* \
    && pip install --no-cache-dir "uv==${UV_VERSION}" \
    && useradd --create-home --uid 1000 moodswarm

WORKDIR /app

# The packages first: they change less often than the code.
COPY pyproject.toml requirements.lock README.md LICENSE ./
COPY llm_engineering/__init__.py llm_engineering/__init__.py
RUN mkdir pipelines steps tools \
    && uv pip install --system --no-cache --editable ".[${EXTRAS}]" --constraints requirements.lock

COPY llm_engineering llm_engineering
COPY pipelines pipelines
COPY steps steps
COPY tools tools
COPY configs configs
COPY docs docs

RUN mkdir .local && chown moodswarm:moodswarm .local
USER 1000
VOLUME /app/.local
EXPOSE 8000

HEALTHCHECK --interval=30s --timeout=10s --start-period=60s \
    CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8000/health', timeout=8)"]

ENTRYPOINT ["python", "-m"]
CMD ["tools.run", "--help"]
