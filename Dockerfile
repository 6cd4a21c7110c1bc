# Longshore on one machine.
#
#   docker build -t longshore .
#   docker run -p 5000:5000 -v longshore:/data -e USERNAME=alice -e PASSWORD=correct-horse longshore
#
# Two images are build arguments. BASE becomes the registry: it needs glibc, libstdc++ and sh, and
# nothing is installed into it. BUILD needs npm, and nothing of it stays but what npm has fetched.
ARG BASE=debian:bookworm-slim
ARG BUILD=node:24-bookworm-slim

FROM ${BUILD} AS build
WORKDIR /longshore
COPY package.json package-lock.json ./
# Node is a package of its own, at the version that is tested; its headers and its second copy go. The
# authorities that it knows serve a base without any: tokens of CI jobs are checked by keys from the web.
RUN npm ci --omit=dev && \
  rm -r node_modules/node/node_modules && \
  node_modules/.bin/node -p 'tls.rootCertificates.join("\n")' > authorities.pem && \
  mkdir /data
COPY . .

FROM ${BASE}
COPY --from=build /longshore /longshore
COPY --from=build --chown=10001:10001 /data /data
RUN test -e /etc/ssl/certs/ca-certificates.crt || \
  { mkdir -p /etc/ssl/certs && cp /longshore/authorities.pem /etc/ssl/certs/ca-certificates.crt; }
WORKDIR /longshore
USER 10001:10001
ENV PATH=/longshore/node_modules/.bin:/usr/local/bin:/usr/bin:/bin \
  REGISTRY_HOST=0.0.0.0 \
  REGISTRY_STORAGE_PATH=/data/longshore
EXPOSE 5000
VOLUME /data
HEALTHCHECK --interval=30s --timeout=6s --start-period=30s CMD ["node", "standalone/healthcheck.ts"]
ENTRYPOINT ["node", "standalone/start.ts"]
