// Package image starts the card image in a virtual machine. It plays the firmware of the
// board: which partition starts is read from autoboot.txt on the card, kernel and initrd
// come from that partition, and a trial start happens once, when the system before it
// asked for it. The tests then look at what the card has become.
//
// What they do inside is a script on a second disk and a unit on the kernel's command
// line: nothing of it is in the image, which is the one that a door gets but for its
// processor.
package image

import (
	"fmt"
	"os"
	"testing"

	"intercomd/test/lab"
)

// imageVar names the folder that image/compose.sh has filled.
const imageVar = "INTERCOMD_IMAGE"

func TestMain(m *testing.M) {
	if os.Getenv(imageVar) == "" {
		fmt.Println("skipped: make test-image runs this")
		return
	}
	os.Exit(lab.InNamespace(m.Run))
}
