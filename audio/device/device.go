// Package device opens microphones and loudspeakers through a [Driver] and keeps them open
// while somebody needs them: [Supervisor] does, in a goroutine of its own, so that a hanging
// device never holds up a call. What is open is a [Capture] or a [Playback], which hands
// frames of package pcm on just in time. It knows neither calls nor what the sound is.
package device

import (
	"errors"
	"time"

	"intercomd/words"
)

// Direction tells microphones from loudspeakers.
type Direction int

// The directions.
const (
	In  Direction = iota // a microphone
	Out                  // a loudspeaker
)

// String is the word that logs have for it.
func (d Direction) String() string {
	if d == In {
		return "input"
	}
	return "output"
}

// Names of devices that are not names of hardware.
const (
	Default = "default" // what the sound system takes when not told
	None    = "none"    // deliberately nothing
)

var (
	// ErrNotFound is the cause of an Open that found no device of that name.
	ErrNotFound = errors.New("no such sound device")
	// ErrHung is the end of a driver: a call into the sound library did not
	// return. Only a new process can use sound again.
	ErrHung = errors.New("the sound system does not answer")
)

// problem is what people are told of an error of a device.
func problem(err error) words.Message {
	if m, ok := words.Told(err); ok {
		return m
	}
	switch {
	case errors.Is(err, ErrHung):
		return words.New("device-hung")
	case errors.Is(err, ErrNotFound):
		return words.New("device-none")
	}
	return words.New("device-error", "detail", err.Error())
}

// Info describes a sound device that can be named in the configuration.
type Info struct {
	Name    string
	Inputs  int    // channels
	Outputs int    // channels
	Default bool   // taken for "default" in at least one direction
	Rate    int    // preferred sample rate, Hz
	System  string // sound system that offers it, such as "ALSA"
}

// StreamInfo describes an open stream.
type StreamInfo struct {
	Device  string        // full name
	Rate    int           // samples per second in the callback
	Latency time.Duration // between the callback and the air, as the driver tells it
}

// Driver opens sound devices. Its methods are called from one goroutine at a
// time; each returns within a few seconds, with [ErrDeviceHung] if the sound
// system does not.
type Driver interface {
	// Devices lists what there is.
	Devices() ([]Info, error)
	// Open starts a stream that exchanges samples through x. name is the full name of a device, a
	// part that only one device has, or "default". An unknown name is
	// [ErrNotFound]; the text of the error lists what there is.
	Open(d Direction, name string, x *Ring) (Stream, error)
	// Try finds out whether Open would succeed, without reading or playing a sample.
	Try(d Direction, name string) error
	// Stale tells that devices came or went since the driver last looked. It
	// looks again in the next Open, Try or Devices if no stream is open then.
	Stale() bool
}

// Stream is an open device.
type Stream interface {
	Info() StreamInfo
	// Close ends the callbacks and frees the device.
	Close() error
}

// Status is the state of one sound device.
type Status struct {
	Wanted  string        // name in the configuration
	Name    string        // of the device in use
	OK      bool          // it works as far as is known, or there is deliberately none
	Open    bool          // it runs now: samples are read, or played
	Problem words.Message // why not; none if nobody has tried yet
	Rate    int           // Hz
	Latency time.Duration // of the device, as its driver tells it
}
