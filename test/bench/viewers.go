package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"intercomd/test/lab"
)

// Viewers of the page, and what they may cost.
const (
	viewers     = 50
	pollEvery   = time.Second // each asks for the status
	statusP99   = 5.0         // ms
	statusCPU   = 0.4         // ms
	viewerShare = 0.1         // % of a core, each
)

// watched measures what people who look at the page cost a door that has nothing to do: it is
// watched for the same time by nobody, by one and by many, then asked for its status by one who is
// alone and by each of many.
func watched(ctx context.Context, d *lab.Door, length time.Duration) ([]result, error) {
	if err := wait(ctx, restSettle); err != nil {
		return nil, err
	}
	var cpu [3]float64
	for i, n := range []int{0, 1, viewers} {
		_, share, err := among(ctx, d, n, "", 0, length)
		if err != nil {
			return nil, err
		}
		fmt.Printf("%2d viewers: %5.2f %% of a core\n", n, share)
		cpu[i] = share
	}
	alone, few, err := among(ctx, d, 0, "status.json", 1, length)
	if err != nil {
		return nil, err
	}
	// The least that this server answers, to see what is HTTP and the machine.
	least, floor, err := among(ctx, d, viewers, "healthz", viewers, length)
	if err != nil {
		return nil, err
	}
	many, all, err := among(ctx, d, viewers, "status.json", viewers, length)
	if err != nil {
		return nil, err
	}
	fmt.Printf("status: %d answers to one who is alone, %d to %d viewers; %.2f and %.2f %% of a core\n", len(alone), len(many), viewers, few, all)
	each := func(with, without float64, answers []float64) float64 {
		return (with - without) / 100 * 1000 * length.Seconds() / float64(max(len(answers), 1))
	}
	return []result{
		{what: "idle door, 1 viewer: CPU", unit: "% of a core", ours: cpu[1], ref: cpu[0]},
		{what: "what the one costs", unit: "% of a core", ours: max(0, cpu[1]-cpu[0]), limit: viewerShare},
		{what: fmt.Sprintf("idle door, %d viewers: CPU", viewers), unit: "% of a core", ours: cpu[2], ref: cpu[0]},
		{what: "what each of them costs", unit: "% of a core", ours: max(0, cpu[2]-cpu[0]) / viewers, limit: viewerShare},
		{what: fmt.Sprintf("status under %d viewers: median", viewers), unit: "ms", ours: quantile(many, 0.5), ref: quantile(alone, 0.5)},
		{what: fmt.Sprintf("status under %d viewers: p99", viewers), unit: "ms", ours: quantile(many, 0.99), ref: quantile(alone, 0.99), limit: statusP99},
		{what: fmt.Sprintf("/healthz under %d viewers: p99", viewers), unit: "ms", ours: quantile(least, 0.99)},
		{what: "CPU of a status, beside one of /healthz", unit: "ms", ours: each(all, cpu[2], many), ref: each(floor, cpu[2], least), limit: statusCPU},
	}, nil
}

// among opens the streams of n viewers and has pollers ask for a path, for a while. It returns how
// long each answer took, ms, and what the door used, percent of a core.
func among(ctx context.Context, d *lab.Door, n int, path string, pollers int, length time.Duration) (took []float64, share float64, err error) {
	ctx, stop := context.WithCancel(ctx)
	var running sync.WaitGroup
	defer running.Wait()
	defer stop()
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: viewers}}
	defer client.CloseIdleConnections()
	for range n {
		if err := view(ctx, client, d.URL+"live", &running); err != nil {
			return nil, 0, err
		}
	}
	if err := wait(ctx, 3*time.Second); err != nil { // until each has been found to read
		return nil, 0, err
	}
	from, err := lab.ThreadsOf(d.Pid)
	if err != nil {
		return nil, 0, err
	}
	begin := time.Now()
	answers := make(chan float64, pollers*int(length/pollEvery+2))
	failed := make(chan error, pollers)
	for i := range pollers {
		running.Go(func() {
			// Spread over the second, as people are.
			if wait(ctx, pollEvery*time.Duration(i)/time.Duration(pollers)) != nil {
				return
			}
			if err := poll(ctx, client, d.URL+path, begin.Add(length), answers); err != nil && ctx.Err() == nil {
				failed <- err
			}
		})
	}
	if err := wait(ctx, length); err != nil {
		return nil, 0, err
	}
	to, err := lab.ThreadsOf(d.Pid)
	if err != nil {
		return nil, 0, err
	}
	share, _ = sum(lab.Account(from, to, time.Since(begin), lab.DoorThreads))
	stop()
	running.Wait()
	select {
	case err := <-failed:
		return nil, 0, err
	default:
	}
	close(answers)
	for a := range answers {
		took = append(took, a)
	}
	return took, share, nil
}

// view opens what the script of the page opens, and reads it until ctx ends.
func view(ctx context.Context, client *http.Client, url string, running *sync.WaitGroup) error {
	res, err := ask(ctx, client, url)
	if err != nil {
		return err
	}
	first, err := bufio.NewReader(io.LimitReader(res.Body, 64<<10)).ReadString('\n')
	if err != nil || res.StatusCode != http.StatusOK || !strings.HasPrefix(first, "retry:") {
		_ = res.Body.Close()
		return fmt.Errorf("a viewer is not served: %s, %q, %w", res.Status, first, err)
	}
	running.Go(func() {
		_, _ = io.Copy(io.Discard, res.Body)
		_ = res.Body.Close()
	})
	return nil
}

// poll asks once in pollEvery until the end and tells how long each answer took, ms.
func poll(ctx context.Context, client *http.Client, url string, end time.Time, answers chan<- float64) error {
	for begin := time.Now(); begin.Before(end); begin = time.Now() {
		if err := get(ctx, client, url); err != nil {
			return err
		}
		answers <- ms(time.Since(begin))
		if err := wait(ctx, time.Until(begin.Add(pollEvery))); err != nil {
			return err
		}
	}
	return nil
}

func ask(ctx context.Context, client *http.Client, url string) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, err
	}
	return client.Do(req)
}

// get reads an answer to its end.
func get(ctx context.Context, client *http.Client, url string) error {
	res, err := ask(ctx, client, url)
	if err != nil {
		return err
	}
	defer func() { _ = res.Body.Close() }()
	if res.StatusCode != http.StatusOK {
		return fmt.Errorf("%s: %s", url, res.Status)
	}
	_, err = io.Copy(io.Discard, res.Body)
	return err
}

// quantile is the value below which a share of them lies.
func quantile(v []float64, share float64) float64 {
	if len(v) == 0 {
		return 0
	}
	s := slices.Sorted(slices.Values(v))
	return s[min(int(share*float64(len(s))), len(s)-1)]
}
