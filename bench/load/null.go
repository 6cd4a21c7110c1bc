package main

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
)

// nullServer answers as a registry does that keeps nothing but sizes: how fast the client is with it
// says how fast it can be at all.
type nullServer struct {
	lock      sync.Mutex
	sizes     map[string]int64
	manifests map[string][]byte
	sessions  map[string]int64
	next      int
}

func serveNull(address string) error {
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return err
	}
	server := &nullServer{
		sizes: map[string]int64{}, manifests: map[string][]byte{}, sessions: map[string]int64{},
	}
	for {
		conn, err := listener.Accept()
		if err != nil {
			return err
		}
		go server.serve(conn)
	}
}

func (server *nullServer) serve(conn net.Conn) {
	defer conn.Close()
	reader := bufio.NewReaderSize(conn, 32<<10)
	buffer := make([]byte, 1<<20)
	for {
		asked, err := http.ReadRequest(reader)
		if err != nil {
			return
		}
		if err = server.answer(conn, asked, buffer); err != nil {
			return
		}
	}
}

func (server *nullServer) answer(conn net.Conn, asked *http.Request, buffer []byte) error {
	path := asked.URL.Path
	switch {
	case strings.Contains(path, "/blobs/uploads/"):
		return server.upload(conn, asked, buffer)
	case strings.Contains(path, "/blobs/"):
		return server.blob(conn, asked)
	case strings.Contains(path, "/manifests/"):
		return server.manifest(conn, asked)
	}
	return respond(conn, "200 OK", "", []byte("{}"))
}

func (server *nullServer) upload(conn net.Conn, asked *http.Request, buffer []byte) error {
	var length int64
	for {
		read, err := asked.Body.Read(buffer)
		length += int64(read)
		if err == io.EOF {
			break
		}
		if err != nil {
			return err
		}
	}
	server.lock.Lock()
	defer server.lock.Unlock()
	location := asked.URL.Path
	if asked.Method == "POST" {
		server.next++
		location += strconv.Itoa(server.next)
	}
	server.sessions[location] += length
	if asked.Method == "PUT" {
		server.sizes[asked.URL.Query().Get("digest")] = server.sessions[location]
		delete(server.sessions, location)
		return respond(conn, "201 Created", "", nil)
	}
	return respond(conn, "202 Accepted", "Location: "+location+"\r\n", nil)
}

func (server *nullServer) blob(conn net.Conn, asked *http.Request) error {
	digest := asked.URL.Path[strings.LastIndexByte(asked.URL.Path, '/')+1:]
	server.lock.Lock()
	size, found := server.sizes[digest]
	server.lock.Unlock()
	if !found {
		return respond(conn, "404 Not Found", "", nil)
	}
	head := fmt.Appendf(nil, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n", size)
	if asked.Method == "HEAD" {
		_, err := conn.Write(head)
		return err
	}
	content := blob{size: size}
	return content.writeTo(conn, head, 0, size, false)
}

func (server *nullServer) manifest(conn net.Conn, asked *http.Request) error {
	name, reference, _ := strings.Cut(asked.URL.Path, "/manifests/")
	body, err := io.ReadAll(asked.Body)
	if err != nil {
		return err
	}
	server.lock.Lock()
	defer server.lock.Unlock()
	if asked.Method == "PUT" {
		server.manifests[name+"@"+reference] = body
		server.manifests[name+"@"+digestOf(body)] = body
		return respond(conn, "201 Created", "", nil)
	}
	stored, found := server.manifests[name+"@"+reference]
	if !found {
		return respond(conn, "404 Not Found", "", nil)
	}
	headers := "Docker-Content-Digest: " + digestOf(stored) + "\r\n"
	if asked.Method == "HEAD" {
		_, err := fmt.Fprintf(conn, "HTTP/1.1 200 OK\r\n%sContent-Length: %d\r\n\r\n", headers, len(stored))
		return err
	}
	return respond(conn, "200 OK", headers, stored)
}

func respond(conn net.Conn, status, headers string, body []byte) error {
	text := fmt.Appendf(nil, "HTTP/1.1 %s\r\n%sContent-Length: %d\r\n\r\n", status, headers, len(body))
	_, err := conn.Write(append(text, body...))
	return err
}
