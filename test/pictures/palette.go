package main

import (
	"bytes"
	"cmp"
	"image"
	"image/color"
	"image/draw"
	"image/png"
	"slices"
)

// smaller writes a picture with 256 colours: a third of the bytes, and all that a page of
// a few flat colours and two gradients needs.
func smaller(data []byte) ([]byte, error) {
	src, err := png.Decode(bytes.NewReader(data))
	if err != nil {
		return nil, err
	}
	dst := image.NewPaletted(src.Bounds(), paletteOf(src))
	draw.Draw(dst, dst.Bounds(), src, src.Bounds().Min, draw.Src)
	var out bytes.Buffer
	enc := png.Encoder{CompressionLevel: png.BestCompression}
	err = enc.Encode(&out, dst)
	return out.Bytes(), err
}

// paletteOf takes the most frequent colours, rounded so that neighbours count as one.
func paletteOf(src image.Image) color.Palette {
	type bin struct{ n, r, g, b uint64 }
	bins := map[[3]uint8]*bin{}
	for y := src.Bounds().Min.Y; y < src.Bounds().Max.Y; y++ {
		for x := src.Bounds().Min.X; x < src.Bounds().Max.X; x++ {
			c, ok := color.NRGBAModel.Convert(src.At(x, y)).(color.NRGBA)
			if !ok {
				continue
			}
			k := [3]uint8{c.R >> 3, c.G >> 3, c.B >> 3}
			b := bins[k]
			if b == nil {
				b = &bin{}
				bins[k] = b
			}
			b.n, b.r, b.g, b.b = b.n+1, b.r+uint64(c.R), b.g+uint64(c.G), b.b+uint64(c.B)
		}
	}
	all := make([]*bin, 0, len(bins))
	for _, b := range bins {
		all = append(all, b)
	}
	slices.SortFunc(all, func(a, b *bin) int { return cmp.Compare(b.n, a.n) })
	var p color.Palette
	for _, b := range all[:min(len(all), 256)] {
		p = append(p, color.NRGBA{uint8(b.r / b.n), uint8(b.g / b.n), uint8(b.b / b.n), 255})
	}
	return p
}
