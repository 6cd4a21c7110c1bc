package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
)

// Numbers without a common divisor with any count in use: requests jump through all tags.
const stride = 7919

// tagged answers the image of a repository that has the given number. All share layer and config.
func tagged(wanted job, shared image, number int) image {
	made := shared
	made.tag = fmt.Sprintf("v%06d", number)
	made.manifest = blobOf(manifestOf(&made.config, &made.layer, map[string]string{
		"org.opencontainers.image.version": fmt.Sprintf("%d.%d", wanted.Seed, number),
	}))
	return made
}

func sharedImage(wanted job) image {
	return newImage(wanted.Seed, wanted.Repository, "", 1024)
}

// fillRepository pushes so many manifests, each with a tag, behind those that exist.
func fillRepository(wanted job) (figures, error) {
	shared := sharedImage(wanted)
	own := newConnection(wanted.Address)
	defer own.close()
	for _, content := range []*blob{&shared.layer, &shared.config} {
		held, err := isThere(own, wanted.Repository, content)
		if err == nil && !held {
			err = pushBlob(own, wanted.Repository, "whole", 0, content)
		}
		if err != nil {
			return figures{}, err
		}
	}
	return measure(wanted, wanted.Count, func(own *connection, index int) error {
		made := tagged(wanted, shared, wanted.Existing+index)
		return made.putManifest(own)
	})
}

// readManifests asks for manifests of a filled repository, by tag or by digest, all over it.
func readManifests(wanted job) (figures, error) {
	shared := sharedImage(wanted)
	images := make([]image, wanted.Existing)
	references := make([]string, wanted.Existing)
	for number := range images {
		images[number] = tagged(wanted, shared, number)
		references[number] = images[number].tag
		if wanted.ByDigest {
			references[number] = images[number].manifest.digest
		}
	}
	return measure(wanted, wanted.Count, func(own *connection, index int) error {
		number := index * stride % len(images)
		return images[number].getManifest(own, wanted.Method, references[number])
	})
}

// readList reads a list to its end, page by page, again and again. The first time every entry is
// counted; then the same bytes must come.
func readList(wanted job) (figures, error) {
	own := newConnection(wanted.Address)
	defer own.close()
	var first bytes.Buffer
	var entries int
	err := eachPage(own, wanted.Path, func(body []byte) error {
		first.Write(body)
		var page struct{ Tags, Repositories []string }
		err := json.Unmarshal(body, &page)
		entries += len(page.Tags) + len(page.Repositories)
		return err
	})
	if err != nil {
		return figures{}, err
	}
	if entries != wanted.Existing {
		return figures{}, fmt.Errorf("%s lists %d entries, not %d", wanted.Path, entries, wanted.Existing)
	}
	return measure(wanted, wanted.Count, func(own *connection, _ int) error {
		rest := first.Bytes()
		err := eachPage(own, wanted.Path, func(body []byte) error {
			if !bytes.HasPrefix(rest, body) {
				return fmt.Errorf("%s lists something else", wanted.Path)
			}
			rest = rest[len(body):]
			return nil
		})
		if err == nil && len(rest) > 0 {
			return fmt.Errorf("%s lists less", wanted.Path)
		}
		return err
	})
}

// eachPage follows the links from page to page. With a limit in a path without a link there is one.
func eachPage(own *connection, path string, take func([]byte) error) error {
	for path != "" {
		got, err := own.ask(request{method: "GET", path: path, keep: true}, 200)
		if err == nil {
			err = take(got.body)
		}
		if err != nil {
			return err
		}
		path = nextPage(got.link)
	}
	return nil
}

// nextPage answers the path in a Link header, or nothing.
func nextPage(link string) string {
	_, rest, found := strings.Cut(link, "<")
	target, _, closed := strings.Cut(rest, ">")
	if !found || !closed {
		return ""
	}
	return pathOf(target)
}

// repeatRequest asks the same again and again.
func repeatRequest(wanted job) (figures, error) {
	asked := request{method: wanted.Method, path: wanted.Path, headers: accepts}
	return measure(wanted, wanted.Count, func(own *connection, _ int) error {
		_, err := own.ask(asked, wanted.Status)
		return err
	})
}
