package main

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"
)

const octets = "Content-Type: application/octet-stream\r\n"

// pushBlob uploads a blob in one of the ways that clients do, without asking whether it is there.
func pushBlob(own *connection, repository, way string, chunkBytes int64, content *blob) error {
	begun, err := own.ask(request{method: "POST", path: "/v2/" + repository + "/blobs/uploads/"}, 202)
	if err != nil {
		return err
	}
	location := begun.location
	closing := request{method: "PUT"}
	switch way {
	case "whole":
		closing.headers = octets
		closing.body = content
	case "stream":
		location, err = pushPart(own, location, request{body: content, chunked: true})
	case "chunks":
		for from := int64(0); from < content.size && err == nil; from += chunkBytes {
			to := min(from+chunkBytes, content.size)
			span := fmt.Sprintf("Content-Range: %d-%d\r\n", from, to-1)
			location, err = pushPart(own, location, request{headers: span, body: content, from: from, to: to})
		}
	default:
		return fmt.Errorf("there is no way %q", way)
	}
	if err != nil {
		return err
	}
	closing.path = withDigest(location, content.digest)
	closed, err := own.ask(closing, 201)
	if err == nil && closed.digest != "" && closed.digest != content.digest {
		return fmt.Errorf("PUT %s: answered for %s", closing.path, closed.digest)
	}
	return err
}

// pushPart sends one PATCH and answers where the upload goes on.
func pushPart(own *connection, location string, part request) (string, error) {
	part.method = "PATCH"
	part.path = location
	part.headers += octets
	got, err := own.ask(part, 202)
	return got.location, err
}

func withDigest(location, digest string) string {
	separator := "?"
	if strings.Contains(location, "?") {
		separator = "&"
	}
	return location + separator + "digest=" + digest
}

// isThere asks for a blob as pushers do before they send it.
func isThere(own *connection, repository string, content *blob) (bool, error) {
	path := "/v2/" + repository + "/blobs/" + content.digest
	got, err := own.ask(request{method: "HEAD", path: path}, 200, 404)
	if err == nil && got.status == 200 && got.announced != content.size {
		return false, fmt.Errorf("HEAD %s: %d bytes, not %d", path, got.announced, content.size)
	}
	return err == nil && got.status == 200, err
}

// pullBlob reads a whole blob. What came is hashed, if wanted, and must have the digest.
func pullBlob(own *connection, repository, digest string, size int64, verify bool) error {
	asked := request{method: "GET", path: "/v2/" + repository + "/blobs/" + digest}
	if verify {
		asked.hash = sha256.New()
	}
	got, err := own.ask(asked, 200)
	if err != nil {
		return err
	}
	if got.length != size {
		return fmt.Errorf("GET %s: %d bytes, not %d", asked.path, got.length, size)
	}
	if verify && "sha256:"+hex.EncodeToString(asked.hash.Sum(nil)) != digest {
		return fmt.Errorf("GET %s: other bytes came", asked.path)
	}
	return nil
}

// pushLayers pushes layers that the registry has never seen.
func pushLayers(wanted job) (figures, error) {
	layers := make([]blob, wanted.Count)
	err := atOnce(len(layers), func(index int) error {
		layers[index] = newBlob(wanted.Seed+uint64(index), wanted.Bytes)
		return nil
	})
	if err != nil {
		return figures{}, err
	}
	done, err := measure(wanted, len(layers), func(own *connection, index int) error {
		held, err := isThere(own, wanted.Repository, &layers[index])
		if err != nil {
			return err
		}
		if held {
			return fmt.Errorf("%s is there before it was pushed", layers[index].digest)
		}
		return pushBlob(own, wanted.Repository, wanted.Way, wanted.ChunkBytes, &layers[index])
	})
	for _, layer := range layers {
		done.Digests = append(done.Digests, layer.digest)
	}
	return done, err
}

// pullLayer pulls one layer, whole or by ranges; whole as often as there are clients, at once.
func pullLayer(wanted job) (figures, error) {
	if wanted.Verify {
		own := newConnection(wanted.Address)
		defer own.close()
		if err := pullBlob(own, wanted.Repository, wanted.Digest, wanted.Bytes, true); err != nil {
			return figures{}, err
		}
	}
	if wanted.ChunkBytes == 0 {
		return measure(wanted, wanted.Clients, func(own *connection, _ int) error {
			return pullBlob(own, wanted.Repository, wanted.Digest, wanted.Bytes, false)
		})
	}
	path := "/v2/" + wanted.Repository + "/blobs/" + wanted.Digest
	ranges := int((wanted.Bytes + wanted.ChunkBytes - 1) / wanted.ChunkBytes)
	return measure(wanted, ranges, func(own *connection, index int) error {
		from := int64(index) * wanted.ChunkBytes
		to := min(from+wanted.ChunkBytes, wanted.Bytes)
		span := fmt.Sprintf("Range: bytes=%d-%d\r\n", from, to-1)
		got, err := own.ask(request{method: "GET", path: path, headers: span}, 206)
		if err == nil && got.length != to-from {
			return fmt.Errorf("GET %s: %d bytes of the range %d-%d", path, got.length, from, to-1)
		}
		return err
	})
}
