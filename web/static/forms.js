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

// While something goes on at the door the page is looked at again, and the focus stays.
async function again() {
	const main = document.querySelector("main[data-again]");
	if (!main) return;
	try {
		const answer = await fetch(location.href, { headers: { Accept: "text/html" } });
		const fresh = answer.ok && new DOMParser().parseFromString(await answer.text(), "text/html").querySelector("main");
		const now = document.activeElement;
		const typed = now && now.matches("input");
		if (fresh && !typed && fresh.innerHTML !== main.innerHTML) {
			const name = now && main.contains(now) && now.getAttribute("aria-label");
			main.replaceWith(fresh);
			if (name) [...fresh.querySelectorAll("button")].find((b) => b.getAttribute("aria-label") === name)?.focus();
		}
	} catch { /* the door is away: the next look may find it */ }
	setTimeout(again, 1000);
}
setTimeout(again, 1000);
