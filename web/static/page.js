// The live part of the status page. It puts sections that the server sends in
// place, keeps the connection, and lets buttons of a simulated panel be held.
// Without it the page can be read and its forms work.
"use strict";

(() => {
	const silence = 25_000; // ms without a word from the door until it counts as lost
	const again = 3_000;    // ms until the next attempt
	const tap = 120;        // ms that a press lasts at least

	const byId = (id) => document.getElementById(id);
	const link = byId("link"), lost = byId("lost"), lostFor = byId("lost-for"), lostText = byId("lost-text"), skew = byId("skew"), notice = byId("notice");
	const said = document.body.dataset; // the words of the page's language
	if (!link || !window.EventSource) return;
	const lostWords = lostText.textContent;

	// morph makes the node `old` like `fresh` and touches nothing that is alike
	// already, so that focus, a held button and running animations survive.
	function morph(old, fresh) {
		if (old.nodeType !== fresh.nodeType || old.nodeName !== fresh.nodeName) {
			old.replaceWith(fresh);
			return;
		}
		if (old.nodeType !== Node.ELEMENT_NODE) {
			if (old.nodeValue !== fresh.nodeValue) old.nodeValue = fresh.nodeValue;
			return;
		}
		for (const { name } of [...old.attributes]) {
			if (name === "open" && old.nodeName === "DETAILS") continue; // the reader's choice
			if (!fresh.hasAttribute(name)) old.removeAttribute(name);
		}
		for (const { name, value } of fresh.attributes) {
			if (old.getAttribute(name) !== value) old.setAttribute(name, value);
		}
		morphChildren(old, fresh);
	}

	function morphChildren(old, fresh) {
		const olds = [...old.childNodes], news = [...fresh.childNodes];
		news.forEach((n, i) => (i < olds.length ? morph(olds[i], n) : old.append(n)));
		olds.slice(news.length).forEach((n) => n.remove());
	}

	function show(update) {
		if (update.version !== document.body.dataset.version) {
			location.reload();
			return;
		}
		document.title = update.title;
		const apart = Math.round(Math.abs(Date.now() - Date.parse(update.time)) / 1000);
		skew.hidden = apart <= 5;
		if (apart > 5) skew.textContent = skew.dataset.words.replace("{n}", apart);
		for (const [id, html] of Object.entries(update.sections)) {
			const section = byId(id);
			if (!section) continue;
			const fresh = document.createElement("section");
			fresh.innerHTML = html; // escaped by the server's templates
			morphChildren(section, fresh);
			if (held) held.classList.add("held");
		}
	}

	// The connection. `heard` is when the door last said anything.
	let source = null, heard = Date.now(), watchdog = 0;

	function alive() {
		heard = Date.now();
		lost.hidden = true;
		lostText.textContent = lostWords;
		document.body.classList.remove("stale");
		link.textContent = said.live;
		link.className = "link up";
	}

	function age() {
		const s = Math.round((Date.now() - heard) / 1000);
		lostFor.textContent = s < 60 ? said.s.replace("{n}", s) : said.min.replace("{n}", Math.floor(s / 60));
	}

	function broken() {
		if (!lost.hidden) return;
		age();
		lost.hidden = false;
		document.body.classList.add("stale");
		link.textContent = said.notLive;
		link.className = "link";
	}

	function close() {
		clearTimeout(watchdog);
		if (source) source.close();
		source = null;
	}

	function open() {
		close();
		if (document.hidden) return; // a page that nobody sees costs the door nothing
		source = new EventSource("/live" + location.search);
		source.addEventListener("page", (e) => { alive(); show(JSON.parse(e.data)); });
		source.addEventListener("alive", alive);
		source.onerror = () => {
			broken();
			// The browser tries again by itself, unless the door refused it.
			if (source && source.readyState === EventSource.CLOSED) whyNot();
		};
		watch();
	}

	// whyNot asks for what the browser does not tell: the reason of a refusal. A page that
	// finds no place says so and is no less true than when it was loaded.
	async function whyNot() {
		const abort = new AbortController();
		let wait = again;
		try {
			const res = await fetch("/live", { headers: asJSON, signal: abort.signal });
			if (res.status === 401) {
				location.reload(); // it leads to the way in
				return;
			}
			if (!res.ok) {
				lostText.textContent = (await res.json()).text;
				wait = 10_000;
			} else {
				wait = 0;
			}
		} catch { /* the door cannot be reached at all */ }
		abort.abort();
		setTimeout(open, wait);
	}

	function watch() {
		watchdog = setTimeout(() => {
			if (Date.now() - heard > silence) {
				broken();
				open();
			} else {
				watch();
			}
		}, again);
	}

	document.addEventListener("visibilitychange", () => {
		heard = Date.now();
		if (document.hidden) close(); else open();
	});
	addEventListener("pagehide", close);
	setInterval(() => { if (!lost.hidden) age(); }, 1_000);
	addEventListener("pageshow", (e) => { if (e.persisted) open(); });

	// Commands.
	const asJSON = { Accept: "application/json" };

	async function say(res) {
		if (res.ok) return;
		const body = await res.json().catch(() => ({}));
		notice.textContent = body.text || said.refused + " (" + res.status + ")";
		notice.hidden = false;
		setTimeout(() => { notice.hidden = true; }, 8_000);
	}

	document.addEventListener("submit", async (e) => {
		e.preventDefault();
		const form = e.target, button = form.querySelector("button");
		if (button.dataset.hold && Date.now() - released < 500) return; // was held just now
		button.disabled = true;
		try {
			await say(await fetch(form.action, { method: "POST", headers: asJSON, body: new URLSearchParams(new FormData(form)) }));
		} catch {
			broken();
		}
		button.disabled = false;
	});

	// Held buttons: the request lives as long as the finger stays, and the door
	// lets the button go when the request ends, whatever the reason.
	let held = null, letGo = null, released = 0;

	async function press(button) {
		if (held) return;
		held = button;
		button.classList.add("held");
		const abort = new AbortController();
		const up = new Promise((resolve) => { letGo = resolve; });
		try {
			const res = await fetch("/panel/hold", {
				method: "POST", headers: asJSON, signal: abort.signal,
				body: new URLSearchParams({ input: button.dataset.hold }),
			});
			if (res.ok) {
				await Promise.all([up, new Promise((r) => setTimeout(r, tap))]);
				abort.abort();
			} else {
				await say(res);
			}
		} catch {
			broken();
		}
		button.classList.remove("held");
		held = letGo = null;
	}

	function release() {
		if (!held) return;
		released = Date.now();
		if (letGo) letGo();
	}

	const holdable = (e) => e.target.closest && e.target.closest("[data-hold]");
	const isKey = (e) => e.key === " " || e.key === "Enter";

	document.addEventListener("pointerdown", (e) => {
		const b = holdable(e);
		if (b && e.button === 0) {
			b.setPointerCapture(e.pointerId);
			press(b);
		}
	});
	document.addEventListener("keydown", (e) => {
		if (holdable(e) && isKey(e)) {
			e.preventDefault();
			if (!e.repeat) press(holdable(e));
		}
	});
	document.addEventListener("keyup", (e) => { if (isKey(e)) release(); });
	for (const end of ["pointerup", "pointercancel"]) document.addEventListener(end, release);
	for (const end of ["blur", "pagehide"]) addEventListener(end, release);
	document.addEventListener("contextmenu", (e) => { if (holdable(e)) e.preventDefault(); });

	open();
})();
