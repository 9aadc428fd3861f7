# The App with the plugin; see RELEASING.md. FiftyOne brings a mongod for Debian 12, and none for 13.
FROM python:3.11-slim-bookworm

RUN apt-get update \
    && apt-get install --yes --no-install-recommends libcurl4 libgl1 libglib2.0-0 \
    && rm -rf /var/lib/apt/lists/*

COPY . /src
RUN pip install --no-cache-dir "/src[all]" && fiftyone-coreset link

WORKDIR /data
VOLUME /data
ENTRYPOINT ["fiftyone-coreset"]
CMD ["demo", "--app"]
