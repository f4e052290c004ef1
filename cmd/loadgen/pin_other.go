//go:build !linux

package main

import (
	"errors"
	"syscall"
)

func pin(int) error { return errors.New("pin to a core: Linux only") }

func ownGroup() *syscall.SysProcAttr { return nil }
