// Oras-referrers pushes images, attaches artifacts to them and reads them back, with the library
// that the oras command, notation and helm are made with. Every command prints one line of JSON.
//
//	oras-referrers push REPOSITORY:TAG FILE
//	oras-referrers attach REPOSITORY@DIGEST ARTIFACT-TYPE FILE
//	oras-referrers referrers REPOSITORY@DIGEST [ARTIFACT-TYPE]
//	oras-referrers layers REPOSITORY@DIGEST
//	oras-referrers copy REPOSITORY:TAG REPOSITORY:TAG
//	oras-referrers delete REPOSITORY@DIGEST
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"oras.land/oras-go/v2"
	"oras.land/oras-go/v2/content"
	"oras.land/oras-go/v2/registry/remote"
)

// A command is given up after this time.
const timeout = 2 * time.Minute

// commands by name, with how many arguments each takes.
var commands = map[string]struct {
	least, most int
	run         func(ctx context.Context, repository *remote.Repository, args []string) (any, error)
}{
	"push":      {1, 1, push},
	"attach":    {2, 2, attach},
	"referrers": {0, 1, referrers},
	"layers":    {0, 0, layers},
	"copy":      {1, 1, copyGraph},
	"delete":    {0, 0, remove},
}

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(args []string) error {
	if len(args) < 2 {
		return errors.New("usage: oras-referrers COMMAND REFERENCE …")
	}
	command, known := commands[args[0]]
	rest := args[2:]
	if !known || len(rest) < command.least || len(rest) > command.most {
		return fmt.Errorf("%s does not take %d arguments behind the reference", args[0], len(rest))
	}
	repository, err := open(args[1])
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	answer, err := command.run(ctx, repository, rest)
	if err != nil {
		return err
	}
	return json.NewEncoder(os.Stdout).Encode(answer)
}

// open is a repository over plain HTTP; its Reference has the tag or the digest.
func open(reference string) (*remote.Repository, error) {
	repository, err := remote.NewRepository(reference)
	if err != nil {
		return nil, err
	}
	repository.PlainHTTP = true
	return repository, nil
}

// push pushes an image with a file as its one layer, and tags it.
func push(ctx context.Context, repository *remote.Repository, args []string) (any, error) {
	layer, err := pushFile(ctx, repository, ocispec.MediaTypeImageLayer, args[0])
	if err != nil {
		return nil, err
	}
	config, err := oras.PushBytes(ctx, repository, ocispec.MediaTypeImageConfig, imageConfig(layer))
	if err != nil {
		return nil, err
	}
	options := oras.PackManifestOptions{
		ConfigDescriptor: &config,
		Layers:           []ocispec.Descriptor{layer},
	}
	image, err := oras.PackManifest(ctx, repository, oras.PackManifestVersion1_1, "", options)
	if err != nil {
		return nil, err
	}
	return image, repository.Tag(ctx, image, repository.Reference.Reference)
}

// imageConfig is the configuration of an image with one layer that is not compressed.
func imageConfig(layer ocispec.Descriptor) []byte {
	text, err := json.Marshal(ocispec.Image{
		Platform: ocispec.Platform{Architecture: "amd64", OS: "linux"},
		RootFS:   ocispec.RootFS{Type: "layers", DiffIDs: []digest.Digest{layer.Digest}},
	})
	if err != nil {
		panic(err)
	}
	return text
}

// attach pushes an artifact with a file as its one layer, whose subject is the manifest that the
// reference names.
func attach(ctx context.Context, repository *remote.Repository, args []string) (any, error) {
	subject, err := repository.Resolve(ctx, repository.Reference.Reference)
	if err != nil {
		return nil, err
	}
	layer, err := pushFile(ctx, repository, "application/octet-stream", args[1])
	if err != nil {
		return nil, err
	}
	options := oras.PackManifestOptions{
		Subject:             &subject,
		Layers:              []ocispec.Descriptor{layer},
		ManifestAnnotations: map[string]string{ocispec.AnnotationTitle: filepath.Base(args[1])},
	}
	return oras.PackManifest(ctx, repository, oras.PackManifestVersion1_1, args[0], options)
}

// referrers lists the manifests whose subject is the one that the reference names.
func referrers(ctx context.Context, repository *remote.Repository, args []string) (any, error) {
	// The library looks at nothing of the subject but its digest.
	subject := ocispec.Descriptor{Digest: digest.Digest(repository.Reference.Reference)}
	artifactType := ""
	if len(args) > 0 {
		artifactType = args[0]
	}
	found := []ocispec.Descriptor{}
	err := repository.Referrers(ctx, subject, artifactType, func(page []ocispec.Descriptor) error {
		found = append(found, page...)
		return nil
	})
	return found, err
}

// layers reads every layer of a manifest, each checked against its descriptor.
func layers(ctx context.Context, repository *remote.Repository, _ []string) (any, error) {
	_, text, err := oras.FetchBytes(ctx, repository, repository.Reference.Reference, oras.DefaultFetchBytesOptions)
	if err != nil {
		return nil, err
	}
	var manifest ocispec.Manifest
	if err := json.Unmarshal(text, &manifest); err != nil {
		return nil, err
	}
	read := []string{}
	for _, layer := range manifest.Layers {
		bytes, err := content.FetchAll(ctx, repository, layer)
		if err != nil {
			return nil, err
		}
		read = append(read, digest.FromBytes(bytes).String())
	}
	return read, nil
}

// copyGraph copies a manifest with all that it refers to and all that refers to it.
func copyGraph(ctx context.Context, repository *remote.Repository, args []string) (any, error) {
	target, err := open(args[0])
	if err != nil {
		return nil, err
	}
	tag := repository.Reference.Reference
	return oras.ExtendedCopy(ctx, repository, tag, target, target.Reference.Reference, oras.DefaultExtendedCopyOptions)
}

// remove deletes a manifest.
func remove(ctx context.Context, repository *remote.Repository, _ []string) (any, error) {
	manifest, err := repository.Resolve(ctx, repository.Reference.Reference)
	if err != nil {
		return nil, err
	}
	return manifest, repository.Manifests().Delete(ctx, manifest)
}

// pushFile pushes a file as a blob.
func pushFile(ctx context.Context, repository *remote.Repository, mediaType, file string) (ocispec.Descriptor, error) {
	bytes, err := os.ReadFile(file)
	if err != nil {
		return ocispec.Descriptor{}, err
	}
	return oras.PushBytes(ctx, repository, mediaType, bytes)
}
