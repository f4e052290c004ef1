package main

import (
	"fmt"
	"os"
	"strconv"

	"golang.org/x/sys/unix"
)

// pin keeps all threads of this process on one core. Those to come inherit it.
func pin(cpu int) error {
	var set unix.CPUSet
	set.Set(cpu)
	// Twice, for threads that were started while the first round was under way.
	for range 2 {
		tasks, err := os.ReadDir("/proc/self/task")
		if err != nil {
			return fmt.Errorf("pin to core %d: %w", cpu, err)
		}
		for _, t := range tasks {
			tid, err := strconv.Atoi(t.Name())
			if err != nil {
				continue
			}
			if err := unix.SchedSetaffinity(tid, &set); err != nil {
				return fmt.Errorf("pin to core %d: %w", cpu, err)
			}
		}
	}
	return nil
}
