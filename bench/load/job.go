package main

// job is what is read from stdin. Each task uses some of the fields.
type job struct {
	Task string `json:"task"`
	// Host and port of the registry.
	Address string `json:"address"`
	// How many connections ask at once.
	Clients int `json:"clients"`
	// The repository; in tasks with many, what the names of all begin with.
	Repository string `json:"repository"`
	// What makes content its own: the same seed makes the same bytes.
	Seed uint64 `json:"seed"`
	// Bytes of each layer.
	Bytes int64 `json:"bytes"`
	// How a layer is pushed: "stream" (one PATCH of unknown length), "whole" (one PUT) or "chunks".
	Way string `json:"way"`
	// Bytes of each chunk, or of each range; 0 for none.
	ChunkBytes int64 `json:"chunkBytes"`
	// How many layers, images or requests.
	Count int `json:"count"`
	// How many of them, evenly spread, are pushes; the others pull what a job with OldSeed pushed.
	Pushes  int    `json:"pushes"`
	OldSeed uint64 `json:"oldSeed"`
	// How many images there are to pull, or tags in the repository.
	Existing int `json:"existing"`
	// Connections are opened by their first request, within the time measured.
	Cold bool `json:"cold"`
	// The content of one untimed pull is hashed, and must have the digest it was asked by.
	Verify bool `json:"verify"`
	// A request by itself.
	Method string `json:"method"`
	Path   string `json:"path"`
	Status int    `json:"status"`
	// Whether manifests are asked for by their digest instead of a tag.
	ByDigest bool `json:"byDigest"`
	// The digest of the layer to pull.
	Digest string `json:"digest"`
}

// figures is what is printed. Times are in seconds.
type figures struct {
	Seconds float64 `json:"seconds"`
	Count   int     `json:"count"`
	// Bytes of layers and configs, or of answers' bodies.
	Bytes int64   `json:"bytes"`
	P50   float64 `json:"p50"`
	P99   float64 `json:"p99"`
	// CPU of this client, also for what it did before the clock started.
	CPUSeconds float64 `json:"cpuSeconds"`
	// CPU of this client while the clock ran.
	TimedCPUSeconds float64  `json:"timedCpuSeconds"`
	Digests         []string `json:"digests,omitempty"`
}

var tasks = map[string]func(job) (figures, error){
	"push-layers":  pushLayers,
	"pull-layer":   pullLayer,
	"images":       pushAndPullImages,
	"images-again": pushImagesAgain,
	"fill":         fillRepository,
	"manifests":    readManifests,
	"list":         readList,
	"request":      repeatRequest,
}
