// What the console does besides htmx. Every page works without it.
"use strict";

document.documentElement.classList.add("scripted");

// -- times: "3 minutes ago" goes on ---------------------------------------------------------------

const UNITS = [[86400, "day"], [3600, "hour"], [60, "minute"], [1, "second"]];

function ago(moment) {
  const seconds = Math.round((Date.now() - moment) / 1000);
  for (const [length, name] of UNITS) {
    const count = Math.floor(Math.abs(seconds) / length);
    if (count) {
      const text = `${count} ${name}${count === 1 ? "" : "s"}`;
      return seconds > 0 ? `${text} ago` : `in ${text}`;
    }
  }
  return "just now";
}

function refreshTimes() {
  for (const time of document.querySelectorAll("time.when")) {
    const shown = time.querySelector(".ago");
    const text = ago(Date.parse(time.dateTime));
    if (shown && shown.textContent !== text) shown.textContent = text;
  }
}
setInterval(refreshTimes, 15000);

// -- small things ---------------------------------------------------------------------------------

document.addEventListener("click", async (event) => {
  const button = event.target.closest("[data-copy]");
  if (button) {
    const field = document.getElementById(button.dataset.copy);
    field.select();
    try {
      await navigator.clipboard.writeText(field.value);
    } catch {
      document.execCommand("copy"); // not a secure context: the older way
    }
    const before = button.innerHTML;
    button.textContent = "Copied";
    setTimeout(() => { button.innerHTML = before; }, 1500);
  }
  const all = event.target.closest("[data-select-all]");
  if (all) {
    for (const box of document.querySelectorAll(`input[name="${all.dataset.selectAll}"]`)) {
      box.checked = all.checked;
    }
  }
  // An open question closes when one clicks elsewhere.
  for (const ask of document.querySelectorAll("details.ask[open]")) {
    if (!ask.contains(event.target)) ask.open = false;
  }
});

document.addEventListener("keydown", (event) => {
  if (event.key !== "Escape") return;
  for (const open of document.querySelectorAll("details.ask[open], details.shell-menu[open]")) {
    open.open = false;
    open.querySelector("summary").focus();
  }
});

document.addEventListener("focusin", (event) => {
  if (event.target.matches("input[data-select]")) event.target.select();
});

// -- the live list: the note that there is nothing goes with the first row, what came while the page
// was made is not shown twice, and the list stays short

const MOST_ROWS = 200;
document.addEventListener("htmx:sse:after:message", () => {
  document.getElementById("no-events")?.remove();
  const seen = new Set();
  for (const row of document.querySelectorAll("#tail > tr")) {
    if (seen.has(row.dataset.event)) row.remove();
    seen.add(row.dataset.event);
  }
  const rows = document.querySelectorAll("#tail > tr");
  for (let at = MOST_ROWS; at < rows.length; at += 1) rows[at].remove();
});

// -- native beside unified ------------------------------------------------------------------------

function light(row) {
  for (const lit of document.querySelectorAll(".lit")) lit.classList.remove("lit");
  const card = document.getElementById("origin");
  if (!row || !card) return;
  row.classList.add("lit");
  const places = row.dataset.native ? row.dataset.native.split(" ") : [];
  const lines = places.map((id) => document.getElementById(id)).filter(Boolean);
  for (const line of lines) line.classList.add("lit");
  const pane = document.getElementById("native-pane");
  if (lines.length && pane && getComputedStyle(pane).overflowY !== "visible") {
    pane.scrollTop += lines[0].getBoundingClientRect().top - pane.getBoundingClientRect().top - pane.clientHeight / 3;
  }
  const details = row.querySelector("template");
  if (details) card.replaceChildren(details.content.cloneNode(true));
}

for (const kind of ["mouseover", "focusin"]) {
  document.addEventListener(kind, (event) => {
    const row = event.target.closest?.(".origins tr[data-native]");
    if (row && !row.classList.contains("lit")) light(row);
  });
}
