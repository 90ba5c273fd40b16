#include "textflag.h"

// func dot(x, y []float32) float32
// Four sums of four lanes each, so that additions need not wait for each other.
TEXT ·dot(SB), NOSPLIT, $0-52
	MOVD x_base+0(FP), R0
	MOVD x_len+8(FP), R2
	MOVD y_base+24(FP), R1
	VEOR V0.B16, V0.B16, V0.B16
	VEOR V1.B16, V1.B16, V1.B16
	VEOR V2.B16, V2.B16, V2.B16
	VEOR V3.B16, V3.B16, V3.B16
	LSR  $4, R2, R3
	CBZ  R3, rest

sixteen:
	VLD1.P 64(R0), [V4.S4, V5.S4, V6.S4, V7.S4]
	VLD1.P 64(R1), [V16.S4, V17.S4, V18.S4, V19.S4]
	VFMLA  V4.S4, V16.S4, V0.S4
	VFMLA  V5.S4, V17.S4, V1.S4
	VFMLA  V6.S4, V18.S4, V2.S4
	VFMLA  V7.S4, V19.S4, V3.S4
	SUBS   $1, R3, R3
	BNE    sixteen

rest:
	// The assembler has no sums of vectors: lanes are added one by one.
	FMOVS $0.0, F20
	AND   $15, R2, R2
	LSR   $2, R2, R3
	CBZ   R3, last

four:
	VLD1.P 16(R0), [V4.S4]
	VLD1.P 16(R1), [V16.S4]
	VFMLA  V4.S4, V16.S4, V0.S4
	SUBS   $1, R3, R3
	BNE    four

last:
	AND $3, R2, R2
	CBZ R2, sum

one:
	FMOVS.P 4(R0), F4
	FMOVS.P 4(R1), F5
	FMADDS  F4, F20, F5, F20
	SUBS    $1, R2, R2
	BNE     one

sum:
	VMOV  V0.S[1], V4.S[0]
	VMOV  V0.S[2], V5.S[0]
	VMOV  V0.S[3], V6.S[0]
	FADDS F4, F0, F0
	FADDS F6, F5, F5
	FADDS F5, F0, F0
	VMOV  V1.S[1], V4.S[0]
	VMOV  V1.S[2], V5.S[0]
	VMOV  V1.S[3], V6.S[0]
	FADDS F4, F1, F1
	FADDS F6, F5, F5
	FADDS F5, F1, F1
	VMOV  V2.S[1], V4.S[0]
	VMOV  V2.S[2], V5.S[0]
	VMOV  V2.S[3], V6.S[0]
	FADDS F4, F2, F2
	FADDS F6, F5, F5
	FADDS F5, F2, F2
	VMOV  V3.S[1], V4.S[0]
	VMOV  V3.S[2], V5.S[0]
	VMOV  V3.S[3], V6.S[0]
	FADDS F4, F3, F3
	FADDS F6, F5, F5
	FADDS F5, F3, F3
	FADDS F1, F0, F0
	FADDS F3, F2, F2
	FADDS F2, F0, F0
	FADDS F20, F0, F0
	FMOVS F0, ret+48(FP)
	RET
