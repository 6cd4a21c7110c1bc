// Kubelet-images asks a container runtime for an image over the CRI socket, in the order in which
// the kubelet does: is it there, pull it, what was pulled. A user and a password are what a pod's
// imagePullSecrets have.
//
//	kubelet-images [-user NAME -password TEXT] SOCKET pull IMAGE
//	kubelet-images SOCKET remove IMAGE
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	cri "k8s.io/cri-api/pkg/apis/runtime/v1"
)

// A pull is given up after this time.
const timeout = 2 * time.Minute

// pulled is what the program prints after a pull.
type pulled struct {
	// Ref is what PullImage answered; containers are started from it.
	Ref string `json:"ref"`
	// ID is the digest of the image's configuration.
	ID          string   `json:"id"`
	RepoTags    []string `json:"repoTags"`
	RepoDigests []string `json:"repoDigests"`
	// Listed says whether the list of all images has it.
	Listed bool `json:"listed"`
}

func main() {
	var auth cri.AuthConfig
	flag.StringVar(&auth.Username, "user", "", "the user that pulls")
	flag.StringVar(&auth.Password, "password", "", "the user's password")
	flag.Parse()
	if err := run(&auth, flag.Args()); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(auth *cri.AuthConfig, args []string) error {
	if len(args) != 3 {
		return errors.New("usage: kubelet-images SOCKET pull|remove IMAGE")
	}
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	connection, err := grpc.NewClient("unix://"+args[0], grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		return err
	}
	defer connection.Close()
	images := cri.NewImageServiceClient(connection)
	image := &cri.ImageSpec{Image: args[2]}
	switch args[1] {
	case "pull":
		return pull(ctx, images, image, auth)
	case "remove":
		_, err := images.RemoveImage(ctx, &cri.RemoveImageRequest{Image: image})
		return err
	default:
		return fmt.Errorf("%s is no command", args[1])
	}
}

// pull pulls an image that is not there yet, and prints what the runtime then says about it.
func pull(ctx context.Context, images cri.ImageServiceClient, image *cri.ImageSpec, auth *cri.AuthConfig) error {
	before, err := images.ImageStatus(ctx, &cri.ImageStatusRequest{Image: image})
	if err != nil {
		return err
	}
	if before.Image != nil {
		return fmt.Errorf("%s is there before it was pulled", image.Image)
	}
	if auth.Username == "" {
		// The kubelet sends none where no secret fits.
		auth = nil
	}
	answer, err := images.PullImage(ctx, &cri.PullImageRequest{Image: image, Auth: auth})
	if err != nil {
		return err
	}
	after, err := images.ImageStatus(ctx, &cri.ImageStatusRequest{Image: image})
	if err != nil {
		return err
	}
	if after.Image == nil {
		return fmt.Errorf("%s is not there after it was pulled", image.Image)
	}
	all, err := images.ListImages(ctx, &cri.ListImagesRequest{})
	if err != nil {
		return err
	}
	result := pulled{
		Ref: answer.ImageRef,
		ID:  after.Image.Id,
		// A list in JSON even without elements.
		RepoTags:    append([]string{}, after.Image.RepoTags...),
		RepoDigests: append([]string{}, after.Image.RepoDigests...),
	}
	for _, listed := range all.Images {
		result.Listed = result.Listed || listed.Id == result.ID
	}
	return json.NewEncoder(os.Stdout).Encode(result)
}
