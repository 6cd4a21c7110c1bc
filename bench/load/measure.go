package main

import (
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// measure does operations 0 to count-1, each by the next of so many clients that is free, and
// answers how long all took, and how long each. The first error ends it.
func measure(wanted job, count int, operation func(*connection, int) error) (figures, error) {
	clients := max(1, min(wanted.Clients, count))
	connections := make([]*connection, clients)
	for index := range connections {
		connections[index] = newConnection(wanted.Address)
		defer connections[index].close()
		if wanted.Cold {
			continue
		}
		if err := connections[index].open(); err != nil {
			return figures{}, err
		}
	}
	latencies := make([]time.Duration, count)
	failures := make([]error, clients)
	var next atomic.Int64
	var waiting sync.WaitGroup
	cpuBefore := cpuSeconds()
	begin := time.Now()
	for client, own := range connections {
		waiting.Go(func() {
			for {
				index := int(next.Add(1)) - 1
				if index >= count {
					return
				}
				started := time.Now()
				if err := operation(own, index); err != nil {
					failures[client] = err
					next.Store(int64(count))
					return
				}
				latencies[index] = time.Since(started)
			}
		})
	}
	waiting.Wait()
	took := time.Since(begin)
	timedCPU := cpuSeconds() - cpuBefore
	if err := errors.Join(failures...); err != nil {
		return figures{}, err
	}
	var bytes int64
	for _, own := range connections {
		bytes += own.bodyBytes
	}
	slices.Sort(latencies)
	return figures{
		Seconds:         took.Seconds(),
		Count:           count,
		Bytes:           bytes,
		P50:             quantile(latencies, 0.50).Seconds(),
		P99:             quantile(latencies, 0.99).Seconds(),
		TimedCPUSeconds: timedCPU,
	}, nil
}

// quantile answers the smallest of the sorted values that the given share of them does not exceed.
func quantile(sorted []time.Duration, share float64) time.Duration {
	rank := int(share * float64(len(sorted)))
	return sorted[min(rank, len(sorted)-1)]
}

// atOnce does all of count operations on as many cores as there are, outside of any clock.
func atOnce(count int, operation func(int) error) error {
	failures := make([]error, count)
	var waiting sync.WaitGroup
	turns := make(chan struct{}, 4)
	for index := range count {
		turns <- struct{}{}
		waiting.Go(func() {
			failures[index] = operation(index)
			<-turns
		})
	}
	waiting.Wait()
	return errors.Join(failures...)
}
