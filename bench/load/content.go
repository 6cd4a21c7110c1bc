package main

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"math/rand/v2"
	"net"
	"strconv"
)

const (
	// Content is made of pieces that share their bytes, but for a stamp at the front of each.
	pieceBytes = 1 << 20
	stampBytes = 16
	// Chunks of HTTP have the size in which Go's clients, docker among them, send a stream.
	httpChunkBytes = 32 << 10
	// How many pieces are handed to the kernel in one call.
	piecesPerWrite = 4
)

// Random, so that nothing on the way can compress it.
var basePieces = makeBase(16)

func makeBase(pieces int) []byte {
	base := make([]byte, pieces*pieceBytes)
	if _, err := rand.NewChaCha8([32]byte{}).Read(base); err != nil {
		panic(err)
	}
	return base
}

// blob is what is pushed: its own bytes, or as many as wanted that follow from a seed.
type blob struct {
	digest string
	size   int64
	seed   uint64
	bytes  []byte
}

// newBlob answers the blob of that size that the seed makes, hashed.
func newBlob(seed uint64, size int64) blob {
	made := blob{size: size, seed: seed}
	hash := sha256.New()
	for offset := int64(0); offset < size; offset += pieceBytes {
		stamp, rest := made.piece(offset)
		hash.Write(stamp)
		hash.Write(rest)
	}
	made.digest = "sha256:" + hex.EncodeToString(hash.Sum(nil))
	return made
}

// blobOf answers the blob of these very bytes, hashed.
func blobOf(bytes []byte) blob {
	return blob{digest: digestOf(bytes), size: int64(len(bytes)), bytes: bytes}
}

func digestOf(bytes []byte) string {
	sum := sha256.Sum256(bytes)
	return "sha256:" + hex.EncodeToString(sum[:])
}

// piece answers stamp and rest of the piece at the offset, a multiple of pieceBytes.
func (made blob) piece(offset int64) (stamp, rest []byte) {
	if made.bytes != nil {
		end := min(offset+pieceBytes, made.size)
		return nil, made.bytes[offset:end]
	}
	length := min(pieceBytes, made.size-offset)
	start := (offset / pieceBytes % int64(len(basePieces)/pieceBytes)) * pieceBytes
	stamp = make([]byte, stampBytes)
	binary.LittleEndian.PutUint64(stamp, made.seed)
	binary.LittleEndian.PutUint64(stamp[8:], uint64(offset))
	if length <= stampBytes {
		return stamp[:length], nil
	}
	return stamp, basePieces[start+stampBytes : start+length]
}

// writeTo sends the bytes from one offset to another behind the head of their request. Both offsets
// are multiples of pieceBytes, or the end.
func (made blob) writeTo(conn net.Conn, head []byte, from, to int64, chunked bool) error {
	pending := net.Buffers{head}
	for offset := from; offset < to; offset += pieceBytes {
		stamp, rest := made.piece(offset)
		if chunked {
			pending = appendChunks(pending, stamp, rest)
		} else {
			pending = append(pending, stamp, rest)
		}
		if (offset-from)/pieceBytes%piecesPerWrite == piecesPerWrite-1 {
			if _, err := pending.WriteTo(conn); err != nil {
				return err
			}
			pending = nil
		}
	}
	if chunked {
		pending = append(pending, []byte("0\r\n\r\n"))
	}
	_, err := pending.WriteTo(conn)
	return err
}

var lineEnd = []byte("\r\n")

// appendChunks frames a piece as chunks of HTTP, without copying it.
func appendChunks(pending net.Buffers, stamp, rest []byte) net.Buffers {
	for len(stamp)+len(rest) > 0 {
		length := min(httpChunkBytes-len(stamp), len(rest))
		pending = append(pending, chunkHead(len(stamp)+length))
		if len(stamp) > 0 {
			pending = append(pending, stamp)
		}
		pending = append(pending, rest[:length], lineEnd)
		stamp, rest = nil, rest[length:]
	}
	return pending
}

var fullChunkHead = []byte("8000\r\n")

func chunkHead(length int) []byte {
	if length == httpChunkBytes {
		return fullChunkHead
	}
	return append(strconv.AppendInt(nil, int64(length), 16), '\r', '\n')
}
