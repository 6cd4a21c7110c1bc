package main

import (
	"net"
	"time"
)

// Bytes on their way, or, where there are none, the end.
type sent struct {
	due   time.Time
	bytes []byte
}

// As many reads as may be under way in one direction of a connection: 64 MiB, as on a line whose
// windows are large.
const underwayMax = 256

// serveDelayed passes connections on to another address, each direction late by so much.
func serveDelayed(address, target string, latency time.Duration) error {
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return err
	}
	for {
		near, err := listener.Accept()
		if err != nil {
			return err
		}
		far, err := net.Dial("tcp", target)
		if err != nil {
			near.Close()
			continue
		}
		// Who connects may send when the connection is open: that is once there and back.
		open := time.Now().Add(2 * latency)
		go delay(near.(*net.TCPConn), far.(*net.TCPConn), latency, open)
		go delay(far.(*net.TCPConn), near.(*net.TCPConn), latency, time.Now())
	}
}

// delay is one direction of a connection, until its end.
func delay(from, to *net.TCPConn, latency time.Duration, open time.Time) {
	underway := make(chan sent, underwayMax)
	go func() {
		defer close(underway)
		for {
			buffer := make([]byte, 256<<10)
			read, err := from.Read(buffer)
			at := time.Now()
			if at.Before(open) {
				at = open
			}
			underway <- sent{due: at.Add(latency), bytes: buffer[:read]}
			if err != nil {
				return
			}
		}
	}()
	for next := range underway {
		time.Sleep(time.Until(next.due))
		if _, err := to.Write(next.bytes); err != nil {
			from.Close()
		}
	}
	to.CloseWrite()
}
