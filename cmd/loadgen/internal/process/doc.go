// Package process runs servers in processes of their own, for what measures them: it
// starts them on free ports, waits until they are ready, and ends them.
package process
