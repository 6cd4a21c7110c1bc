package main

import (
	"bytes"
	"encoding/json"
	"fmt"
)

const (
	manifestType = "application/vnd.oci.image.manifest.v1+json"
	configType   = "application/vnd.oci.image.config.v1+json"
	layerType    = "application/vnd.oci.image.layer.v1.tar"
	accepts      = "Accept: " + manifestType + ", application/vnd.oci.image.index.v1+json\r\n"
)

// image is one layer and one config in a repository, with a tag.
type image struct {
	repository, tag string
	layer, config   blob
	manifest        blob
}

type descriptor struct {
	MediaType string `json:"mediaType"`
	Digest    string `json:"digest"`
	Size      int64  `json:"size"`
}

// newImage answers the image that the seed makes.
func newImage(seed uint64, repository, tag string, layerBytes int64) image {
	made := image{repository: repository, tag: tag, layer: newBlob(seed, layerBytes)}
	made.config = blobOf(toJSON(map[string]any{
		"architecture": "amd64",
		"os":           "linux",
		"config":       map[string]any{"Env": []string{"PATH=/usr/local/sbin:/usr/local/bin:/usr/bin"}},
		"rootfs":       map[string]any{"type": "layers", "diff_ids": []string{made.layer.digest}},
	}))
	made.manifest = blobOf(manifestOf(&made.config, &made.layer, nil))
	return made
}

func manifestOf(config, layer *blob, annotations map[string]string) []byte {
	content := map[string]any{
		"schemaVersion": 2,
		"mediaType":     manifestType,
		"config":        descriptor{configType, config.digest, config.size},
		"layers":        []descriptor{{layerType, layer.digest, layer.size}},
	}
	if annotations != nil {
		content["annotations"] = annotations
	}
	return toJSON(content)
}

func toJSON(value any) []byte {
	text, err := json.Marshal(value)
	if err != nil {
		panic(err)
	}
	return text
}

func (made *image) path(reference string) string {
	return "/v2/" + made.repository + "/manifests/" + reference
}

// push does what containerd does: asks for each part, and sends what is missing.
func (made *image) push(own *connection) error {
	for _, content := range []*blob{&made.layer, &made.config} {
		held, err := isThere(own, made.repository, content)
		if err == nil && !held {
			err = pushBlob(own, made.repository, "whole", 0, content)
		}
		if err != nil {
			return err
		}
	}
	if _, err := own.ask(request{method: "HEAD", path: made.path(made.tag), headers: accepts}, 404); err != nil {
		return err
	}
	return made.putManifest(own)
}

// pushAgain does what docker does with an image that is there: asks, and puts the manifest.
func (made *image) pushAgain(own *connection) error {
	for _, content := range []*blob{&made.layer, &made.config} {
		held, err := isThere(own, made.repository, content)
		if err != nil {
			return err
		}
		if !held {
			return fmt.Errorf("%s was pushed before, and is not there", content.digest)
		}
	}
	return made.putManifest(own)
}

func (made *image) putManifest(own *connection) error {
	headers := "Content-Type: " + manifestType + "\r\n"
	_, err := own.ask(request{method: "PUT", path: made.path(made.tag), headers: headers, body: &made.manifest}, 201)
	return err
}

// pull does what containerd does: resolves the tag, and reads everything by digest.
func (made *image) pull(own *connection, verify bool) error {
	resolved, err := own.ask(request{method: "HEAD", path: made.path(made.tag), headers: accepts}, 200)
	if err != nil {
		return err
	}
	if resolved.digest != made.manifest.digest {
		return fmt.Errorf("HEAD %s: names %q", made.path(made.tag), resolved.digest)
	}
	if err := made.getManifest(own, "GET", made.manifest.digest); err != nil {
		return err
	}
	if err := pullBlob(own, made.repository, made.config.digest, made.config.size, verify); err != nil {
		return err
	}
	return pullBlob(own, made.repository, made.layer.digest, made.layer.size, verify)
}

// getManifest reads the manifest, or with HEAD what it is.
func (made *image) getManifest(own *connection, method, reference string) error {
	path := made.path(reference)
	got, err := own.ask(request{method: method, path: path, headers: accepts, keep: true}, 200)
	if err != nil {
		return err
	}
	if method == "HEAD" && (got.digest != made.manifest.digest || got.announced != made.manifest.size) {
		return fmt.Errorf("HEAD %s: %s of %d bytes", path, got.digest, got.announced)
	}
	if method == "GET" && !bytes.Equal(got.body, made.manifest.bytes) {
		return fmt.Errorf("GET %s: another manifest", path)
	}
	return nil
}

// makeImages answers so many images, each in a repository of its own.
func makeImages(wanted job, seed uint64, count int) ([]image, error) {
	images := make([]image, count)
	err := atOnce(count, func(index int) error {
		repository := fmt.Sprintf("%s-%d-%d", wanted.Repository, seed, index)
		images[index] = newImage(seed+uint64(index), repository, "latest", wanted.Bytes)
		return nil
	})
	return images, err
}

// pushAndPullImages pushes new images and pulls old ones, in the shares wanted, evenly mixed.
func pushAndPullImages(wanted job) (figures, error) {
	fresh, err := makeImages(wanted, wanted.Seed, wanted.Pushes)
	if err != nil {
		return figures{}, err
	}
	old, err := makeImages(wanted, wanted.OldSeed, wanted.Existing)
	if err != nil {
		return figures{}, err
	}
	if wanted.Verify && len(old) > 0 {
		own := newConnection(wanted.Address)
		defer own.close()
		if err := old[0].pull(own, true); err != nil {
			return figures{}, err
		}
	}
	return measure(wanted, wanted.Count, func(own *connection, index int) error {
		pushed := index * wanted.Pushes / wanted.Count
		if (index+1)*wanted.Pushes/wanted.Count > pushed {
			return fresh[pushed].push(own)
		}
		return old[(index-pushed)%len(old)].pull(own, false)
	})
}

// pushImagesAgain pushes images that are there.
func pushImagesAgain(wanted job) (figures, error) {
	old, err := makeImages(wanted, wanted.OldSeed, wanted.Existing)
	if err != nil {
		return figures{}, err
	}
	return measure(wanted, wanted.Count, func(own *connection, index int) error {
		return old[index%len(old)].pushAgain(own)
	})
}
