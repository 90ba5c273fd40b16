// Puts new lines of the log on top as they are written. Without it the page shows those that there
// were when it was loaded.
"use strict";

(() => {
	const most = 500;
	const list = document.getElementById("log");
	if (!list || !window.EventSource) return;
	const span = (name, text) => {
		const s = document.createElement("span");
		s.className = name;
		s.textContent = text;
		return s;
	};
	new EventSource(list.dataset.live).addEventListener("line", (e) => {
		const line = JSON.parse(e.data), li = document.createElement("li"), time = document.createElement("time");
		li.className = line.level.toLowerCase();
		time.dateTime = line.at;
		time.textContent = line.when;
		li.append(time, " ", span("level", line.level), " ", span("part", line.part), " ", span("text", line.text));
		list.prepend(li);
		while (list.children.length > most) list.lastElementChild.remove();
	});
})();
