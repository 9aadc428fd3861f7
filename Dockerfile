# The App with the plugin; see RELEASING.md.
FROM python:3.11-slim

RUN apt-get update \
    && apt-get install --yes --no-install-recommends libcurl4 libgl1 libglib2.0-0 \
    && rm -rf /var/lib/apt/lists/*

COPY . /src
RUN pip install --no-cache-dir "/src[all]" && fiftyone-coreset link

WORKDIR /data
VOLUME /data
ENTRYPOINT ["fiftyone-coreset"]
CMD ["demo", "--app"]
