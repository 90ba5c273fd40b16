// The telephone of phone.js once more, on SIP.js 0.21.2 and JsSIP 3.13.8 ("?lib="):
// the same calls, the same events in phone.events, no buttons. Only the tests use it.
'use strict';
const phone = window.phone = { events: [], session: null, registered: false };
{
  const note = (name, more) => phone.events.push({ t: performance.timeOrigin + performance.now(), name, ...more });
  phone.note = note;
  const play = stream => {
    const el = document.getElementById('remote');
    el.srcObject = stream;
    el.play().catch(() => note('play-refused'));
  };
  const uri = user => `sip:${user}@${phone.options.domain}`;
  const begin = s => { phone.session = s; phone.talking = false; };
  const over = (s, cause) => {
    note('terminated', { cause: String(cause || '') });
    if (phone.session === s) { phone.session = null; phone.talking = false; }
  };
  // canDial tells whether digits can be sent: the media of the call must be up.
  phone.canDial = () => {
    const pc = phone.session && phone.pc(phone.session);
    return !!pc && pc.getSenders().some(s => s.dtmf && s.dtmf.canInsertDTMF);
  };
  // consult calls somebody else while the first call waits; join connects the two.
  phone.consult = target => { phone.first = phone.session; phone.call(target); };
  const common = options => ({ incoming: 'ring', audio: true, ...options });

  const sipjs = () => {
    const answer = s => s.accept({ sessionDescriptionHandlerOptions: phone.media });
    const follow = s => {
      begin(s);
      s.delegate = {
        onBye: r => { note('bye'); r.accept(); },
        onCancel: () => note('cancel'),
        onRefer: r => r.accept().then(() => {
          const next = r.makeInviter({ sessionDescriptionHandlerOptions: phone.media });
          follow(next);
          next.invite();
        }),
        onSessionDescriptionHandler: h => { h.peerConnectionDelegate = { ontrack: () => play(h.remoteMediaStream) }; },
      };
      s.stateChange.addListener(state => {
        if (state === 'Established') { phone.talking = true; note('accepted'); }
        if (state === 'Terminated') over(s);
      });
    };
    phone.version = SIP21.version;
    phone.start = async options => {
      const o = phone.options = common(options);
      phone.media = { constraints: { audio: o.audio, video: false } };
      const ua = phone.ua = new SIP21.UserAgent({
        uri: SIP21.UserAgent.makeURI(uri(o.user)), authorizationUsername: o.user, authorizationPassword: o.password,
        transportOptions: { server: o.ws }, logLevel: 'warn', sipExtension100rel: 'Supported', sipExtensionReplaces: 'Supported',
        sessionDescriptionHandlerFactoryOptions: { iceGatheringTimeout: 5000, peerConnectionConfiguration: { iceServers: [] } },
        delegate: {
          onInvite: s => {
            note('incoming');
            follow(s);
            if (o.incoming === 'answer') answer(s);
            else if (o.incoming === 'busy') s.reject({ statusCode: 486 });
            else if (o.incoming === 'reject') s.reject({ statusCode: 603 });
          },
        },
      });
      await ua.start();
      const reg = new SIP21.Registerer(ua);
      await new Promise((done, fail) => {
        reg.stateChange.addListener(s => { if (s === 'Registered') { phone.registered = true; note('registered'); done(); } });
        reg.register({ requestDelegate: { onReject: r => fail(new Error('registration failed: ' + r.message.statusCode)) } });
      });
      return true;
    };
    phone.call = target => {
      note('call');
      const s = new SIP21.Inviter(phone.ua, SIP21.UserAgent.makeURI(uri(target)), { sessionDescriptionHandlerOptions: phone.media });
      follow(s);
      s.invite({ requestDelegate: {
        onProgress: r => note('progress', { status: r.message.statusCode }),
        onReject: r => note('rejected', { status: r.message.statusCode }),
      } });
    };
    phone.answer = () => answer(phone.session);
    phone.hangup = () => {
      const s = phone.session;
      if (!s) return;
      if (s.state === 'Established') s.bye();
      else if (s instanceof SIP21.Inviter) s.cancel();
      else s.reject();
    };
    phone.pc = s => s.sessionDescriptionHandler && s.sessionDescriptionHandler.peerConnection;
    phone.dtmf = d => phone.session.sessionDescriptionHandler.sendDtmf(d);
    phone.info = d => phone.session.info({ requestOptions: { body: {
      contentDisposition: 'render', contentType: 'application/dtmf-relay', content: `Signal=${d}\r\nDuration=160\r\n` } } });
    const reinvite = hold => new Promise((done, fail) => {
      phone.session.sessionDescriptionHandlerOptionsReInvite = { ...phone.media, hold };
      phone.session.invite({ requestDelegate: { onAccept: () => done(true), onReject: r => fail(new Error('re-INVITE: ' + r.message.statusCode)) } });
    });
    phone.hold = () => reinvite(true);
    phone.unhold = () => reinvite(false);
    const refer = (s, to) => new Promise((done, fail) => s.refer(to, {
      onNotify: n => { note('notify', { cause: n.request.body.trim() }); n.accept(); },
      requestDelegate: { onAccept: () => done(true), onReject: r => fail(new Error('REFER: ' + r.message.statusCode)) } }));
    phone.transfer = target => refer(phone.session, SIP21.UserAgent.makeURI(uri(target)));
    phone.join = () => refer(phone.first, phone.session);
  };

  const jssip = () => {
    const media = () => ({ mediaConstraints: { audio: phone.options.audio, video: false }, pcConfig: { iceServers: [] } });
    const hear = pc => pc.addEventListener('track', e => play(new MediaStream([e.track])));
    const follow = s => {
      begin(s);
      if (s.connection) hear(s.connection);
      s.on('peerconnection', e => hear(e.peerconnection));
      s.on('progress', e => note('progress', { status: e.response ? e.response.status_code : 0 }));
      s.on('accepted', () => { phone.talking = true; note('accepted'); });
      s.on('failed', e => {
        if (e.cause === JsSIP.C.causes.CANCELED && e.originator === 'remote') note('cancel');
        else note('rejected', { status: e.message && e.message.status_code || 0, cause: e.cause });
        over(s, e.cause);
      });
      s.on('ended', e => { if (e.originator === 'remote') note('bye'); over(s, e.cause); });
    };
    phone.version = JsSIP.version;
    phone.start = options => new Promise((done, fail) => {
      const o = phone.options = common(options);
      const ua = phone.ua = new JsSIP.UA({
        sockets: [new JsSIP.WebSocketInterface(o.ws)], uri: uri(o.user), authorization_user: o.user, password: o.password,
      });
      ua.on('registered', () => { phone.registered = true; note('registered'); done(true); });
      ua.on('registrationFailed', e => fail(new Error('registration failed: ' + e.cause)));
      ua.on('newRTCSession', e => {
        follow(e.session);
        if (e.originator === 'local') return;
        note('incoming');
        if (o.incoming === 'answer') e.session.answer(media());
        else if (o.incoming === 'busy') e.session.terminate({ status_code: 486 });
        else if (o.incoming === 'reject') e.session.terminate({ status_code: 603 });
      });
      ua.start();
    });
    phone.call = target => { note('call'); phone.ua.call(uri(target), media()); };
    phone.answer = () => phone.session.answer(media());
    phone.hangup = () => phone.session && phone.session.terminate();
    phone.pc = s => s.connection;
    phone.dtmf = d => phone.session.sendDTMF(d, { transportType: 'RFC2833' });
    phone.info = d => phone.session.sendDTMF(d, { transportType: 'INFO' });
    phone.hold = () => new Promise((done, fail) => phone.session.hold({}, () => done(true)) || fail(new Error('hold refused')));
    phone.unhold = () => new Promise((done, fail) => phone.session.unhold({}, () => done(true)) || fail(new Error('unhold refused')));
    const refer = (s, to, options) => new Promise((done, fail) => s.refer(to, { ...options, eventHandlers: {
      requestSucceeded: () => done(true), requestFailed: e => fail(new Error('REFER: ' + e.cause)),
      trying: e => note('notify', { cause: e.status_line }), progress: e => note('notify', { cause: String(e.status_line) }),
      accepted: e => note('notify', { cause: 'SIP/2.0 ' + e.status_line.status_code }), failed: e => note('notify', { cause: 'SIP/2.0 ' + (e.status_line ? e.status_line.status_code : 0) }) } }));
    phone.transfer = target => refer(phone.session, uri(target));
    phone.join = () => refer(phone.first, phone.session.remote_identity.uri.toString(), { replaces: phone.session });
  };

  const libraries = { 'sip-0.21.2': sipjs, 'jssip-3.13.8': jssip };
  libraries[new URLSearchParams(location.search).get('lib')]();
  window.addEventListener('pagehide', () => phone.ua && phone.ua.stop());
}
