//go:build !linux

package main

import "errors"

func pin(int) error { return errors.New("pin to a core: Linux only") }
