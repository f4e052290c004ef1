package edge

import (
	"errors"
	"runtime"
	"sync"

	"github.com/hoshi-ws/hoshi/internal/auth"
)

// slowQueue bounds the tokens that wait to be verified elsewhere: some ten
// seconds of the slowest on one worker would be 3,000, and nobody waits so long.
const slowQueue = 256

// maxVerifiers bounds the workers of a pool.
const maxVerifiers = 4

// verifiers do what takes a loop too long. Safe for concurrent use.
type verifiers struct {
	jobs    chan func()
	quit    chan struct{}
	workers sync.WaitGroup
}

func newVerifiers() *verifiers {
	return &verifiers{jobs: make(chan func(), slowQueue), quit: make(chan struct{})}
}

// start starts the workers, which end in stop: half as many as there are
// processors, since loops have to go on.
func (p *verifiers) start() {
	for range min(max(runtime.GOMAXPROCS(0)/2, 1), maxVerifiers) {
		p.workers.Go(p.run)
	}
}

func (p *verifiers) run() {
	for {
		select {
		case job := <-p.jobs:
			job()
		case <-p.quit:
			return
		}
	}
}

// do has a worker run job, some time; false where too many wait.
func (p *verifiers) do(job func()) bool {
	select {
	case p.jobs <- job:
		return true
	default:
		return false
	}
}

// stop waits for what is being done, and forgets what waits.
func (p *verifiers) stop() {
	close(p.quit)
	p.workers.Wait()
}

// verify finds out who a token is of, and gives that to then: at once, or by post
// if it takes longer than a loop has. It waits for nothing.
func (n *Node) verify(token string, post func(fn func()), then func(auth.Identity, *refusal)) {
	a := n.access
	who, err := a.verifier.VerifyFast(token)
	if !errors.Is(err, auth.ErrSlow) {
		then(who, refusalOf(err))
		return
	}
	if !a.slow.do(func() {
		who, err := a.verifier.Verify(token)
		post(func() { then(who, refusalOf(err)) })
	}) {
		then(auth.Identity{}, refuseVerifiers)
	}
}

// refusalOf is the answer to a token that is not believed, nil to one that is.
func refusalOf(err error) *refusal {
	if fault, bad := errors.AsType[*auth.Error](err); bad {
		return refuseToken(fault)
	}
	return nil
}
