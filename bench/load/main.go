// Load is the client of the benchmark: it does one job against a registry and says how long it took.
//
//	load run < job.json    does the job and prints its figures, a line of JSON
//	load null ADDRESS      serves what costs a server nothing, to find the limit of the client itself
//	load delay ADDRESS TARGET LATENCY
//	                       passes connections on, each direction late by LATENCY (50ms)
//
// What is sent is made and hashed before the clock starts; every answer's status and size is checked,
// and one wrong answer fails the whole job.
package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"runtime/debug"
	"syscall"
	"time"
)

func main() {
	// Little is allocated: what there is need not be collected often.
	debug.SetGCPercent(1000)
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(args []string) error {
	switch {
	case len(args) == 1 && args[0] == "run":
		return runJob()
	case len(args) == 2 && args[0] == "null":
		return serveNull(args[1])
	case len(args) == 4 && args[0] == "delay":
		latency, err := time.ParseDuration(args[3])
		if err != nil {
			return err
		}
		return serveDelayed(args[1], args[2], latency)
	}
	return errors.New("usage: load run < job.json | load null ADDRESS | load delay ADDRESS TARGET LATENCY")
}

func runJob() error {
	decoder := json.NewDecoder(os.Stdin)
	decoder.DisallowUnknownFields()
	var wanted job
	if err := decoder.Decode(&wanted); err != nil {
		return fmt.Errorf("job: %w", err)
	}
	task, known := tasks[wanted.Task]
	if !known {
		return fmt.Errorf("job: there is no task %q", wanted.Task)
	}
	figures, err := task(wanted)
	if err != nil {
		return fmt.Errorf("%s: %w", wanted.Task, err)
	}
	figures.CPUSeconds = cpuSeconds()
	return json.NewEncoder(os.Stdout).Encode(figures)
}

// cpuSeconds answers what this process has used, of the kernel's time too.
func cpuSeconds() float64 {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		return 0
	}
	return float64(usage.Utime.Nano()+usage.Stime.Nano()) / 1e9
}
