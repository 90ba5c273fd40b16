// The telephone. Started by a script with phone.start({...}), or by itself when
// the server has a config.json for it. Every event is kept in phone.events with
// the time in ms since 1970.
'use strict';
const phone = window.phone = { events: [], session: null, registered: false };
{
  const el = id => document.getElementById(id);
  const note = (name, more) => phone.events.push({ t: performance.timeOrigin + performance.now(), name, ...more });
  phone.note = note;

  const show = (state, detail = '') => {
    el('state').textContent = state;
    el('detail').textContent = detail;
    const s = phone.session, ringing = phone.ringing, talking = s && phone.talking;
    el('answer').hidden = !ringing;
    el('hangup').hidden = !s;
    el('open').hidden = !(talking && phone.options.openDigits);
    el('call').hidden = !!s || !phone.registered || !phone.options.door;
    document.querySelector('.phone').classList.toggle('ringing', !!ringing);
  };
  if (window.parent !== window) document.querySelector('.phone').classList.add('framed');
  const idle = detail => show(phone.registered ? 'Ready' : 'Not registered', detail);

  // hear plays the far end. SIP.js leaves this to the page.
  const hear = s => {
    const pc = s.sessionDescriptionHandler.peerConnection, stream = new MediaStream();
    pc.getReceivers().forEach(r => r.track && stream.addTrack(r.track));
    el('remote').srcObject = stream;
    el('remote').play().catch(() => note('play-refused'));
  };

  const follow = (s, peer) => {
    phone.session = s; phone.talking = false;
    for (const n of ['progress', 'accepted', 'rejected', 'failed', 'bye', 'cancel', 'dtmf']) {
      s.on(n, (a, b) => note(n, { status: a && (a.status_code || a.statusCode) || 0, cause: typeof b === 'string' ? b : '' }));
    }
    s.on('progress', () => show('Calling ' + peer, 'it rings there'));
    s.on('trackAdded', () => hear(s));
    s.on('accepted', () => { phone.ringing = false; phone.talking = true; show('Talking with ' + peer); });
    s.on('terminated', (msg, cause) => {
      note('terminated', { cause: cause || '' });
      if (phone.session === s) phone.session = null;
      phone.ringing = phone.talking = false;
      idle(cause ? 'Last call: ' + cause.toLowerCase() : 'The call is over');
    });
  };

  // start registers. options: ws (URL), user, password, domain, audio (constraints),
  // incoming ('ring', 'answer', 'busy', 'reject'), door (target of the call button),
  // openDigits (what the open button sends).
  phone.start = options => new Promise((done, fail) => {
    phone.options = { incoming: 'ring', audio: true, ...options };
    const o = phone.options;
    el('user').textContent = o.user;
    const ua = phone.ua = new SIP.UA({
      uri: `${o.user}@${o.domain}`, authorizationUser: o.user, password: o.password, register: true,
      transportOptions: { wsServers: [o.ws], traceSip: false }, log: { level: 'warn' },
      rel100: SIP.C.supported.SUPPORTED, dtmfType: SIP.C.dtmfType.RTP,
      sessionDescriptionHandlerFactoryOptions: {
        constraints: { audio: o.audio, video: false },
        peerConnectionOptions: { rtcConfiguration: { iceServers: [] }, iceCheckingTimeout: 5000 },
      },
    });
    ua.on('registered', () => { phone.registered = true; note('registered'); if (!phone.session) idle(); done(true); });
    ua.on('unregistered', () => { phone.registered = false; note('unregistered'); if (!phone.session) idle(); });
    ua.on('registrationFailed', (r, cause) => { note('registrationFailed', { cause: String(cause) }); fail(new Error('registration failed: ' + cause)); });
    ua.on('invite', s => {
      note('incoming');
      follow(s, s.remoteIdentity.displayName || s.remoteIdentity.uri.user);
      if (o.incoming === 'answer') s.accept();
      else if (o.incoming === 'busy') s.reject({ statusCode: 486, reasonPhrase: 'Busy Here' });
      else if (o.incoming === 'reject') s.reject({ statusCode: 603, reasonPhrase: 'Decline' });
      else { phone.ringing = true; show('The door rings', 'from ' + s.remoteIdentity.uri.user); }
    });
  });
  phone.call = target => { note('call'); follow(phone.ua.invite(`${target}@${phone.options.domain}`), target); show('Calling ' + target); };
  phone.answer = () => { note('answer'); phone.ringing = false; phone.session.accept(); };
  phone.hangup = () => { note('hangup'); if (phone.session) phone.session.terminate(); };
  phone.dtmf = digits => phone.session.dtmf(digits);
  // canDial tells whether digits can be sent: the media of the call must be up.
  phone.canDial = () => {
    const pc = phone.session && phone.session.sessionDescriptionHandler && phone.session.sessionDescriptionHandler.peerConnection;
    return !!pc && pc.getSenders().some(s => s.dtmf && s.dtmf.canInsertDTMF);
  };
  // What only the compatibility tests do; peer.js has the same.
  phone.version = SIP.version;
  phone.info = d => {
    // The way is a setting of the whole telephone, and fixed.
    const s = phone.session, ua = s.ua;
    s.ua = Object.create(ua, { configuration: { value: Object.create(ua.configuration, { dtmfType: { value: SIP.C.dtmfType.INFO } }) } });
    s.dtmf(d);
    s.ua = ua;
  };
  const reinvite = how => new Promise((done, fail) => {
    phone.session.once('reinviteAccepted', () => done(true));
    phone.session.once('reinviteFailed', () => fail(new Error('re-INVITE failed')));
    phone.session[how]();
  });
  phone.hold = () => reinvite('hold');
  phone.unhold = () => reinvite('unhold');
  const refer = (s, to) => new Promise((done, fail) => {
    s.once('referRequested', r => {
      r.on('referRequestAccepted', () => done(true));
      r.on('referRequestRejected', () => fail(new Error('REFER refused')));
      r.on('notify', n => note('notify', { cause: n.request.body.trim() }));
    });
    s.refer(to);
  });
  phone.transfer = target => refer(phone.session, `${target}@${phone.options.domain}`);
  phone.consult = target => { phone.first = phone.session; phone.call(target); };
  phone.join = () => refer(phone.first, phone.session);
  phone.stop = () => phone.ua.stop();

  el('answer').onclick = phone.answer;
  el('hangup').onclick = phone.hangup;
  el('call').onclick = () => phone.call(phone.options.door);
  el('open').onclick = () => phone.canDial() && phone.dtmf(phone.options.openDigits);
  window.addEventListener('pagehide', () => { if (phone.ua) phone.ua.stop(); });

  if (!new URLSearchParams(location.search).has('probe')) {
    fetch('config.json').then(r => r.ok ? r.json() : null).then(o => o && phone.start(o)).catch(e => show('Not registered', e.message));
  }
}
