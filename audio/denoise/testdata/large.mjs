// Takes the network of RNNoise 0.2 out of a WebAssembly build of it, and writes down what
// that build itself makes of the test's signal:
//
//     npm pack @shiguredo/rnnoise-wasm@2025.1.5 && tar xf shiguredo-rnnoise-wasm-2025.1.5.tgz
//     node large.mjs package/dist/rnnoise.js ../rnnoise-large.weights large.txt
//
// The build's data has the table of RNNoise's write_weights.c: for each array the address of
// its name, its type, its size and its address. Matrices of signed bytes lie there in blocks of
// 8 rows and 4 columns; here they are written row after row. Nothing else is changed; the
// indices of sparse blocks are left out, since all blocks are there.
import fs from "node:fs";

const [build, weights, reference] = process.argv.slice(2);
const text = fs.readFileSync(build, "utf8").match(/"(AGFzb[A-Za-z0-9+/=]+)"/)[1]; // the only one
const wasm = Buffer.from(text, "base64");

const { instance } = await WebAssembly.instantiate(wasm, {
  env: { __assert_fail() { throw new Error("assertion"); }, emscripten_resize_heap: () => 0 },
  wasi_snapshot_preview1: { fd_write: () => 0 },
});
const e = instance.exports;
e.emscripten_stack_init?.();
e.__wasm_call_ctors?.();
const memory = Buffer.from(e.memory.buffer);
const name = (at) => memory.toString("latin1", at, memory.indexOf(0, at));

// The table begins with the array conv1_weights_float.
const first = memory.indexOf("conv1_weights_float\0", 0, "latin1");
const address = Buffer.alloc(4);
address.writeUInt32LE(first);
const arrays = new Map();
for (let at = memory.indexOf(address); memory.readUInt32LE(at) !== 0; at += 16)
  arrays.set(name(memory.readUInt32LE(at)), memory.subarray(memory.readUInt32LE(at + 12)).subarray(0, memory.readUInt32LE(at + 8)));

const take = (key) => {
  const a = arrays.get(key);
  if (!a) throw new Error("no array " + key);
  return a;
};
function rows(key, columns) {
  const blocks = take(key + "_weights_int8");
  const index = arrays.get(key + "_weights_idx");
  const count = blocks.length / columns;
  const out = Buffer.alloc(blocks.length);
  for (let r = 0; r < count; r++)
    for (let c = 0; c < columns; c++) {
      const block = (r >> 3) * (columns / 4) + (c >> 2);
      out[r * columns + c] = blocks[block * 32 + (r & 7) * 4 + (c & 3)];
      const at = 4 * (r >> 3) * (columns / 4 + 1); // how many blocks, then the column of each
      if (index && (index.readInt32LE(at) !== columns / 4 || index.readInt32LE(at + 4 + (c & ~3)) !== (c & ~3)))
        throw new Error(key + " is sparse");
    }
  return [out, take(key + "_scale"), take(key + "_bias")];
}
const all = [take("conv1_weights_float"), take("conv1_bias"), ...rows("conv2", 384)];
for (const g of ["gru1", "gru2", "gru3"])
  all.push(...rows(g + "_input", 384), ...rows(g + "_recurrent", 384), take(g + "_recurrent_weights_diag"));
all.push(take("dense_out_weights_float"), take("dense_out_bias"), take("vad_dense_weights_float"), take("vad_dense_bias"));
fs.writeFileSync(weights, Buffer.concat(all));

// The signal of the test, see buzz in denoise_test.go.
function buzz(n) {
  const out = [];
  let seed = 1, phase = 0, low = 0;
  for (let i = 0; i < n; i++) {
    seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0;
    phase = (phase + Number(BigInt(100 + (Math.floor(i / 4800) % 5) * 13) * (1n << 32n) / 48000n)) >>> 0;
    low += ((phase >>> 17) - 16384 - low) >> 3;
    let v = ((seed >>> 20) - 2048) >> 1;
    if (Math.floor(i / 9600) % 2 === 0) v += Math.floor(low / 3);
    out.push(v);
  }
  return out;
}
const frame = 480, frames = 200;
const state = e.rnnoise_create(0), buffer = e.malloc(4 * frame);
const lines = [];
const input = buzz(frame * frames);
const energy = (x) => Math.sqrt(x.reduce((s, v) => s + v * v, 0) / x.length).toFixed(3);
for (let n = 0; n < frames; n++) {
  new Float32Array(e.memory.buffer, buffer, frame).set(input.slice(n * frame, (n + 1) * frame));
  const voice = e.rnnoise_process_frame(state, buffer, buffer);
  const out = [...new Float32Array(e.memory.buffer, buffer, frame)];
  // The chance of voice, the level of the frame, and every 60th sample of it.
  lines.push([voice.toFixed(4), energy(out), ...out.filter((_, i) => i % 60 === 0).map((v) => v.toFixed(2))].join(" "));
}
fs.writeFileSync(reference, lines.join("\n") + "\n");
