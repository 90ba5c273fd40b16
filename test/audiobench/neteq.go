package main

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"time"

	"intercomd/audio/codec"
	"intercomd/audio/pcm"
	"intercomd/audio/resample"
)

// This file gives the packets of a trace to NetEq, the jitter buffer of Chromium, in a program of its
// own (test/tools/neteq.sh): like the door's in the simulation, it has a clock that nobody waits for.

// Payload types of the packets.
const (
	ptPCMU = 0
	ptRED  = 63
	ptOpus = 111
)

// netHeard is what NetEq made of a trace.
type netHeard struct {
	sound []float32     // at 48 kHz; nil: it was not asked
	made  time.Duration // up
}

// neteq gives packets of 20 ms to the program.
func neteq(ctx context.Context, program string, c coding, packets [][]byte, f []fate) (netHeard, error) {
	rate, step := fs, 960
	if c.format.Name != "opus" {
		rate, step = pcm.SampleRate/resample.NarrowFactor, 160
	}
	length := time.Duration(len(packets))*20*time.Millisecond + time.Second/2
	cmd := exec.CommandContext(ctx, program, strconv.Itoa(rate), strconv.FormatInt(length.Milliseconds(), 10))
	cmd.Stdin = trafficOf(c, packets, f, step)
	var out, figures bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &figures
	if err := cmd.Run(); err != nil {
		return netHeard{}, fmt.Errorf("NetEq: %w: %.200s", err, figures.String())
	}
	made, err := strconv.ParseFloat(strings.TrimSpace(figures.String()), 64)
	if err != nil {
		return netHeard{}, fmt.Errorf("NetEq says %.200q: %w", figures.String(), err)
	}
	return netHeard{samples(out.Bytes(), rate), time.Duration(made / float64(rate) * float64(time.Second))}, nil
}

// trafficOf is what the program reads.
func trafficOf(c coding, packets [][]byte, f []fate, step int) *bytes.Buffer {
	type arrival struct {
		at   time.Duration
		line string
	}
	var all []arrival
	for i, payload := range packets {
		if f[i].lost {
			continue
		}
		pt := ptPCMU
		switch {
		case len(c.copies) > 0:
			pt, payload = ptRED, redundant(packets, i, c.copies)
		case c.format.Name == "opus":
			pt = ptOpus
		}
		at := time.Duration(i+1)*20*time.Millisecond + f[i].delay // it is full then
		all = append(all, arrival{at, fmt.Sprintf("%d %d %d %d %x\n", at.Microseconds(), pt, uint16(i+65000), i*step, payload)})
	}
	slices.SortStableFunc(all, func(a, b arrival) int { return int(a.at - b.at) })
	var b bytes.Buffer
	for _, a := range all {
		b.WriteString(a.line)
	}
	return &b
}

// samples are 16 bits each at rate, as 48 kHz.
func samples(b []byte, rate int) []float32 {
	x := make([]float32, len(b)/2)
	for i := range x {
		x[i] = float32(int16(binary.LittleEndian.Uint16(b[2*i:]))) / 32768
	}
	if rate == fs {
		return x
	}
	y := make([]float32, len(x)*resample.NarrowFactor)
	resample.NewWidener().Process(y, x)
	return y
}

// redundant is packet i with copies of earlier ones (RFC 2198 section 3).
func redundant(packets [][]byte, i int, copies []int) []byte {
	var head, body []byte
	for _, back := range slices.Backward(copies) {
		if back > i {
			continue
		}
		p, offset := packets[i-back], 960*back
		head = append(head, 0x80|ptOpus, byte(offset>>6), byte(offset<<2)|byte(len(p)>>8), byte(len(p)))
		body = append(body, p...)
	}
	return slices.Concat(head, []byte{ptOpus}, body, packets[i])
}

// encoded are the packets of 20 ms of a voice.
func encoded(c coding, pcm []float32) ([][]byte, error) {
	const bitrate, complexity = 32000, 5 // what a door does unless told otherwise
	e, size, err := codec.NewEncoder(c.format, bitrate, complexity)
	if err != nil {
		return nil, err
	}
	var out [][]byte
	buf := make([]byte, 1500)
	for at := 0; at+size <= len(pcm); at += size {
		n, err := e.Encode(pcm[at:at+size], buf)
		if err != nil {
			return nil, err
		}
		out = append(out, slices.Clone(buf[:n]))
	}
	return out, nil
}
