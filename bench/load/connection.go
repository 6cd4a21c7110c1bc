package main

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"hash"
	"io"
	"net"
	"net/http/httputil"
	"strconv"
	"strings"
)

// connection is one client: a connection that is kept open, and memory that is used again.
type connection struct {
	address string
	conn    net.Conn
	reader  *bufio.Reader
	buffer  []byte
	head    []byte
	// Bytes of all bodies sent as blobs or read.
	bodyBytes int64
}

// request is what is asked. Everything but method and path may be missing.
type request struct {
	method, path string
	// Further lines of the head, each with its line end.
	headers string
	// What is sent, from one offset to another (0 for the end), as chunks of unknown length or not.
	body     *blob
	from, to int64
	chunked  bool
	// What gets the answer's body besides the count of its bytes.
	hash hash.Hash
	keep bool
}

// answer is what came back; its body is valid until the next request.
type answer struct {
	status                       int
	location, digest, link       string
	length, announced            int64
	body                         []byte
	isChunked, closes, hasLength bool
}

func newConnection(address string) *connection {
	return &connection{address: address, buffer: make([]byte, 256<<10)}
}

func (own *connection) open() error {
	conn, err := net.Dial("tcp", own.address)
	if err != nil {
		return err
	}
	own.conn = conn
	own.reader = bufio.NewReaderSize(conn, 32<<10)
	return nil
}

func (own *connection) close() {
	if own.conn != nil {
		own.conn.Close()
		own.conn = nil
	}
}

// ask sends a request, reads its whole answer, and fails if the status is none of those expected.
func (own *connection) ask(asked request, expected ...int) (answer, error) {
	got, err := own.exchange(asked)
	if err != nil {
		own.close()
		return got, fmt.Errorf("%s %s: %w", asked.method, asked.path, err)
	}
	for _, status := range expected {
		if got.status == status {
			return got, nil
		}
	}
	said := string(got.body[:min(len(got.body), 500)])
	return got, fmt.Errorf("%s %s: answered %d: %s", asked.method, asked.path, got.status, said)
}

func (own *connection) exchange(asked request) (answer, error) {
	if own.conn == nil {
		if err := own.open(); err != nil {
			return answer{}, err
		}
	}
	sendError := own.send(asked)
	// Who answers early may close while the body is still sent: the answer says why.
	got, err := own.readHead()
	if err != nil {
		return answer{}, errors.Join(sendError, err)
	}
	if asked.method != "HEAD" && got.status != 204 {
		err = own.readBody(&got, asked)
	}
	if got.closes || sendError != nil {
		own.close()
	}
	return got, err
}

func (own *connection) send(asked request) error {
	head := append(own.head[:0], asked.method...)
	head = append(head, ' ')
	head = append(head, asked.path...)
	head = append(head, " HTTP/1.1\r\nHost: "...)
	head = append(head, own.address...)
	head = append(head, "\r\nUser-Agent: longshore-load\r\n"...)
	head = append(head, asked.headers...)
	to := asked.to
	if asked.body != nil && to == 0 {
		to = asked.body.size
	}
	switch {
	case asked.chunked:
		head = append(head, "Transfer-Encoding: chunked\r\n"...)
	case asked.body != nil || asked.method == "POST" || asked.method == "PUT":
		head = append(head, "Content-Length: "...)
		head = strconv.AppendInt(head, to-asked.from, 10)
		head = append(head, lineEnd...)
	}
	head = append(head, lineEnd...)
	own.head = head
	if asked.body == nil {
		_, err := own.conn.Write(head)
		return err
	}
	own.bodyBytes += to - asked.from
	return asked.body.writeTo(own.conn, head, asked.from, to, asked.chunked)
}

func (own *connection) readHead() (answer, error) {
	line, err := own.reader.ReadSlice('\n')
	if err != nil {
		return answer{}, err
	}
	if len(line) < 12 || !bytes.HasPrefix(line, []byte("HTTP/1.")) {
		return answer{}, fmt.Errorf("not an answer: %q", line)
	}
	status, err := strconv.Atoi(string(line[9:12]))
	if err != nil {
		return answer{}, fmt.Errorf("not an answer: %q", line)
	}
	got := answer{status: status}
	for {
		line, err = own.reader.ReadSlice('\n')
		if err != nil {
			return got, err
		}
		line = bytes.TrimRight(line, "\r\n")
		if len(line) == 0 {
			return got, nil
		}
		if err = got.takeHeader(line); err != nil {
			return got, err
		}
	}
}

func (got *answer) takeHeader(line []byte) (err error) {
	name, value, _ := bytes.Cut(line, []byte(":"))
	value = bytes.TrimSpace(value)
	is := func(wanted string) bool {
		return len(name) == len(wanted) && strings.EqualFold(string(name), wanted)
	}
	switch {
	case is("Content-Length"):
		got.hasLength = true
		got.announced, err = strconv.ParseInt(string(value), 10, 64)
	case is("Transfer-Encoding"):
		got.isChunked = strings.EqualFold(string(value), "chunked")
	case is("Connection"):
		got.closes = strings.EqualFold(string(value), "close")
	case is("Location"):
		got.location = pathOf(string(value))
	case is("Docker-Content-Digest"):
		got.digest = string(value)
	case is("Link"):
		got.link = string(value)
	}
	return err
}

// pathOf leaves the origin of an absolute address out.
func pathOf(address string) string {
	if _, rest, isAbsolute := strings.Cut(address, "://"); isAbsolute {
		return rest[max(0, strings.IndexByte(rest, '/')):]
	}
	return address
}

func (own *connection) readBody(got *answer, asked request) error {
	var source io.Reader
	switch {
	case got.isChunked:
		source = httputil.NewChunkedReader(own.reader)
	case got.hasLength:
		source = io.LimitReader(own.reader, got.announced)
	default:
		got.closes = true
		source = own.reader
	}
	keep := asked.keep || got.status >= 400
	kept := 0
	for {
		if keep && kept == len(own.buffer) {
			own.buffer = append(own.buffer, make([]byte, len(own.buffer))...)
		}
		read, err := source.Read(own.buffer[kept:])
		if asked.hash != nil {
			asked.hash.Write(own.buffer[kept : kept+read])
		}
		got.length += int64(read)
		if keep {
			kept += read
		}
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err
		}
		if got.hasLength && got.length == got.announced {
			break
		}
	}
	got.body = own.buffer[:kept]
	own.bodyBytes += got.length
	if got.hasLength && got.length != got.announced {
		return fmt.Errorf("%d bytes of %d came", got.length, got.announced)
	}
	if got.isChunked {
		// The line behind the last chunk.
		if _, err := own.reader.ReadSlice('\n'); err != nil {
			return err
		}
	}
	return nil
}
