package main

import (
	"os"
	"os/signal"
	"sync"
	"syscall"

	"github.com/hoshi-ws/hoshi/internal/config"
	"github.com/hoshi-ws/hoshi/internal/obs"
)

// logOptions says how the node logs.
func logOptions(c *cli, out output) obs.Options {
	o := &c.Run.Node
	format := obs.Format(o.LogFormat)
	if o.Dev && format == obs.Auto && o.LogFile == "" {
		format = obs.Console
	}
	return obs.Options{
		Writer: out.stderr, Format: format, Level: o.LogLevel,
		File: obs.FileOptions{Path: o.LogFile, Size: int64(o.LogFileSize), Keep: o.LogFileKeep},
	}
}

// checkLogFile reports a file that could not take the log.
func checkLogFile(o *config.Node, report config.Report) {
	if o.LogFile == "" {
		return
	}
	if err := obs.CheckFile(o.LogFile); err != nil {
		report("log-file", err.Error())
	}
}

// alsoInFile returns err, which ends up on standard error, and logs it where that
// is not what holds the log.
func alsoInFile(logs *obs.Log, err error) error {
	if logs.File != nil && err != nil {
		logs.Error().Err(err).Msg("node has not started")
	}
	return err
}

// reopenOnHangup has SIGHUP open the log file anew, for whoever renames it, until
// the function that it returns is called. Without a file it changes nothing: a reload
// must not end all connections. Where standard error is a terminal, which may go away,
// it ends the process as ever.
func reopenOnHangup(logs *obs.Log, out output) (end func()) {
	if obs.IsTerminal(out.stderr) {
		return func() {}
	}
	hangup := make(chan os.Signal, 1)
	signal.Notify(hangup, syscall.SIGHUP)
	var reopening sync.WaitGroup
	reopening.Go(func() { // ends when hangup is closed
		for range hangup {
			if logs.File == nil {
				logs.Warn().Msg("a hang-up changes nothing: there is no log file to open anew, and options are read at the start alone")
				continue
			}
			if err := logs.File.Reopen(); err != nil {
				logs.Warn().Err(err).Msg("log file could not be closed")
				continue
			}
			logs.Info().Msg("log file is opened anew")
		}
	})
	return func() {
		signal.Stop(hangup)
		close(hangup)
		reopening.Wait()
	}
}
