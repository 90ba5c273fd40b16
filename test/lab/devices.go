package lab

import (
	"fmt"
	"os"
	"os/exec"
)

// MakeDefault makes the card the one that programs of its server take when they are
// not told, as a browser does. Its microphone becomes a source of its own for them: one
// that only monitors a sink is no microphone to a browser.
func (c *Card) MakeDefault() error {
	for _, args := range [][]string{
		{"load-module", "module-remap-source", "source_name=" + c.Name + "-in", "master=" + c.Mic() + ".monitor"},
		{"set-default-source", c.Name + "-in"},
		{"set-default-sink", c.Speaker()},
	} {
		cmd := exec.Command(Tool("pactl"), args...)
		cmd.Env = append(os.Environ(), c.pulse.env()...)
		if out, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("pactl %v: %w: %s", args, err, out)
		}
	}
	return nil
}
