// Watches a telephone from below without touching its library: SIP messages on
// the WebSocket, states of the peer connection, the sound that arrives. Loaded
// before the library; does nothing unless the address has "?probe".
'use strict';
if (new URLSearchParams(location.search).has('probe')) {
  const probe = window.probe = { events: [], blocks: [], size: 256, rate: 48000 };
  const now = () => performance.timeOrigin + performance.now();
  const mark = (name, more) => probe.events.push({ t: now(), name, ...more });

  // SIP
  const Socket = window.WebSocket, send = Socket.prototype.send;
  const message = (dir, data) => {
    if (typeof data !== 'string' || data.length < 8) return;
    const field = name => (new RegExp('^' + name + ':\\s*(.*)$', 'mi').exec(data) || [])[1] || '';
    mark('sip', { dir, line: data.split('\r\n', 1)[0], cseq: field('CSeq'), callID: field('Call-ID') });
  };
  Socket.prototype.send = function (data) { message('tx', data); return send.call(this, data); };
  window.WebSocket = class extends Socket {
    constructor(...a) { super(...a); this.addEventListener('message', e => message('rx', e.data)); }
  };

  // Media
  const Peer = window.RTCPeerConnection;
  window.RTCPeerConnection = class extends Peer {
    constructor(...a) {
      super(...a); probe.pc = this;
      this.addEventListener('connectionstatechange', () => mark('pc-' + this.connectionState));
      this.addEventListener('iceconnectionstatechange', () => mark('ice-' + this.iceConnectionState));
      this.addEventListener('track', e => tap(e.track));
    }
  };

  // Sound. A worklet hands over blocks of samples; the last ten seconds are kept.
  const worklet = `registerProcessor('tap', class extends AudioWorkletProcessor {
    constructor() { super(); this.buf = new Float32Array(${probe.size}); this.n = 0; }
    process(inputs) {
      const c = inputs[0][0]; if (!c) return true;
      this.buf.set(c, this.n); this.n += c.length;
      if (this.n >= ${probe.size}) { this.port.postMessage(this.buf.slice(0)); this.n = 0; }
      return true;
    } });`;
  let ready, context, source, current;
  const tap = async track => {
    if (!context) {
      context = new AudioContext({ sampleRate: probe.rate });
      ready = context.audioWorklet.addModule(URL.createObjectURL(new Blob([worklet], { type: 'text/javascript' })));
    }
    if (context.state !== 'running') context.resume();
    await ready;
    const node = new AudioWorkletNode(context, 'tap', { numberOfOutputs: 0 });
    let heard = false;
    // The tap of the call before would go on delivering silence.
    if (source) source.disconnect();
    current = node;
    probe.blocks = [];
    node.port.onmessage = e => {
      if (current !== node) return;
      const b = e.data; let sum = 0;
      for (const x of b) sum += x * x;
      if (!heard && Math.sqrt(sum / b.length) > 0.005) { heard = true; mark('first-audio'); }
      probe.blocks.push(b);
      if (probe.blocks.length > 10 * probe.rate / probe.size) probe.blocks.shift();
    };
    source = context.createMediaStreamSource(new MediaStream([track]));
    source.connect(node);
  };
  // warm prepares the audio context, so that the first call is like the others.
  probe.warm = async () => { context || await tap(new MediaStreamAudioDestinationNode(new AudioContext()).stream.getTracks()[0]); };

  // tone measures freq (Hz) in the last ms of sound, dBFS of a full-scale sine:
  // Goertzel on Hann-windowed blocks of about 100 ms, averaged in power.
  probe.tone = (freq, ms = 1000) => {
    const per = 19, size = per * probe.size, want = Math.floor(ms / 1000 * probe.rate / probe.size);
    const tail = probe.blocks.slice(-want), n = Math.floor(tail.length / per);
    if (!n) return -180;
    const c = 2 * Math.cos(2 * Math.PI * freq / probe.rate);
    let power = 0;
    for (let b = 0; b < n; b++) {
      let s1 = 0, s2 = 0;
      for (let i = 0; i < size; i++) {
        const x = tail[b * per + Math.floor(i / probe.size)][i % probe.size];
        const s0 = x * (0.5 - 0.5 * Math.cos(2 * Math.PI * i / size)) + c * s1 - s2;
        s2 = s1; s1 = s0;
      }
      power += (s1 * s1 + s2 * s2 - c * s1 * s2) * 16 / (size * size);
    }
    return 10 * Math.log10(power / n + 1e-18);
  };
  probe.reset = () => { probe.events.length = 0; probe.blocks = []; if (window.phone) phone.events.length = 0; };
}
