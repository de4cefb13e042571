/* SPDX-License-Identifier: BSD-2-Clause */
/* Search and filters of the front page: each item carries what it is found by. */
"use strict";
const form = document.querySelector("form"), items = document.querySelectorAll("ol > li"), count = document.querySelector("output");
const found = Array.from(items, item => [item, (item.textContent + " " + item.dataset.s).toLowerCase(), item.dataset.b.split(" ")]);
function filter() {
	const words = form.q.value.toLowerCase().split(/\s+/), branch = form.b.value, kind = form.k.value;
	let n = 0;
	for (const [item, text, branches] of found) {
		const show = (!branch || branches.includes(branch)) && (!kind || item.dataset.k === kind) &&
			words.every(word => text.includes(word));
		item.hidden = !show;
		n += show;
	}
	count.textContent = n + " of " + found.length;
}
form.hidden = false;
form.addEventListener("input", filter);
form.addEventListener("submit", event => event.preventDefault());
filter();
