// What the small pages can do with a script and need not.
"use strict";

for (const button of document.querySelectorAll("[data-copy]")) {
	if (!navigator.clipboard) break;
	button.hidden = false;
	button.addEventListener("click", async () => {
		await navigator.clipboard.writeText(document.getElementById(button.dataset.copy).textContent);
		button.textContent = button.dataset.done;
	});
}

// Times on a page are the door's: whoever has another clock is told so.
const answered = performance.getEntriesByType("navigation")[0];
const clock = answered?.serverTiming?.find((entry) => entry.name === "clock");
const skew = document.getElementById("skew");
if (clock && skew) {
	const apart = Math.round(Math.abs(performance.timeOrigin + answered.responseStart - clock.duration) / 1000);
	skew.textContent = skew.dataset.words.replace("{n}", apart);
	skew.hidden = apart <= 5;
}

// A fault leads to its line in the text.
for (const fault of document.querySelectorAll("a[data-line]")) {
	const text = document.getElementById("text");
	if (!text) break;
	fault.addEventListener("click", (event) => {
		event.preventDefault();
		const lines = text.value.split("\n");
		const number = Number(fault.dataset.line);
		const from = lines.slice(0, number - 1).join("\n").length + (number > 1 ? 1 : 0);
		text.focus();
		text.setSelectionRange(from, from + (lines[number - 1] || "").length);
		text.scrollTop = Math.max(0, (number - 5) * text.scrollHeight / lines.length);
	});
}

for (const button of document.querySelectorAll("[data-print]")) {
	button.hidden = false;
	button.addEventListener("click", () => print());
}

// What goes on by itself is fetched anew, and the page around it stays as it is: a file that is
// chosen stays chosen, what is typed stays typed, and the focus stays where it was.
const again = async () => {
	const shown = document.querySelector("[data-again]");
	if (!shown) return;
	try {
		const answer = await fetch(location.href, { headers: { Accept: "text/html" } });
		if (answer.status === 401) return location.reload(); // the door has started anew
		const page = answer.ok && new DOMParser().parseFromString(await answer.text(), "text/html");
		const next = page && (shown.id ? page.getElementById(shown.id) : page.querySelector(shown.localName));
		const now = shown.contains(document.activeElement) ? document.activeElement : null;
		if (next && next.innerHTML !== shown.innerHTML && !now?.matches("input")) {
			const name = now?.getAttribute("aria-label");
			shown.replaceWith(document.adoptNode(next));
			if (name) [...next.querySelectorAll("button")].find((b) => b.getAttribute("aria-label") === name)?.focus();
		}
	} catch { /* it is starting, and will be back */ }
	setTimeout(again, 1000 * (shown.dataset.again || 1));
};
setTimeout(again, 1000 * (document.querySelector("[data-again]")?.dataset.again || 1));
