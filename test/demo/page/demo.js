// Shows the door as its JSON tells, and presses its buttons.
'use strict';
const el = id => document.getElementById(id);
const ms = (a, b) => a && b ? Math.round(new Date(b) - new Date(a)) + ' ms' : null;
const text = (node, s) => { if (node.textContent !== s) node.textContent = s; };

const states = { idle: 'Ready', calling: 'Calling …', ringing: 'Somebody calls the door', talking: 'Talking', stopped: 'Stopped' };

function buttons(list) {
  if (el('buttons').childElementCount === list.length) return;
  el('buttons').replaceChildren(...list.map(b => {
    const button = document.createElement('button');
    button.textContent = b.label || b.input;
    button.onclick = () => fetch('door/press/' + encodeURIComponent(b.input), { method: 'POST' });
    return button;
  }));
}

function last(call) {
  if (!call) return 'none yet';
  const parts = [(call.ending.cause + ' by the ' + call.ending.by).replaceAll('-', ' ')];
  for (const [name, t] of [['INVITE', ms(call.pressed, call.sent)], ['ringing', ms(call.pressed, call.ringing)], ['answer to first sound', ms(call.answered, call.heard)]]) {
    if (t) parts.push(name + ' ' + t);
  }
  return parts.join(', ');
}

async function show() {
  try {
    const s = await (await fetch('door/status.json')).json();
    const ringing = s.call && s.state === 'calling' && s.call.ringing;
    text(el('state'), ringing ? 'It rings there' : (states[s.state] || s.state));
    el('lamp').classList.toggle('on', (s.board.lamps || []).some(l => l.on));
    buttons(s.buttons || []);
    const open = (s.board.relays || []).some(r => r.on);
    text(el('relay'), open ? 'open' : 'locked');
    el('relay').classList.toggle('open', open);
    const level = Math.max(-60, s.gauges.speaker.peak);
    el('speaker').value = level;
    text(el('level'), level > -60 ? level.toFixed(0) + ' dBFS' : '');
    text(el('last'), last((s.calls || [])[0]));
  } catch {
    text(el('state'), 'The demo has ended');
    el('lamp').classList.remove('on');
  }
  setTimeout(show, 150);
}
fetch('links.json').then(r => r.json()).then(l => { el('door').href = l.door; el('indoor').href = l.indoor; });
show();
