package aec

import (
	"fmt"
	"os"
)

var dbg = os.Getenv("DBG") != ""
var dbgN int
var dm, de, do, dr, dy, dyy float32

func (k *Kalman) debug() {
	if !dbg {
		return
	}
	dm += dot(k.mic[:], k.mic[:])
	de += dot(k.lin[:], k.lin[:])
	do += dot(k.clean[:], k.clean[:])
	dbgN++
	for i := 5; i < 150; i++ {
		dr += 2 * k.flt.left[i]
	}
	for i := range k.echo {
		dy += k.echo[i] * k.mic[i]
		dyy += k.echo[i] * k.echo[i]
	}
	if dbgN%50 == 0 {
		fmt.Printf("%5.1f lin %.1f R %.1f beta %.2f out %.1f near %.2f c %.3f lag %.0f conf %.1f dly %.1f\n", float64(dbgN)/100, -10*ln(de/dm)/2.302585, -10*ln(0.5*dr/dm/160)/2.302585, dy/(dyy+1e-9), -10*ln(do/dm)/2.302585, k.sup.near, k.shp.c, k.search.lag, k.search.confidence, k.ref.delay)
		dm, de, do, dr, dy, dyy = 0, 0, 0, 0, 0, 0
	}
}

func par(n string, def float32) float32 {
	if v := os.Getenv(n); v != "" {
		var f float32
		fmt.Sscan(v, &f)
		return f
	}
	return def
}

var pPsi = par("PSI", 0.1)
var pMode = par("MODE", 0)
var pA = par("A", 0.9998)
var pH = par("H", 1.2)
var pQ = par("Q", 0.3)
