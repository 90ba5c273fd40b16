// Package g711 converts between linear samples and the two laws of ITU-T
// Recommendation G.711 (1988), PCMU and PCMA of RFC 3551.
//
// It knows nothing of packets, of rates or of lost audio: one sample in, one
// octet out, and back. All functions are pure and safe for concurrent use.
package g711

import "math/bits"

// µ-law works on 14-bit magnitudes with a bias of 33 (G.711 table 2a); scaled
// to 16 bits the bias is 132 and the largest magnitude that fits is 32635.
const (
	muBias = 33 << 2
	muClip = 0x7fff - muBias
)

// DecodeMu returns the linear 16-bit value of a µ-law octet.
func DecodeMu(c byte) int16 {
	c = ^c
	seg := c >> 4 & 7
	v := (int(c&0x0f)<<3+muBias)<<seg - muBias
	if c&0x80 != 0 {
		return int16(-v)
	}
	return int16(v)
}

// EncodeMu returns the µ-law octet of a linear 16-bit sample.
func EncodeMu(s int16) byte {
	v, sign := int(s), byte(0)
	if v < 0 {
		v, sign = -v, 0x80
	}
	v = min(v, muClip) + muBias
	seg := bits.Len(uint(v)) - 8
	return ^(sign | byte(seg)<<4 | byte(v>>(seg+3)&0x0f))
}

// DecodeA returns the linear 16-bit value of an A-law octet.
func DecodeA(c byte) int16 {
	c ^= 0x55 // even bits travel inverted (G.711 section 3.4)
	seg := c >> 4 & 7
	v := int(c&0x0f)<<4 + 8
	if seg > 0 {
		v = (v + 0x100) << (seg - 1)
	}
	if c&0x80 == 0 {
		return int16(-v)
	}
	return int16(v)
}

// EncodeA returns the A-law octet of a linear 16-bit sample.
func EncodeA(s int16) byte {
	v, sign := int(s), byte(0x80)
	if v < 0 {
		v, sign = -v-1, 0
	}
	seg := max(0, bits.Len(uint(v))-8)
	m := v >> 4
	if seg > 0 {
		m = v >> (seg + 3)
	}
	return (sign | byte(seg)<<4 | byte(m&0x0f)) ^ 0x55
}
